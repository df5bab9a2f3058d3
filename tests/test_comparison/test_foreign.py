import json

import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, write_methods, write_run
from sklearn.metrics import roc_auc_score

from mmfer.comparison import load_runs, write_report
from mmfer.comparison.foreign import auroc_replicates, compare_foreign, foreign_file, foreign_scores, ood_table
from mmfer.comparison.results import methods_of
from mmfer.comparison.train import foreign_data

METHODS = dict(vich=dict(deviation='good'), linear={})


def write_foreign(folder, uncertainty, name='masks', checkpoint='epoch_7.pth', **options):
    truth, labels = make_images(len(uncertainty), seed=5)
    records = make_predictions(truth, labels, seed=9, **options)
    for record, value in zip(records, uncertainty):
        record['uncertainty'] = float(value)
        record['img_path'] = 'masks/' + record['img_path']
    whole = write_run(folder / 'tmp', records, finished=False, checkpoint=checkpoint, protocol='Masks test')
    file = foreign_file(folder, name)
    (whole / 'predictions.json').rename(file)
    whole.rmdir()
    return file


@pytest.fixture
def runs(tmp_path):
    write_methods(tmp_path, METHODS)
    for method, options in METHODS.items():
        for seed in (0, 1):
            values = np.linspace(0.5, 1.9, 25) + 0.01 * seed
            write_foreign(tmp_path / method / f'seed_{seed}', values, **options)
    return load_runs([tmp_path])


def test_auroc_of_each_seed_and_score(runs):
    tests = {(test.method, test.what): test for test in compare_foreign(methods_of(runs), 0.95)}
    assert set(tests) == {
        ('vich', 'uncertainty'),
        ('vich', 'epistemic'),
        ('vich', 'deviation'),
        ('linear', 'uncertainty'),
    }
    for run in runs:
        theirs = foreign_scores(run)['masks']
        for what in ('uncertainty', 'epistemic', 'deviation'):
            if (run.method, what) not in tests:
                continue
            own = getattr(run, what)
            target = np.repeat([0, 1], [len(own), 25])
            expected = 100 * roc_auc_score(target, np.concatenate([own, theirs[what]]))
            assert tests[run.method, what].by_seed[run.seed] == pytest.approx(expected, abs=1e-9)
    for test in tests.values():
        assert test.mean == pytest.approx(np.mean(list(test.by_seed.values())))
        assert test.low < test.mean < test.high
        assert test.images == 25


def test_replicates_draw_each_set_on_its_own():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=80), rng.normal(1, 1, 40)
    replicates = auroc_replicates(inside, outside, 400)
    plain = [
        roc_auc_score(np.repeat([0, 1], [80, 40]), np.r_[rng.choice(inside, 80), rng.choice(outside, 40)])
        for _ in range(400)
    ]
    assert replicates.mean() == pytest.approx(np.mean(plain), abs=0.01)
    assert replicates.std() == pytest.approx(np.std(plain), rel=0.15)


def test_the_report_has_them(runs, tmp_path):
    report = write_report(runs, tmp_path / 'report')
    text = report.files['report.md'].read_text()
    assert '## Telling foreign images' in text
    assert '| vich | masks (25) | deviation |' in text
    content = json.loads(report.files['report.json'].read_text())
    assert {(test['method'], test['what']) for test in content['foreign']} >= {('linear', 'uncertainty')}


def test_without_foreign_images_nothing_is_said(tmp_path):
    report = write_report(load_runs([write_methods(tmp_path, METHODS)]), tmp_path / 'report')
    assert 'foreign' not in report.files['report.md'].read_text().lower()


def test_a_file_of_another_checkpoint(tmp_path):
    write_methods(tmp_path, METHODS, seeds=(0,))
    file = write_foreign(tmp_path / 'vich/seed_0', np.ones(5), checkpoint='epoch_3.pth')
    with pytest.raises(ValueError, match=f'{file.name} is of epoch_3.pth'):
        compare_foreign(methods_of(load_runs([tmp_path])), 0.95)


def test_table_of_two_files(runs, tmp_path):
    folder = tmp_path / 'vich/seed_0'
    text = ood_table(folder / 'predictions.json', [foreign_file(folder, 'masks')])
    assert 'foreign_masks (25)' in text
    assert text.count('\n') == 4
    with pytest.raises(ValueError, match='none of them is foreign'):
        ood_table(folder / 'predictions.json', [folder / 'predictions.json'])


def test_configs_of_foreign_images(tmp_path):
    good, bad = tmp_path / 'masks.py', tmp_path / 'empty.py'
    good.write_text('test_dataloader = dict(dataset=dict())')
    bad.write_text('model = dict()')
    assert foreign_data([good]) == {'masks': good}
    with pytest.raises(ValueError, match='has no test_dataloader'):
        foreign_data([bad])
    with pytest.raises(ValueError, match='twice'):
        foreign_data([good, good])
