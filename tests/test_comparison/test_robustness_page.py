import json
import math

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, write_run

from mmfer.comparison import load_runs
from mmfer.comparison.robustness import assess
from mmfer.comparison.robustness_page import page, robustness_verdict, terminal_tables, write_robustness

SHARES = {'clean': 0.0, 'block 20 %': 0.2, 'eyes': None}


def make_result(root, seeds=(0, 1)):
    truth, labels = make_images(200)
    conditions = {}
    for place, name in enumerate(SHARES):
        for i, method in enumerate(('vich', 'linear')):
            for seed in seeds:
                noise = 0.2 + place * (0.3 + 1.5 * i)
                records = make_predictions(
                    truth, labels, noise, 1 / (1 + 2 * place), seed=10 * i + seed, deviation=None if i else 'good'
                )
                write_run(root / name / method / f'seed_{seed}', records, seed)
        conditions[name] = load_runs([root / name])
    return assess('occlusion', conditions, SHARES)


@pytest.fixture(scope='module')
def result(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp('runs'))


def test_the_files(result, tmp_path):
    files = write_robustness(result, tmp_path / 'new', ['Trained and tested by `command`.'])
    assert sorted(path.name for path in (tmp_path / 'new').iterdir()) == sorted(files)
    content = json.loads(files['robustness.json'].read_text())
    assert content['shares'] == SHARES
    assert content['verdict'] == robustness_verdict(result)
    assert content['terms'] == ['Trained and tested by `command`.']
    value = content['means']['eyes']['linear']['uncertainty']['mean']
    assert value == pytest.approx(result.means['eyes']['linear']['uncertainty'].mean)
    assert len(content['changes']) == len(result.changes)
    assert '- Trained and tested by `command`.' in files['robustness.md'].read_text()


def test_tables_have_a_row_a_method_and_a_column_a_condition(result):
    text = page(result)
    assert text.startswith('# Robustness: occlusion\n')
    assert text.count('| method | clean | block 20 % | eyes |') == 8  # five figures, three tables of differences
    sections = dict(part.split('\n', 1) for part in text.split('\n## ')[1:])
    accuracy = result.comparisons['eyes'].summaries['linear']['accuracy']
    cell = f'{accuracy.mean:.2f} ± {accuracy.std:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}] |'
    assert cell in sections['Accuracy (%)']
    assert '[' not in sections['Calibration error (ECE, %)'].split('Difference')[0]
    assert '| linear' not in sections['Mean latent deviation (units of the logits)']
    change = next(c for c in result.changes if (c.method, c.condition, c.what) == ('linear', 'eyes', 'accuracy'))
    assert change.standing(result.alpha) == 'falls'
    assert f'**{change.difference.value:+.2f}** [' in sections['Accuracy (%)']
    assert 'nan' not in text


def test_the_verdict_says_what_tests_support(result):
    lines = robustness_verdict(result)
    text = ' '.join(lines)
    assert 'linear keeps significantly less with block 20 % and eyes' in text
    assert lines[0].startswith('block 20 %: points of accuracy gained or lost from clean, best first: vich ')
    assert 'Does the mean uncertainty change? linear: rises with block 20 % and eyes; vich: rises with' in text
    for change in result.margins:
        change.adjusted = 0.5
    assert 'no significant difference was found for linear' in ' '.join(robustness_verdict(result))


def test_one_seed_is_said(tmp_path):
    assert 'There is one seed' in ' '.join(robustness_verdict(make_result(tmp_path, seeds=(3,))))


def test_terminal(result):
    lines = terminal_tables(result).splitlines()
    assert lines[0].split() == ['Accuracy', '(%)', 'clean', 'block', '20', '%', 'eyes']
    assert lines[2].split()[0] == 'linear'
    assert not any(math.isnan(float(value)) for value in lines[2].split()[1:])
    assert np.isclose(
        float(lines[2].split()[-1]), result.comparisons['eyes'].summaries['linear']['accuracy'].mean, atol=0.006
    )
