"""Comparisons with a script in the place of ``mmfer``."""

import json
from types import SimpleNamespace

import pytest
from stand_in import StandIn

from mmfer.experiments import run as module
from mmfer.experiments import schedule
from mmfer.experiments.conditions import occlusion, ood
from mmfer.experiments.label_noise import LabelNoise
from mmfer.experiments.run import Output, compare_methods, report_finished
from mmfer.utils.folder_lock import sole_run

CONFIG = (
    "model = dict(type='ImageClassifier', head=dict(type='LinearHead', num_classes=2, in_channels=16))\n"
    "train_dataloader = dict(dataset=dict(type='SynthFER', split='train'))\n"
    "test_dataloader = dict(dataset=dict(type='SynthFER', split='test', pipeline=[dict(type='PackInputs')]))\n"
)


@pytest.fixture
def setup(tmp_path, monkeypatch):
    """Compares heads of a config, whose names it gets; focal never gets trained."""
    (tmp_path / 'plain.py').write_text(CONFIG)
    for name in ('mine', 'vich', 'focal'):
        (tmp_path / f'{name}.py').write_text("head = dict(type='LinearHead')\n")
    mmfer = StandIn(tmp_path)
    mmfer.plan(**{f'focal {seed} train': 1 for seed in (0, 1)})

    def write_configs(methods, original=module.write_configs):
        original(methods)
        mmfer.settings.update({str(method.config.resolve()): method.settings for method in methods})

    monkeypatch.setattr(schedule, 'command', mmfer)
    monkeypatch.setattr(module, 'write_configs', write_configs)

    def compare(names, *tests, reference=None, **options):
        lines = []
        output = Output(tmp_path / 'work', reference=reference, called='mmfer compare plain.py', say=lines.append)
        heads = [tmp_path / f'{name}.py' for name in names]
        code = compare_methods([tmp_path / 'plain.py'], heads, [0, 1], output, tests, **options)
        return code, '\n'.join(lines)

    return compare


@pytest.fixture
def short_report(monkeypatch):
    """A report without tests and plots, which take seconds."""

    def write(table, out_dir, level, reference, terms, primary, by):
        out_dir.mkdir(exist_ok=True)
        counts = {condition.name: len(runs) for condition, runs in table.items()}
        (out_dir / 'report.md').write_text('\n'.join([f'# {counts}, level {level}, reference {reference}', *terms]))
        return SimpleNamespace(table='table', verdict=['no differences'], files={'report.md': out_dir / 'report.md'})

    monkeypatch.setattr(module, 'write_report', write)


def test_from_the_trainings_to_the_report(setup, tmp_path, monkeypatch):
    monkeypatch.setattr('mmfer.experiments.report._draw', lambda *args: {})  # plots take seconds
    data = tmp_path / 'masks.py'
    tests = (occlusion('block', 0.2), occlusion('eyes'), ood('masks', data))
    noises = [LabelNoise(0.2), LabelNoise(0.0)]
    code, said = setup(['mine', 'vich'], *tests, noises=noises, reference='mine')
    assert code == 0, said
    report = (tmp_path / 'work/report.md').read_text()
    for section in ('## Label noise', '## Occlusion', '## Out-of-distribution images', '## Terms of the comparison'):
        assert section in report
    assert '- In every seed all methods had the same initial backbone, first batch' in report
    warning = 'WARNING: seeds 0, 1: the initial neck is not the same: mine; vich, although their settings are'
    assert warning in report
    assert warning in said
    assert 'against `mine`' in report
    assert '- Tested: the last checkpoint of each training.' in report
    assert '- Trained and tested by `mmfer compare plain.py`.' in report
    content = json.loads((tmp_path / 'work/comparison.json').read_text())
    folders = [f'{noise}{m}/seed_{s}' for s in (0, 1) for noise in ('', 'noise_20/') for m in ('mine', 'vich')]
    assert [run['folder'] for run in content['runs']] == folders
    assert {run['state'] for run in content['runs']} == {'complete'}
    assert not list((tmp_path / 'work/noise_20').rglob('occluded*'))


def test_the_report_says_what_is_missing(setup, tmp_path, short_report):
    code, said = setup(['mine', 'focal'], reference='focal')
    assert code == 1
    report = (tmp_path / 'work/report.md').read_text()
    assert report.startswith("# {'clean': 2}, level 0.95, reference None")
    assert 'MISSING, so not in this report: focal seed 0, focal seed 1.' in report
    assert '2 of 4 runs are missing' in said
    assert 'failed (training: exit code 1)' in said
    assert 'error: told to fail' in said
    assert 'focal/seed_1/train.log' in said


def test_a_stopped_comparison_has_the_exit_code_of_the_signal(setup, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'run_tasks', lambda *args: 15)
    code, said = setup(['mine', 'vich'])
    assert code == 143
    assert 'The same command goes on' in said
    assert not (tmp_path / 'work/report.md').exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(reference='linear'), 'reference=linear: the methods are mine, vich'),
        (dict(checkpoint='best'), 'mine sets no default_hooks.checkpoint.save_best'),
        (dict(jobs=0), 'jobs=0: expected 1 or more'),
        (dict(noises=[LabelNoise(0.1), LabelNoise(0.1)]), 'label noise is there twice: noise 10 %'),
    ],
)
def test_wrong_arguments_train_nothing(setup, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        setup(['mine', 'vich'], **options)
    assert not (tmp_path / 'work').exists()


def test_two_comparisons_do_not_share_a_folder(setup, tmp_path):
    work = tmp_path / 'work'
    with sole_run(work / 'comparison.lock'), pytest.raises(ValueError, match=f'{work} is in use: .*process'):
        setup(['mine', 'vich'])
    assert not list(work.iterdir())


def test_finished_runs_are_reported_after_the_tests_that_they_lack(setup, tmp_path, short_report):
    setup(['mine', 'vich'])
    folders = [tmp_path / 'work/mine', tmp_path / 'work/vich/seed_1']
    (tmp_path / 'work/vich/seed_1/predictions.json').unlink()

    def report(*tests, out='out', **options):
        lines = []
        output = Output(tmp_path / out, called='mmfer compare --from', say=lines.append)
        return report_finished(folders, output, tests, **options), '\n'.join(lines)

    code, said = report()
    assert code == 0
    assert '1 runs: 1 trained' in said
    text = (tmp_path / 'out/report.md').read_text()
    assert text.startswith("# {'clean': 3}")
    assert 'seed 1: the initial neck is not the same' in text
    assert text.count('by `mmfer compare plain.py`') == 1
    assert 'Reported by `mmfer compare --from`.' in text
    assert not (tmp_path / 'out/comparison.json').exists()
    code, said = report(occlusion('eyes'), methods=['mine'])
    assert (tmp_path / 'out/report.md').read_text().startswith("# {'clean': 2, 'eyes': 2}")
    assert sorted(path.parent.parent.name for path in (tmp_path / 'work').rglob('occluded_eyes.json')) == ['mine'] * 2
    (tmp_path / 'work/mine/seed_0/epoch_3.pth').unlink()
    code, said = report(occlusion('mouth'))
    assert code == 1
    assert 'mine seed 0: FAILED in its test mouth: the checkpoint' in said
    assert 'MISSING, so not in this report: mine seed 0.' in said


def test_where_there_is_nothing_to_report_on(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such folder: .*nothing'):
        report_finished([tmp_path / 'nothing'], Output(tmp_path / 'out'))
    with pytest.raises(FileNotFoundError, match='no predictions.json in or below'):
        report_finished([tmp_path], Output(tmp_path / 'out'))


def test_strict_refuses_unequal_terms(setup, tmp_path, short_report):
    setup(['mine', 'vich'])
    output = Output(tmp_path / 'strict', strict=True, say=lambda line: None)
    with pytest.raises(ValueError, match='--strict refuses this comparison:\nWARNING: seeds 0, 1: the initial neck'):
        report_finished([tmp_path / 'work'], output, ())
    assert not (tmp_path / 'strict').exists()
