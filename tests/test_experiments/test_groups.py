import json

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, runs_in, write_run

from mmfer.experiments import load_table, write_report
from mmfer.experiments.groups import check_columns, compare_by

SKIN = np.random.default_rng(1).choice(['light', 'dark', ''], 300, p=[0.6, 0.35, 0.05])


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Two methods and seeds; ``biased`` answers at random for half of the dark faces, ``fair`` has no column itself."""
    folder = tmp_path_factory.mktemp('runs')
    truth, labels = make_images(300)
    for method in ('biased', 'fair'):
        for seed in (0, 1):
            records = make_predictions(truth, labels, 0.2, seed=seed)
            for i, record in enumerate(records):
                if method == 'biased':
                    record['skin'] = SKIN[i] or None
                    if SKIN[i] == 'dark' and i % 2:
                        record['pred_score'] = records[i - 1]['pred_score']
            write_run(folder / method / f'seed_{seed}', records, seed)
    return folder


@pytest.fixture(scope='module')
def report(root):
    return write_report(load_table([root]), root / 'report', by=['skin'])


def test_the_biased_method_is_found(root, report):
    tests = {(test.method, test.found.figure): test for test in report.groups}
    assert list(tests) == [(m, f) for f in ('accuracy', 'selective_risk') for m in ('biased', 'fair')]
    biased, fair = (tests[method, 'accuracy'] for method in ('biased', 'fair'))
    assert biased.found.worst == 'dark'
    assert biased.p_value < 0.01
    assert biased.p_within < 0.01
    assert biased.found.gap.low > 0
    assert fair.p_value > 0.05
    dark = SKIN == 'dark'
    runs = [run for run in runs_in(root) if run.method == 'biased']
    means = [100 * (run.scores.argmax(1) == run.labels)[dark].mean() for run in runs]
    assert biased.found.groups[0].value == pytest.approx(np.mean(means))


def test_the_report(report):
    line = next(line for line in report.verdict if line.startswith('Accuracy by skin: '))
    assert 'biased is worst for skin dark, gap' in line
    assert 'more than chance, also within classes; fair is worst' in line
    text = report.files['report.md'].read_text(encoding='utf-8')
    assert '### accuracy (%) by skin' in text
    assert f'| method | dark ({(SKIN == "dark").sum()}) | light ({(SKIN == "light").sum()}) | worst |' in text
    assert f'- {(SKIN == "").sum()} of 300 faces have no group: left out' in text
    assert 'accuracy (%) by skin' in report.table
    content = json.loads(report.files['report.json'].read_text(), parse_constant=pytest.fail)
    assert content['groups'][0]['found']['worst'] == 'dark'


def test_a_column_that_is_not_there(root):
    with pytest.raises(
        ValueError, match=r'no predictions have the column gender; there are: skin\. Add it to meta_keys'
    ):
        compare_by(runs_in(root), ['gender'], 0.95)


def test_a_config_that_does_not_carry_the_column_is_refused_before_training():
    settings = {'test_dataloader.dataset.pipeline.3.meta_keys': ['skin']}
    check_columns(settings, ['skin'], 'vich')
    with pytest.raises(ValueError, match=r"--by gender: the tests of vich would not.*meta_keys=\['gender'\]"):
        check_columns(settings, ['gender'], 'vich')
