import numpy as np
import pytest
from comparison_runs import make_images, make_predictions, runs_in, write_methods, write_run
from sklearn.metrics import roc_auc_score

from mmfer.experiments.ood import tell_apart

METHODS = dict(vich=dict(deviation='good'), linear={})


@pytest.fixture
def runs(tmp_path):
    return runs_in(write_methods(tmp_path, METHODS))


@pytest.fixture
def others(tmp_path_factory):
    """The same methods on 25 other images."""
    root = tmp_path_factory.mktemp('others')
    for method, options in METHODS.items():
        for seed in (0, 1):
            records = make_predictions(*make_images(25, seed=5), seed=9, **options)
            for record, value in zip(records, np.linspace(0.5, 1.9, 25)):
                record.update(uncertainty=float(value) + 0.01 * seed, img_path='masks/' + record['img_path'])
            write_run(root / method / f'seed_{seed}', records, seed, protocol='Masks test')
    return runs_in(root)


def test_auroc_of_each_seed_and_score(runs, others):
    tests = {(test.method, test.what): test for test in tell_apart(runs, dict(masks=others), 0.95)}
    names = [('linear', 'uncertainty'), *(('vich', what) for what in ('uncertainty', 'epistemic', 'deviation'))]
    assert list(tests) == names
    for own, theirs in zip(runs, others):
        for what in (what for method, what in tests if method == own.method):
            scores = np.concatenate([getattr(own, what), getattr(theirs, what)])
            expected = 100 * roc_auc_score(np.repeat([0, 1], [len(own.labels), 25]), scores)
            assert tests[own.method, what].by_seed[own.seed] == pytest.approx(expected, abs=1e-9)
    for test in tests.values():
        assert test.mean == pytest.approx(np.mean(list(test.by_seed.values())))
        assert test.low < test.mean < test.high
        assert (test.data, test.images) == ('masks', 25)


def test_perfect_separation_is_not_certain(runs, others):
    for run in others:
        run.uncertainty = run.uncertainty + 10
    test = tell_apart(runs, dict(masks=others), 0.95)[0]
    assert (test.mean, test.high) == (100, 100)
    assert test.low == pytest.approx(100 * 0.025 ** (1 / 25))


def test_answers_for_other_classes_are_not_compared(runs, others):
    for run in others:
        run.classes = run.classes[:-1]
    with pytest.raises(ValueError, match=r'the answers for masks are of 6 classes, those for the test of 7.*ood_masks'):
        tell_apart(runs, dict(masks=others), 0.95)


def test_all_seeds_are_needed_and_other_images(runs, others):
    assert {test.method for test in tell_apart(runs, dict(masks=others[1:]), 0.95)} == {'vich'}
    with pytest.raises(ValueError, match='masks has the images of the test itself'):
        tell_apart(runs, dict(masks=runs), 0.95)
