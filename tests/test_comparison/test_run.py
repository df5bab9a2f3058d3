import json
from types import SimpleNamespace

import pytest

from mmfer.comparison import run as module
from mmfer.comparison.run import report_finished, run_comparison
from mmfer.comparison.train import Options
from mmfer.utils.folder_lock import sole_run

CONFIG = (
    "model = dict(type='ImageClassifier', head=dict(type='LinearHead', num_classes=2, in_channels=16))\n"
    'train_cfg = dict(max_epochs=3)\n'
)
# Stand-ins for the tools: a training writes its marker, a test answers right more often the larger the seed.
TOOL = """
import json, pathlib, sys
words = sys.argv[1:]
value = lambda name: words[words.index(name) + 1]
folder = pathlib.Path(value('--work-dir'))
if sys.argv[0].endswith('train.py'):
    if folder.parent.name == 'focal':
        sys.exit('error: gt_score is missing')
    (folder / 'epoch_3.pth').touch()
    weights = dict(backbone='b', neck='other' if folder.parent.name == 'vich' else 'n')
    content = dict(seed=int(value('--seed')), processes=1, last={}, best={}, initial_weights=weights,
                   first_batch=dict(samples='s', inputs='i'), settings=json.loads({settings!r}))
    (folder / 'finished.json').write_text(json.dumps(content))
else:
    folder = folder.parent
    records = [dict(img_path=f'/d/{i}', gt_label=i % 2, pred_label=int(i % 5 > 0) ^ (i % 2) ^ 1,
                    pred_score=[0.7, 0.3] if int(i % 5 > 0) ^ (i % 2) else [0.2, 0.8]) for i in range(40)]
    content = dict(config=words[0], checkpoint=words[1], seed=int(folder.name[5:]), metrics=dict(accuracy=80.0),
                   protocol='Faces test', classes=['a', 'b'], predictions=records)
    pathlib.Path(value('--out')).write_text(json.dumps(content))
"""


@pytest.fixture
def setup(tmp_path):
    from mmfer.comparison.methods import text_settings

    config = tmp_path / 'plain.py'
    config.write_text(CONFIG)
    (tmp_path / 'tools').mkdir()
    heads = {}
    for name in ('mine', 'vich', 'focal'):
        heads[name] = tmp_path / f'{name}.py'
        heads[name].write_text("head = dict(type='LinearHead')\n")
    settings = text_settings(CONFIG)
    for name in ('train.py', 'test.py'):
        (tmp_path / 'tools' / name).write_text(TOOL.replace('{settings!r}', repr(json.dumps(settings))))
    return config, heads, Options(tmp_path / 'tools')


@pytest.fixture
def short_report(monkeypatch):
    """A report without tests and plots, which take seconds."""

    def write(runs, out_dir, level, reference, terms):
        out_dir.mkdir(exist_ok=True)
        file = out_dir / 'report.md'
        file.write_text('\n'.join([f'# {len(runs)} runs, level {level}, reference {reference}', *terms]))
        return SimpleNamespace(table='table', verdict=['no differences'], files={'report.md': file})

    monkeypatch.setattr(module, 'write_report', write)


def compare(setup, tmp_path, names, **options):
    config, heads, runs = setup
    runs.command = 'python tools/compare_heads.py plain.py'
    lines = []
    files = [heads[name] for name in names]
    code = run_comparison([config], files, [0, 1], tmp_path / 'work', runs, say=lines.append, **options)
    return code, '\n'.join(lines)


def test_a_comparison_that_is_at_work_is_left_alone(setup, tmp_path):
    config, heads, options = setup
    work = tmp_path / 'work'
    with sole_run(work / 'comparison.lock', print), pytest.raises(ValueError, match=f'{work} is in use: .*process'):
        run_comparison([config], [heads['mine']], [0], work, options)
    assert not list(work.iterdir())


def test_from_the_trainings_to_the_report(setup, tmp_path):
    code, said = compare(setup, tmp_path, ['mine', 'vich'], reference='mine')
    assert code == 0
    report = (tmp_path / 'work/report.md').read_text()
    assert '## Terms of the comparison' in report
    assert 'In every seed all methods had the same initial backbone, first batch' in report
    warning = 'WARNING: seeds 0, 1: the initial neck is not the same: mine; vich, although vich and mine have the same'
    assert warning in report
    assert warning in said
    assert 'against `mine`' in report
    assert 'Tested: the last checkpoint' in said
    content = json.loads((tmp_path / 'work/comparison.json').read_text())
    assert [run['state'] for run in content['runs']] == ['complete'] * 4
    assert content['runs'][0]['began_with']['initial neck'] == 'n'
    assert content['runs'][0]['folder'] == 'mine/seed_0'
    assert '- Trained and tested by `python tools/compare_heads.py plain.py`.' in report


def test_the_report_says_what_is_missing(setup, tmp_path, short_report):
    code, said = compare(setup, tmp_path, ['mine', 'focal'], reference='focal')
    assert code == 1
    report = (tmp_path / 'work/report.md').read_text()
    assert '# 2 runs, level 0.95, reference None' in report
    assert 'MISSING, so not in this report: focal seed 0, focal seed 1.' in report
    assert '2 of 4 runs are missing' in said
    assert 'failed (training: exit code 1)' in said
    assert 'error: gt_score is missing' in said
    assert 'focal/seed_1/train.log' in said


def test_a_stopped_comparison_has_the_exit_code_of_the_signal(setup, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'train_methods', lambda *args: ([], 15))
    code, said = compare(setup, tmp_path, ['mine', 'vich'])
    assert code == 143
    assert 'The same command goes on' in said
    assert not (tmp_path / 'work/report.md').exists()


def test_wrong_arguments_train_nothing(setup, tmp_path):
    with pytest.raises(ValueError, match='reference=linear: the methods are mine, vich'):
        compare(setup, tmp_path, ['mine', 'vich'], reference='linear')
    setup[2].checkpoint = 'best'
    with pytest.raises(ValueError, match='mine sets no default_hooks.checkpoint.save_best'):
        compare(setup, tmp_path, ['mine', 'vich'])
    assert not (tmp_path / 'work').exists()


def test_finished_runs_are_reported(setup, tmp_path, short_report):
    compare(setup, tmp_path, ['mine', 'vich'])
    lines = []
    folders = [tmp_path / 'work/mine', tmp_path / 'work/vich/seed_1']
    assert report_finished(folders, tmp_path / 'out', setup[2], say=lines.append) == 0
    assert 'seed 1: the initial neck is not the same' in (tmp_path / 'out/report.md').read_text()
    assert (tmp_path / 'out/report.md').read_text().count('by `python tools/compare_heads.py plain.py`') == 1
    assert not (tmp_path / 'out/comparison.json').exists()


def test_untested_runs_are_named_with_their_command(setup, tmp_path, short_report):
    compare(setup, tmp_path, ['mine', 'vich'])
    vich = tmp_path / 'work/vich'
    (vich / 'seed_1/predictions.json').unlink()
    lines = []
    assert report_finished([tmp_path / 'work'], tmp_path / 'out', setup[2], say=lines.append) == 1
    command = f'test.py {vich}/config.py {vich}/seed_1/epoch_3.pth --out {vich}/seed_1/predictions.json'
    assert command in '\n'.join(lines)
    assert 'because they have no predictions.json: 1' in (tmp_path / 'out/report.md').read_text()
    with pytest.raises(FileNotFoundError, match='This makes them:\n  python .*--out'):
        report_finished([vich / 'seed_1'], tmp_path / 'out', setup[2])
    with pytest.raises(FileNotFoundError, match='no such folder: .*nothing'):
        report_finished([tmp_path / 'nothing'], tmp_path / 'out', setup[2])
    with pytest.raises(FileNotFoundError, match='predictions'):
        report_finished([tmp_path / 'tools'], tmp_path / 'out', setup[2])


def test_predictions_of_elsewhere_began_unknown(setup, tmp_path, short_report):
    compare(setup, tmp_path, ['mine', 'vich'])
    (tmp_path / 'work/mine/seed_0/finished.json').unlink()
    lines = []
    assert report_finished([tmp_path / 'work'], tmp_path / 'out', setup[2], say=lines.append) == 0
    assert 'how mine, seed 0 began is unknown' in '\n'.join(lines)
