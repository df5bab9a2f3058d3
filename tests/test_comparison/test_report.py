import json
import re

import cv2
import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, write_methods, write_run

import mmfer.comparison
from mmfer.comparison import load_runs, write_report
from mmfer.comparison.page import commands
from mmfer.comparison.report import plain

PLOTS = {'accuracy.png', 'reliability.png', 'risk_coverage.png', 'confusion.png', 'uncertainty.png'}


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp('runs')
    write_methods(root, dict(linear={}, vich=dict(deviation='good'), bad=dict(noise=9)), num=150)
    runs = load_runs([root])
    return runs, write_report(runs, root / 'report')


def test_the_files(written):
    _, report = written
    folder = report.files['report.md'].parent
    assert set(report.files) == {'report.md', 'report.json', *PLOTS}
    assert {path.name for path in folder.iterdir()} == set(report.files)
    for name in PLOTS:
        picture = cv2.imread(str(folder / name))
        assert picture.shape[1] >= 600
        assert picture.std() > 10


def test_the_table(written):
    _, report = written
    lines = report.table.split('\n')
    assert lines[0].split()[:2] == ['method', 'seeds']
    assert max(map(len, lines)) < 150
    (row,) = (line for line in lines if line.split()[:1] == ['bad'])
    assert row.split()[-1] == 'worse'
    accuracy = report.comparison.summaries['bad']['accuracy']
    assert f'{accuracy.mean:.2f} ± {accuracy.std:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}]' in row


def test_the_page(written):
    runs, report = written
    text = report.files['report.md'].read_text(encoding='utf-8')
    assert text.startswith('# Comparison of 3 methods\n')
    assert all(f'- {line}\n' in text for line in report.verdict)
    pictures = re.findall(r'!\[(.+)\]\((.+)\)', text)
    assert {name for _, name in pictures} == PLOTS
    assert all(len(alt) > 10 for alt, _ in pictures)
    for run in runs:
        assert f'# {run.name}\n' in text
        assert all(command in text for command in commands(run))
    assert '| linear - vich |' in text
    assert "McNemar's exact test, Holm over 6 tests" in text
    assert 'Not tested: 7 common seeds are needed' in text
    for table in re.findall(r'(?:^\|.*\n)+', text, re.M):
        assert len({line.count('|') for line in table.splitlines()}) == 1


def test_the_numbers_for_machines(written):
    runs, report = written
    content = json.loads(report.files['report.json'].read_text(), parse_constant=pytest.fail)
    assert content['verdict'] == report.verdict
    assert content['summaries']['vich']['accuracy']['mean'] == report.comparison.summaries['vich']['accuracy'].mean
    assert content['summaries']['vich']['macro_f1']['low'] is None
    assert [(run['method'], run['seed']) for run in content['runs']] == [(run.method, run.seed) for run in runs]
    assert np.sum(content['runs'][0]['confusion_matrix']) == 150
    assert sum(content['runs'][0]['bins']['count']) == 150
    assert content['tests']['nll'][0]['difference'].keys() == {'value', 'low', 'high', 'p_value'}
    assert content['mcnemar'][0]['result'].keys() == {'first', 'second', 'p_value'}
    assert content['versions']['mmfer']


def test_nothing_is_written_where_it_cannot_be_compared(tmp_path):
    runs = load_runs([write_methods(tmp_path, dict(a={}), seeds=(0,), num=20)])
    with pytest.raises(ValueError, match='reference='):
        write_report(runs, tmp_path / 'report', reference='none')
    assert not (tmp_path / 'report').exists()


@pytest.mark.parametrize('right', [True, False])
def test_one_run_of_one_class_all_right_or_all_wrong(tmp_path, right):
    truth, labels = make_images(12)
    truth[:] = 0.02
    truth[:, 0] = 1
    records = make_predictions(truth, 0 * labels + (not right), noise=0.1)
    for record in records:
        del record['gt_distribution']
    write_run(tmp_path / 'a' / 'seed_0', records, protocol=None)
    report = write_report(load_runs([tmp_path]), tmp_path / 'report')
    text = report.files['report.md'].read_text(encoding='utf-8')
    assert text.startswith('# Results of a\n')
    assert '## Tests' not in text
    assert '100.00' in report.table if right else '0.00' in report.table
    content = json.loads(report.files['report.json'].read_text(), parse_constant=pytest.fail)
    assert content['summaries']['a']['error_auroc']['mean'] is None


def test_plain_values():
    assert plain(dict(a=np.array([1.0, np.nan]), b=(float('inf'), np.int64(2)), c={1: None})) == dict(
        a=[1.0, None], b=[None, 2], c={'1': None}
    )


def test_exports():
    assert all(hasattr(mmfer.comparison, name) for name in mmfer.comparison.__all__)
