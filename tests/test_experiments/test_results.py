import json
import math

import numpy as np
import pytest
from comparison_runs import CLASSES, make_images, make_predictions, runs_in, write_methods, write_run

from mmfer.experiments import load_table
from mmfer.experiments.results import methods_of, observer_accuracy


@pytest.fixture
def images():
    return make_images(12)


@pytest.fixture
def records(images):
    return make_predictions(*images, deviation='good')


def test_runs_come_by_method_and_seed_with_their_facts(tmp_path):
    write_methods(tmp_path, dict(vich=dict(deviation='good'), linear={}), seeds=(10, 2), num=12)
    runs = runs_in(tmp_path)
    assert [(run.method, run.seed) for run in runs] == [('linear', 2), ('linear', 10), ('vich', 2), ('vich', 10)]
    assert list(methods_of(runs)) == ['linear', 'vich']
    vich, linear = runs[-1], runs[0]
    assert vich.folder == tmp_path / 'vich/seed_10'
    assert vich.classes == CLASSES
    assert vich.pred_std.shape == vich.scores.shape == vich.gt_distribution.shape == (12, 7)
    assert vich.deviation == pytest.approx(vich.pred_std.mean(1))
    assert linear.deviation is None
    assert linear.aleatoric is None
    assert vich.facts['epochs'] == vich.finished['epochs'] == 7
    assert (vich.config, vich.protocol) == ('configs/poster_var/synth.py', 'SynthFER test')
    assert [run.name for run in runs_in(tmp_path, tmp_path / 'vich', tmp_path / 'vich/seed_2')] == [
        r.name for r in runs
    ]
    assert [run.method for run in next(iter(load_table(tmp_path, ['vich']).values()))] == ['vich'] * 2
    with pytest.raises(ValueError, match='no runs of focal; there are: linear, vich'):
        load_table(tmp_path, ['focal'])


def test_without_a_seed_folder_the_name_is_that_of_the_folder(tmp_path, records):
    expected = [record.pop('uncertainty') for record in records]
    write_run(tmp_path / 'mine', records, finished=False, seed=5)
    (run,) = runs_in(tmp_path / 'mine')
    assert (run.method, run.seed, run.name) == ('mine', 5, 'mine, seed 5')
    assert (run.facts, run.finished) == ({}, None)
    assert run.uncertainty == pytest.approx(expected)  # the entropy, where there is none


def test_folders_without_predictions_are_all_named(tmp_path, records):
    write_run(tmp_path / 'good', records)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match=f'in or below {tmp_path}/empty, {tmp_path}/gone: it is written by'):
        load_table([tmp_path / 'good', tmp_path / 'empty', tmp_path / 'gone'])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda r: r[3].pop('pred_score'), r'1 of 12 predictions have no pred_score \(first: number 3, test/0003.png'),
        (lambda r: [x.pop('gt_label') for x in r], '12 of 12 predictions have no gt_label'),
        (lambda r: r[3].pop('epistemic'), '1 of 12 predictions have no epistemic'),
        (lambda r: r[3].update(pred_score=[0.5, 0.5]), 'pred_score is not made of numbers, as many for each image'),
        (lambda r: [x.update(pred_std=[1.0]) for x in r], r'pred_std has shape \(1,\) for each image, expected 7'),
        (lambda r: r[2].update(uncertainty=math.nan), r'uncertainty is not finite in 1 .*test/0002.png'),
        (lambda r: r[2].update(pred_score=[2.0] * 7), 'scores does not sum to 1'),
        (lambda r: r[2].update(gt_label=7), 'target is not a label in 0..6'),
        (lambda r: r[2].update(gt_distribution=[0.0] * 7), 'distributions is all zero'),
        (lambda r: r.clear(), 'it has no predictions'),
    ],
)
def test_missing_and_impossible_fields(tmp_path, records, change, message):
    change(records)
    write_run(tmp_path / 'a', records)
    with pytest.raises(ValueError, match=message) as error:
        load_table([tmp_path])
    assert str(error.value).startswith(str(tmp_path / 'a/predictions.json'))


@pytest.mark.parametrize(
    ('file', 'text', 'message'),
    [
        ('predictions.json', '{"predictions": [', 'predictions.json: no whole JSON file'),
        ('predictions.json', '[]', 'expected an object with predictions and classes'),
        ('finished.json', '{}', 'finished.json is damaged'),
    ],
)
def test_broken_files_are_named(tmp_path, records, file, text, message):
    (write_run(tmp_path / 'a', records) / file).write_text(text)
    with pytest.raises(ValueError, match=message):
        load_table([tmp_path])


def changed(records, number, **fields):
    return [dict(record, **(fields if i == number else {})) for i, record in enumerate(records)]


@pytest.mark.parametrize(
    ('change', 'options', 'message'),
    [
        (
            lambda r: changed(r, 4, img_path='test/other.png'),
            {},
            'on other images.*number 4: .*0004.png and test/other',
        ),
        (lambda r: r[:-1], {}, r'12 and 11, first at number 11: test/0011.png and none'),
        (
            lambda r: changed(r, 3, gt_label=(r[3]['gt_label'] + 1) % 7),
            {},
            'other labels for 1 images, first test/0003',
        ),
        (lambda r: r, dict(classes=(*CLASSES[:-1], 'contempt')), 'have other classes: neutral.*and neutral.*contempt'),
        (
            lambda r: changed(r, 6, gt_distribution=r[6]['gt_distribution'][::-1]),
            {},
            'other true distributions for 1 images, first test/0006.png',
        ),
    ],
)
def test_runs_on_other_data(tmp_path, records, change, options, message):
    write_run(tmp_path / 'a', records)
    write_run(tmp_path / 'b', change(records), **options)
    with pytest.raises(ValueError, match=rf'a and .*b .*{message}'):
        load_table([tmp_path])


def test_one_method_and_seed_twice(tmp_path, records):
    write_run(tmp_path / 'x/vich/seed_0', records)
    write_run(tmp_path / 'y/vich/seed_0', records)
    with pytest.raises(ValueError, match=r'vich, seed 0 is there twice: .*x/vich/seed_0 and .*y/vich/seed_0'):
        load_table([tmp_path])


def test_data_elsewhere_and_in_another_order(tmp_path, records):
    write_run(tmp_path / 'a', records)
    moved = [dict(record, img_path=f'/else/where/{record["img_path"]}') for record in records]
    write_run(tmp_path / 'b', moved[::-1])
    a, b = runs_in(tmp_path)
    assert b.images[0] == '/else/where/test/0000.png'
    for name in ('labels', 'scores', 'uncertainty', 'pred_std', 'gt_distribution'):
        assert getattr(b, name) == pytest.approx(getattr(a, name))


def test_classes_in_another_order_are_matched_by_name(tmp_path, records):
    write_run(tmp_path / 'a', records)
    order = [3, 0, 6, 1, 2, 5, 4]
    other = []
    for record in records:
        record = dict(record, gt_label=order.index(record['gt_label']), pred_label=order.index(record['pred_label']))
        for name in ('pred_score', 'pred_mean', 'pred_std', 'gt_distribution'):
            record[name] = [record[name][k] for k in order]
        other.append(record)
    write_run(tmp_path / 'b', other, classes=[CLASSES[k] for k in order])
    a, b = runs_in(tmp_path)
    assert b.classes == CLASSES
    for name in ('labels', 'scores', 'pred_mean', 'pred_std', 'gt_distribution'):
        np.testing.assert_array_equal(getattr(b, name), getattr(a, name))


def test_images_without_paths_and_truth_that_is_shared(tmp_path, records):
    for record in records:
        record['img_path'] = None
    write_run(tmp_path / 'b', records)
    write_run(tmp_path / 'a', [{k: v for k, v in record.items() if k != 'gt_distribution'} for record in records])
    a, b = runs_in(tmp_path)
    assert a.gt_distribution is b.gt_distribution


def test_bayes_optimal_accuracy(tmp_path, images, records):
    truth, labels = images
    write_run(tmp_path / 'a', records)
    (run,) = runs_in(tmp_path)
    assert observer_accuracy(run) == pytest.approx(100 * np.mean(truth.argmax(1) == labels))
    for protocol in ('FER+ test, majority of votes', 'SynthFER test, at most 3 votes a face (seed 0)'):
        run.protocol, run.metrics = protocol, {}
        assert math.isnan(observer_accuracy(run))
        run.metrics = dict(observer_accuracy=90.0)
        assert observer_accuracy(run) == 90


# ---- conditions ------------------------------------------------------------------------------------------------------
def write_noisy(root, rate, seed=0, **more):
    folder = write_run(root / 'vich/seed_0', make_predictions(*make_images(14)))
    finished = json.loads((folder / 'finished.json').read_text())
    name = 'train_dataloader.dataset'
    settings = dict(type='mmfer.datasets.NoisyLabels', rate=rate, seed=seed, **more) if rate else {}
    finished['settings'] = {f'{name}.{key}': value for key, value in settings.items()}
    (folder / 'finished.json').write_text(json.dumps(finished))
    return folder


def test_conditions_are_read_from_what_trainings_and_tests_leave(tmp_path):
    for rate in (0.3, 0, 0.1):
        folder = write_noisy(tmp_path / str(rate), rate)
        for name in ('occluded_eyes', 'occluded_block_20', 'occluded_block_5', 'occluded_upper', 'ood_fer2013'):
            if rate != 0.1:
                (folder / f'{name}.json').write_text((folder / 'predictions.json').read_text())
    table = load_table([tmp_path / '0.3', tmp_path / '0', tmp_path / '0.1'])
    names = ['clean', 'noise 10 %', 'noise 30 %', 'block 5 %', 'block 20 %', 'upper', 'eyes', 'fer2013']
    assert [condition.name for condition in table] == names
    assert [condition.share for condition in table] == [0, 0.1, 0.3, 0.05, 0.2, None, None, None]
    folders = [run.folder.relative_to(tmp_path).parts[0] for runs in table.values() for run in runs]
    assert folders == ['0', '0.1', '0.3', *['0'] * 5]  # tests under conditions are those of the baseline
    assert [condition.name for condition in load_table([tmp_path / '0.1'])] == ['noise 10 %']


def test_noise_that_cannot_be_told(tmp_path):
    folder = write_noisy(tmp_path / 'a', 0.3)
    write_noisy(tmp_path / 'b', 0.3, seed=1)
    assert [c.name for c in load_table([tmp_path])] == ['noise 30 %', 'noise 30 % (seed 1)']
    write_noisy(tmp_path / 'b', 0.3, kind='asymmetric')
    assert [c.name for c in load_table([tmp_path])] == ['noise 30 %', 'other label noise']
    (folder / 'finished.json').unlink()
    with pytest.raises(ValueError, match='the label noise of vich, seed 0 is unknown'):
        load_table([tmp_path])
    assert [c.name for c in load_table([tmp_path / 'a'])] == ['clean']


def test_tests_of_another_checkpoint_or_on_other_images(tmp_path):
    folder = write_noisy(tmp_path, 0)
    content = json.loads((folder / 'predictions.json').read_text())
    (folder / 'occluded_eyes.json').write_text(json.dumps(dict(content, checkpoint='epoch_3.pth')))
    with pytest.raises(ValueError, match=r'occluded_eyes.json is of epoch_3.pth'):
        load_table([tmp_path])
    (folder / 'occluded_eyes.json').write_text(json.dumps(dict(content, predictions=content['predictions'][:5])))
    with pytest.raises(ValueError, match=r'^eyes: .*were tested on other images'):
        load_table([tmp_path])


def test_runs_share_the_texts_of_their_images(tmp_path, images):
    for seed in range(2):
        records = [dict(record, gender='female') for record in make_predictions(*images, seed=seed)]
        write_run(tmp_path / f'vich/seed_{seed}', records, seed)
    first, second = runs_in(tmp_path)
    assert first.images == second.images
    assert all(a is b for a, b in zip(first.images, second.images))
    assert all(a is b for a, b in zip(first.columns['gender'], second.columns['gender']))
