import json

import pytest
from comparison_runs import make_images, make_predictions, write_run

from mmfer.comparison import robustness_run as module
from mmfer.comparison.results import read_run
from mmfer.comparison.robustness_run import report_robustness


def write_comparison(root, rate=0.0, methods=('vich', 'linear'), noise=0.3):
    truth, labels = make_images(60)
    for i, method in enumerate(methods):
        folder = write_run(root / method / 'seed_0', make_predictions(truth, labels, noise, seed=i))
        finished = json.loads((folder / 'finished.json').read_text())
        if rate:
            finished['settings'] = {
                'train_dataloader.dataset.type': 'mmfer.datasets.NoisyLabels',
                'train_dataloader.dataset.rate': rate,
            }
        (folder / 'finished.json').write_text(json.dumps(finished))
    (root / 'comparison.json').write_text(json.dumps(dict(command=f'compare --label-noise {rate:g}')))
    return root


@pytest.fixture
def short(monkeypatch):
    """The conditions and terms that the report would be written of."""
    seen = {}

    def write(result, out_dir, terms):
        seen.update(result=result, terms=terms, out=out_dir)
        return {'robustness.md': out_dir / 'robustness.md'}

    monkeypatch.setattr(module, 'write_robustness', write)
    return seen


def test_trainings_with_other_label_noise(tmp_path, short):
    dirs = [write_comparison(tmp_path / f'{rate}', rate, noise=rate * 5) for rate in (0.3, 0.0)]
    lines = []
    assert report_robustness(dirs, tmp_path / 'out', command='robustness.py', say=lines.append) == 0
    assert short['result'].shares == {'clean': 0.0, 'noise 30 %': 0.3}
    assert short['terms'] == [
        'Trained and tested by `compare --label-noise 0.3`.',
        'Trained and tested by `compare --label-noise 0`.',
        'Reported by `robustness.py`.',
    ]
    assert any(line.startswith('- noise 30 %: points of accuracy') for line in lines)


def test_covered_faces(tmp_path, short, monkeypatch):
    root = write_comparison(tmp_path / 'runs', 0.1)
    asked = []

    def run(runs, wanted, say):
        asked.append((runs, wanted))
        return {name: [read_run(run.folder / 'predictions.json') for run in runs] for name in wanted}

    monkeypatch.setattr(module, 'run_occluded', run)
    report_robustness([root], tmp_path / 'out', [0.2], ['eyes'], 3, ['vich'], say=lambda line: None)
    (runs, wanted), result = asked[0], short['result']
    assert [run.method for run in runs] == ['vich']
    assert wanted['block 20 %'] == dict(region='block', share=0.2, seed=3)
    assert result.shares == {'clean': 0.0, 'block 20 %': 0.2, 'eyes': None}
    assert all(change.difference.value == 0 for change in result.changes)
    assert 'Trained with 10 % wrong labels.' in short['terms']
    assert 'The blocks follow from the seed 3 and the name of each image.' in short['terms']


def test_what_does_not_fit_together(tmp_path, short):
    dirs = [write_comparison(tmp_path / f'{rate}', rate) for rate in (0.3, 0.0)]
    with pytest.raises(ValueError, match=r'2 rates of label noise \(0, 30 %\): name the folders of one of them'):
        report_robustness(dirs, tmp_path, [0.2])
    with pytest.raises(ValueError, match='only one condition, clean: name folders'):
        report_robustness(dirs[1:], tmp_path)
    with pytest.raises(ValueError, match='no runs of arcface; there are: linear, vich'):
        report_robustness(dirs, tmp_path, methods=['vich', 'arcface'])
    with pytest.raises(FileNotFoundError, match='no such folder'):
        report_robustness([tmp_path / 'nothing'], tmp_path)
