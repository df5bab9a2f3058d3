import json
import re

import cv2
import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, write_methods, write_run

import mmfer.experiments
from mmfer.experiments import load_table, write_report
from mmfer.experiments.page import shown_path
from mmfer.experiments.report import plain

PLOTS = {'accuracy.png', 'reliability.png', 'risk_coverage.png', 'confusion.png', 'uncertainty.png'}
METHODS = dict(linear={}, vich=dict(deviation='good'), bad=dict(noise=9))


def tables(text):
    return [table.splitlines() for table in re.findall(r'(?:^\|.*\n)+', text, re.M)]


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    root = write_methods(tmp_path_factory.mktemp('runs'), METHODS, num=150)
    table = load_table([root])
    for run in table[next(iter(table))]:
        run.facts = dict(versions=dict(torch='2.1'), git='abc', parameters=12345, seconds=90)
    return next(iter(table.values())), write_report(table, root / 'report', terms=['Trained by `command`.'])


def test_the_files(written):
    _, report = written
    folder = report.files['report.md'].parent
    assert set(report.files) == {path.name for path in folder.iterdir()} == {'report.md', 'report.json', *PLOTS}
    for name in PLOTS:
        picture = cv2.imread(str(folder / name))
        assert picture.shape[1] >= 600
        assert picture.std() > 10


def test_the_table_for_a_terminal(written):
    _, report = written
    lines = report.table.split('\n')
    assert lines[0].split()[:2] == ['method', 'seeds']
    assert max(map(len, lines)) < 170
    assert [line.split()[0] for line in lines[2:]] == ['linear', 'vich', 'bad']  # by accuracy
    accuracy = report.comparison.summaries['bad']['accuracy']
    assert f'{accuracy.mean:.2f} ± {accuracy.std:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}]' in lines[-1]
    assert lines[-1].split()[-1] == 'worse' or lines[-1].rstrip().endswith('not shown')


def test_the_page(written):
    _, report = written
    text = report.files['report.md'].read_text(encoding='utf-8')
    assert text.startswith('# Comparison of 3 methods\n')
    assert all(f'- {line}\n' in text for line in [*report.verdict, 'Trained by `command`.'])
    pictures = re.findall(r'!\[(.+)\]\((.+)\)', text)
    assert {name for _, name in pictures} == PLOTS
    assert all(len(alt) > 10 for alt, _ in pictures)
    assert '| accuracy % ↑ | linear - vich |' in text
    assert 'trained models: 95 % interval' in text
    assert 'The SKCE has no such bias.' in text
    assert '| 12,345 | 1.5 min |' in text
    assert 'Trained with torch 2.1, git abc: all runs.' in text
    for table in tables(text):
        assert len({line.count('|') for line in table}) == 1
        if table[0].startswith('| method | seeds |'):
            assert [row.split('|')[1].strip() for row in table[2:]] == ['linear', 'vich', 'bad']
    assert 'Out-of-distribution' not in text


def test_the_numbers_for_machines(written):
    runs, report = written
    content = json.loads(report.files['report.json'].read_text(), parse_constant=pytest.fail)
    assert content['verdict'] == report.verdict
    assert content['summaries']['vich']['accuracy']['mean'] == report.comparison.summaries['vich']['accuracy'].mean
    assert content['summaries']['vich']['macro_f1']['low'] is None
    assert [(run['method'], run['seed']) for run in content['runs']] == [(run.method, run.seed) for run in runs]
    assert np.sum(content['runs'][0]['confusion_matrix']) == 150
    assert sum(content['runs'][0]['bins']['count']) == 150
    assert content['tests']['nll'][0]['methods'].keys() == {'value', 'low', 'high', 'p_value'}
    assert content['tests']['ece' if 'ece' in content['tests'] else 'skce'][0]['what'] == 'skce'
    assert content['primary'] == 'accuracy'
    assert content['versions']['mmfer']


def test_both_statements_against_a_reference(tmp_path):
    write_methods(tmp_path, dict(a={}, b=dict(noise=3)), seeds=range(6), num=60)
    write_run(tmp_path / 'a/seed_9', make_predictions(*make_images(60)), seed=9)
    table = load_table([tmp_path])
    report = write_report(table, tmp_path / 'report', reference='b', primary='nll')
    text = report.files['report.md'].read_text()
    assert 'Each method is tested against `b`: 1 pair.' in text
    assert '- Left out are seeds that not all methods have: a 9.\n' in text
    row = next(line for line in text.splitlines() if line.startswith('| NLL ↓ | a - b |'))
    cells = [cell.strip() for cell in row.split('|')]
    assert (cells[8], cells[12]) == ('better', 'better')
    with pytest.raises(ValueError, match='reference='):
        write_report(table, tmp_path / 'other', reference='none')
    assert not (tmp_path / 'other').exists()


@pytest.fixture(scope='module')
def under_conditions(tmp_path_factory):
    """Two methods, also with occluded faces and on other images."""
    root = tmp_path_factory.mktemp('conditions')
    truth, labels = make_images(200)
    for i, method in enumerate(('vich', 'linear')):
        options = dict(deviation=None if i else 'good')
        for seed in (0, 1):
            folder = root / method / f'seed_{seed}'
            for place, name in enumerate(('predictions', 'occluded_block_20', 'occluded_eyes')):
                noise = 0.2 + place * (0.3 + 1.5 * i)
                records = make_predictions(truth, labels, noise, 1 / (1 + 2 * place), seed=10 * i + seed, **options)
                write_run(folder, records, seed, name=name)
            records = make_predictions(*make_images(25, seed=5), **options)
            write_run(folder, records, seed, name='ood_masks', protocol='Masks')
    return write_report(load_table([root]), root / 'report')


def test_tables_of_conditions_have_a_column_each(under_conditions):
    report = under_conditions
    (changes,) = report.changes
    text = report.files['report.md'].read_text()
    assert '## Occlusion\n' in text
    assert '![Figures of the methods under each condition, with intervals](occlusion.png)' in text
    assert text.count('| method | clean | block 20 % | eyes |') == 8  # five figures, three tables of differences
    sections = dict(part.split('\n', 1) for part in text.split('\n### Occlusion: ')[1:])
    accuracy = changes.comparisons['eyes'].summaries['linear']['accuracy']
    cell = f'{accuracy.mean:.2f} ± {accuracy.std:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}] |'
    assert cell in sections['accuracy (%)']
    assert '| linear' not in sections['mean latent deviation (units of the logits)'].split('##')[0]
    change = next(c for c in changes.changes if (c.first, c.condition, c.what) == ('linear', 'eyes', 'accuracy'))
    assert f'**{change.images.value:+.2f}** [' in sections['accuracy (%)']
    assert 'nan' not in text
    assert report.table.splitlines()[-4].split()[-1] == 'eyes'
    content = json.loads(report.files['report.json'].read_text())['conditions']['occlusion']
    assert content['shares'] == {'clean': 0.0, 'block 20 %': 0.2, 'eyes': None}
    assert len(content['changes']) == len(changes.changes)


def test_other_data_have_a_table(under_conditions):
    text = under_conditions.files['report.md'].read_text()
    assert '## Out-of-distribution images' in text
    assert '| vich | masks (25) | deviation |' in text
    content = json.loads(under_conditions.files['report.json'].read_text())
    assert {(test['method'], test['what']) for test in content['ood']} >= {('linear', 'uncertainty')}


def test_the_verdict_on_conditions_says_what_tests_support(under_conditions):
    lines = under_conditions.verdict
    text = '\n'.join(lines)
    assert 'block 20 %: points of accuracy gained or lost from clean: vich ' in text
    assert 'against vich: less is kept: linear (block 20 %, eyes); no other difference' in text
    assert 'occlusion, the mean uncertainty of these trained models: rises: linear (block 20 %, eyes), vich' in text
    assert 'Does the uncertainty tell the images of masks (AUROC, chance is 50 %)? linear ' in text


@pytest.mark.parametrize('right', [True, False])
def test_one_run_of_one_class_all_right_or_all_wrong(tmp_path, right):  # plots, too
    truth, labels = make_images(12)
    truth[:] = 0.02
    truth[:, 0] = 1
    records = make_predictions(truth, 0 * labels + (not right), noise=0.1)
    for record in records:
        del record['gt_distribution']
    write_run(tmp_path / 'a' / 'seed_0', records, protocol=None)
    report = write_report(load_table([tmp_path]), tmp_path / 'report')
    text = report.files['report.md'].read_text(encoding='utf-8')
    assert text.startswith('# Results of a\n')
    assert '## Tests' not in text
    assert ('100.00' if right else '0.00') in report.table
    content = json.loads(report.files['report.json'].read_text(), parse_constant=pytest.fail)
    assert content['summaries']['a']['error_auroc']['mean'] is None


def test_plain_values_and_exports():
    assert plain(dict(a=np.array([1.0, np.nan]), b=(float('inf'), np.int64(2)), c={1: None})) == dict(
        a=[1.0, None], b=[None, 2], c={'1': None}
    )
    assert shown_path('/elsewhere/x.py') == '/elsewhere/x.py'
    assert all(hasattr(mmfer.experiments, name) for name in mmfer.experiments.__all__)
