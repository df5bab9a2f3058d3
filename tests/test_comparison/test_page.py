import re

import pytest
from comparison_runs import write_methods

from mmfer.comparison.page import commands, page, shown_path, terminal_table
from mmfer.comparison.results import load_runs
from mmfer.comparison.statistics import compare


@pytest.fixture
def runs(tmp_path):
    return load_runs([write_methods(tmp_path, dict(linear={}, bad=dict(noise=9)), seeds=(0, 1), num=150)])


def test_rows_are_ordered_by_accuracy(runs):
    result = compare(runs)
    lines = terminal_table(result).split('\n')
    assert [line.split()[0] for line in lines[2:4]] == ['linear', 'bad']
    assert lines[0].split('   ')[-1].strip() == 'against linear'
    text = page(runs, result, ['A sentence.'])
    for table in re.findall(r'(?:^\|.*\n)+', text, re.M):
        if table.startswith('| method | seeds |'):
            assert [row.split('|')[1].strip() for row in table.splitlines()[2:]] == ['linear', 'bad']


def test_software_and_facts_of_the_trainings(runs):
    for run in runs:
        run.facts = dict(versions=dict(torch='2.1'), git='abc', parameters=12345, seconds=90)
    text = page(runs, compare(runs), [])
    assert 'Trained with torch 2.1, git abc: all runs.' in text
    assert '| 12,345 | 1.5 min |' in text
    runs[0].facts = dict(provenance=dict(versions=dict(torch='2.2'), git='def'), seconds=7200)
    text = page(runs, compare(runs), [])
    assert 'Trained with torch 2.2, git def: bad, seed 0.' in text
    assert '| 2.00 h |' in text


def test_a_reference_is_named(runs):
    text = page(runs, compare(runs, reference='bad'), [])
    assert 'Each method is tested against `bad`: 1 pair.' in text
    assert '| linear - bad |' in text


def test_tests_over_seeds(tmp_path):
    runs = load_runs([write_methods(tmp_path, dict(a={}, b=dict(noise=3)), seeds=range(6), num=20)])
    text = page(runs, compare(runs), [])
    assert '| NLL | a - b | 6 | 0 : 6 | 0.0312 | 0.0312 | 0.0312 |' in text


def test_how_a_run_came_about(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = load_runs([write_methods(tmp_path, dict(a={}), seeds=(3,), num=10)])
    run.checkpoint = str(tmp_path / 'a/seed_3/epoch_7.pth')
    assert commands(run) == [
        'python tools/train.py configs/poster_var/synth.py --seed 3 --work-dir again/a/seed_3',
        'python tools/test.py configs/poster_var/synth.py again/a/seed_3/epoch_7.pth '
        '--out again/a/seed_3/predictions.json',
    ]
    run.facts = dict(command=['python', 'my tool.py'])
    assert commands(run) == ["python 'my tool.py'"]
    run.facts, run.config = {}, ''
    assert commands(run) == []
    assert shown_path('/elsewhere/x.py') == '/elsewhere/x.py'
