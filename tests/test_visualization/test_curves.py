import cv2
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mmfer.visualization.curves import curve, draw_curves, find_keys, notes, save_figure, smoothed
from mmfer.visualization.panels import COLORS
from mmfer.visualization.scalars import Run


def make_run(name='run', losses=((2.0, 1.0, 0.5),), accuracy=(50.0, 60.0)):
    seeds = []
    for values in losses:
        seed = {'train/loss': {10 * (i + 1): v for i, v in enumerate(values)}}
        seed['val/accuracy'] = {i + 1: v for i, v in enumerate(accuracy)}
        seeds.append(seed)
    return Run(name, seeds)


def test_keys_with_and_without_split():
    run = Run('a', [{'train/loss': {1: 1.0}, 'val/loss': {1: 2.0}, 'val/accuracy': {1: 3.0}, 'train/lr': {1: 0.1}}])
    assert find_keys([run]) == ['train/loss', 'val/accuracy', 'train/lr']
    assert find_keys([make_run()]) == ['train/loss', 'val/accuracy']
    assert find_keys([run], ['loss', 'val/loss', 'train/loss']) == ['train/loss', 'val/loss']


def test_unknown_keys_list_those_there():
    with pytest.raises(ValueError, match=r'not in the logs: auc, f1; there are: train/loss, val/accuracy'):
        find_keys([make_run()], ['auc', 'loss', 'f1'])
    with pytest.raises(ValueError, match='not in the logs.*there are: train/time'):
        find_keys([Run('a', [{'train/time': {1: 1.0}}])])
    with pytest.raises(ValueError, match='nothing was logged yet: a, b'):
        find_keys([Run('a', [{}]), Run('b', [{}])], ['loss'])


def test_one_run_has_no_deviation():
    steps, values, std = curve(make_run(), 'train/loss')
    assert (steps.tolist(), values.tolist(), std) == ([10, 20, 30], [2, 1, 0.5], None)
    assert curve(make_run(), 'train/acc') is None
    assert curve(Run('a', [{'train/loss': {1: 1.0}}, {'train/loss': {2: 1.0}}]), 'train/loss') is None


def test_mean_and_sample_deviation_at_common_steps():
    steps, values, std = curve(make_run(losses=[(1.0, 2.0), (3.0, 6.0, 9.0)]), 'train/loss')
    assert steps.tolist() == [10, 20]
    assert values.tolist() == [2, 4]
    assert std == pytest.approx(np.std([[1, 2], [3, 6]], axis=0, ddof=1))


def test_smoothing_has_no_bias_at_its_start():
    assert smoothed(np.full(5, 3.0), 0.9) == pytest.approx(np.full(5, 3.0))
    weights = 0.6 ** np.arange(3)[::-1]
    assert smoothed(np.array([1.0, 2.0, 4.0]), 0.6)[-1] == pytest.approx((weights * [1, 2, 4]).sum() / weights.sum())
    assert smoothed(np.array([1.0, np.nan, 1.0]), 0.6) == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert smoothed(np.array([1.0, 5.0]), 0).tolist() == [1, 5]


def test_only_what_the_training_measured_is_smoothed():
    seed = {name: {1: 0.0, 2: 1.0} for name in ('train/loss', 'train/lr', 'val/accuracy')}
    run = Run('a', [seed])
    smooth = {name: curve(run, name, 0.6)[1][-1] for name in seed}
    assert smooth == {'train/loss': pytest.approx(1 / 1.6), 'train/lr': 1, 'val/accuracy': 1}


def panels(figure):
    return {axes.get_ylabel(): axes for axes in figure.axes}


def test_panels_are_labelled_with_units():
    run = make_run()
    run.seeds[0].update({'train/lr': {1: 0.1}, 'train/images_per_s': {1: 9.0}, 'val/loss': {1: 9.0}})
    figure = draw_curves([run], ['loss', 'accuracy', 'lr', 'images_per_s', 'val/loss'])
    labels = {label: axes.get_xlabel() for label, axes in panels(figure).items()}
    assert labels == {
        'training loss': 'iteration',
        'validation accuracy (%)': 'epoch',
        'learning rate': 'iteration',
        'images / s': 'iteration',
        'validation loss': 'epoch',
    }


def test_runs_have_a_colour_each_and_seeds_a_band():
    figure = draw_curves([make_run('one'), make_run('three', [(1.0, 2.0), (2.0, 3.0), (0.0, 4.0)])])
    axes = panels(figure)['training loss']
    assert [line.get_color() for line in axes.lines] == list(COLORS[:2])
    (band,) = axes.collections
    assert band.get_facecolor()[0, :3] == pytest.approx(to_rgb(COLORS[1]))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ['one', 'three (mean ± std of 3 seeds)']


@pytest.mark.parametrize('smooth', [-0.1, 1.0, float('nan')])
def test_impossible_smoothing(smooth):
    with pytest.raises(ValueError, match='smooth='):
        draw_curves([make_run()], smooth=smooth)


def test_a_run_without_a_key_is_left_out_and_noted():
    other = Run('other', [{'val/accuracy': {1: 70.0}}])
    figure = draw_curves([make_run(), other])
    assert len(panels(figure)['training loss'].lines) == 1
    assert notes([make_run(), other], ['train/loss', 'val/accuracy']) == ['other has no train/loss']


def test_shorter_seeds_are_noted():
    short = make_run('r', [(1.0,), (1.0, 2.0)])
    assert notes([short], ['train/loss']) == ['r: train/loss up to iteration 10, where the shortest seed ends']
    short.seeds[0].pop('train/loss')
    assert notes([short], ['train/loss']) == ['r: 1 of 2 seeds have no train/loss']


def test_pictures_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    figure = draw_curves([make_run()])
    save_figure(figure, tmp_path / 'new/curves.png')
    image = cv2.imread(str(tmp_path / 'new/curves.png'))
    assert image.shape[1] > image.shape[0] > 200
    blue = np.array(to_rgb(COLORS[0]))[::-1] * 255
    assert (np.abs(image - blue).max(axis=2) < 2).sum() > 50
    save_figure(figure, tmp_path / 'new/curves.svg')
    with pytest.raises(ValueError, match=r'\.png, \.svg or \.pdf'):
        save_figure(figure, tmp_path / 'curves.gif')

    def full_disk(*args, **kwargs):
        raise OSError('No space left on device')

    monkeypatch.setattr(figure, 'savefig', full_disk)
    with pytest.raises(OSError):
        save_figure(figure, tmp_path / 'other.png')
    assert sorted(p.name for p in tmp_path.rglob('*.*')) == ['curves.png', 'curves.svg']
