import numpy as np
import pytest
from scipy import stats

from mmfer.evaluation.functional import fit_sets, images_needed, risk_threshold
from mmfer.structures.label_sets import find_sets, set_scores


def faces(rng, number, classes=6, sharpness=0.6, noise=0.5):
    """Probabilities (N, K) that are not quite those of the labels (N,), and ten votes (N, K) of each face."""
    true = rng.dirichlet(np.full(classes, sharpness), number)
    probs = true ** (1 + noise * rng.standard_normal((number, 1))) + 1e-6
    votes = rng.multinomial(10, true)
    return probs / probs.sum(1, keepdims=True), rng.multinomial(1, true).argmax(1), votes


def held(probs, labels, sets):
    return find_sets(probs, sets)[np.arange(len(labels)), labels]


@pytest.mark.parametrize('by_class', [False, True])
@pytest.mark.parametrize('method', ['aps', 'raps', 'lac'])
def test_sets_are_those_of_crepes(method, by_class):
    """crepes takes any scores, and knows classes as the bins of a Mondrian fit."""
    crepes = pytest.importorskip('crepes')
    rng = np.random.default_rng(1)
    probs, labels, _ = faces(rng, 400)
    new = faces(rng, 100)[0]
    for coverage in (0.8, 0.9, 0.95):
        sets = fit_sets(probs, labels, coverage, method, by_class)
        options = {name: sets[name] for name in ('penalty', 'free') if name in sets}
        scores, others = (set_scores(p, method, **options) for p in (probs, new))
        own = scores[np.arange(400), labels]
        reference = crepes.ConformalClassifier()
        reference.fit(own, labels if by_class else None)
        confidence = coverage - 1e-9  # it keeps p = alpha as well, which is more than the promise needs
        for k in range(6):
            bins = np.full(100, k) if by_class else None
            expected = reference.predict_set(others[:, [k]], bins, confidence=confidence, smoothing=False)
            np.testing.assert_array_equal(find_sets(new, sets)[:, k], expected[:, 0])


@pytest.mark.parametrize('method', ['aps', 'raps', 'lac'])
def test_coverage_over_many_splits_is_beta_binomial(method):
    """Exactly so where scores are continuous: k of the fit's n scores lie below the threshold of n + 1 places."""
    rng, n, m, splits = np.random.default_rng(2), 99, 150, 400
    counts = []
    for _ in range(splits):
        probs, labels, _ = faces(rng, n + m)
        sets = fit_sets(probs[:n], labels[:n], 0.9, method)
        counts.append(held(probs[n:], labels[n:], sets).sum())
    law = stats.betabinom(m, 90, 10)  # the 90th of 99 scores
    assert np.mean(counts) == pytest.approx(law.mean(), abs=4 * law.std() / splits**0.5)
    edges = [law.ppf(q) for q in (0.1, 0.25, 0.5, 0.75, 0.9)]
    observed = np.histogram(counts, [-1, *(edge + 0.5 for edge in edges), m + 1])[0]
    expected = splits * np.diff([0, *law.cdf(edges), 1])
    assert stats.chisquare(observed, expected).pvalue > 0.01


def test_sure_models_hold_more_than_asked_with_sets_of_one():
    rng = np.random.default_rng(3)
    probs, labels, _ = faces(rng, 4000, sharpness=0.01, noise=0)
    sets = fit_sets(probs, labels, 0.9)
    assert sets['threshold'] == 0
    assert find_sets(probs, sets).sum(1).max() == 1
    assert held(probs, labels, sets).mean() > 0.95


def test_each_class_gets_its_coverage():
    """Class 0 is never given much probability, so sets for all classes alike leave it out."""
    rng = np.random.default_rng(5)
    shares = {}
    for by_class in (False, True):
        found = []
        for _ in range(30):
            probs, labels, _ = faces(rng, 1500)
            probs[:, 0] /= 8
            probs /= probs.sum(1, keepdims=True)
            sets = fit_sets(probs[:750], labels[:750], 0.9, by_class=by_class)
            hold = held(probs[750:], labels[750:], sets)
            found.append([hold[labels[750:] == k].mean() for k in range(6)])
        shares[by_class] = np.mean(found, 0)
    assert shares[False][0] < 0.85
    assert (shares[True] > 0.89).all()
    assert shares[True] == pytest.approx(np.full(6, 0.905), abs=0.015)


def test_votes_are_held_on_average():
    rng, n, m = np.random.default_rng(6), 50, 100
    found = []
    for _ in range(300):
        probs, labels, votes = faces(rng, n + m)
        sets = fit_sets(probs[:n], labels[:n], 0.9, 'votes', votes=votes[:n])
        found.append((find_sets(probs[n:], sets) * votes[n:]).sum(1).mean() / 10)
    error = np.std(found) / 300**0.5
    assert 0.9 - 3 * error < np.mean(found) < 0.9 + 2 / (n + 1) + 3 * error  # the bound of the paper's Theorem 2


def test_the_threshold_of_votes_is_the_least_that_controls_the_risk():
    probs, labels, votes = faces(np.random.default_rng(7), 80)
    shares, scores = votes / 10, set_scores(probs)
    for coverage in (0.7, 0.9, 0.98):
        risks = [((shares * (scores > t)).sum() + 1) / 81 for t in np.unique(scores)]
        least = np.unique(scores)[np.flatnonzero(np.array(risks) <= 1 - coverage + 1e-12)[0]]
        assert risk_threshold(scores, shares, coverage) == least
        assert fit_sets(probs, labels, coverage, 'votes', votes=votes)['threshold'] == least
    one_vote = np.eye(6)[labels]
    for coverage in (0.8, 0.9):
        aps, by_votes = (fit_sets(probs, labels, coverage, m, votes=one_vote)['threshold'] for m in ('aps', 'votes'))
        assert aps == by_votes


def test_too_few_images():
    assert [images_needed(c) for c in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    assert images_needed(0.900000001) == 10
    probs, labels, votes = faces(np.random.default_rng(8), 60)
    names = tuple('abcdef')
    for method in ('aps', 'votes'):
        assert fit_sets(probs[:9], labels[:9], 0.9, method, votes=votes[:9])['samples'] == 9
        with pytest.raises(ValueError, match='sets of 90 % need 9 images or more, not 8'):
            fit_sets(probs[:8], labels[:8], 0.9, method, votes=votes[:8])
    labels[:] = np.arange(60) % 6
    labels[labels == 3] = 2
    with pytest.raises(ValueError, match=r'by class need 9 images of each class, and there are 0 of d\. Bring'):
        fit_sets(probs, labels, 0.9, by_class=True, classes=names)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(coverage=1.0), r'coverage=1\.0'),
        (dict(method='platt'), "method='platt'"),
        (dict(method='votes', by_class=True), 'no class to go by'),
        (dict(method='votes'), 'needs the votes'),
        (dict(method='votes', votes=np.zeros((60, 6))), 'votes is all zero'),
    ],
)
def test_wrong_arguments(options, message):
    probs, labels, _ = faces(np.random.default_rng(9), 60)
    with pytest.raises(ValueError, match=message):
        fit_sets(probs, labels, **dict(dict(coverage=0.9), **options))
