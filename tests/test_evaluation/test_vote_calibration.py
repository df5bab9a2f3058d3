import numpy as np
import pytest

from mmfer.evaluation.functional.calibration import calibration_bins, expected_calibration_error
from mmfer.evaluation.functional.vote_calibration import vote_calibration_error, vote_reliability


def make_faces(size=600, bias=0.0, people=10, seed=0):
    """Scores, and shares of votes that share a face's own probability, which scatters around the score."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.15, 0.85, size)
    own = rng.beta(8 * scores, 8 * (1 - scores))
    return scores + bias, rng.binomial(people, own) / people


def test_one_vote_a_face_is_the_usual_table():
    scores, shares = make_faces(people=1)
    ours, usual = (
        each(scores, shares, 10, **options)
        for each, options in ((vote_reliability, {}), (calibration_bins, dict(adaptive=True)))
    )
    for a, b in zip(ours, usual):
        assert a == pytest.approx(b, abs=1e-12)
    assert expected_calibration_error(ours) == pytest.approx(expected_calibration_error(usual))


def test_the_error_has_no_bias_where_the_plug_in_one_has():
    squares, plug_in = [], []
    for seed in range(300):
        scores, shares = make_faces(120, seed=seed)
        error = vote_calibration_error(scores, shares)
        squares.append(np.sign(error) * error**2)
        plug_in.append(expected_calibration_error(vote_reliability(scores, shares)))
    assert abs(np.mean(squares)) < 3 * np.std(squares) / np.sqrt(300)
    assert np.mean(plug_in) > 0.04


@pytest.mark.parametrize('bias', [-0.1, 0.05])
def test_a_planted_error_is_found(bias):
    scores, shares = make_faces(6000, bias)
    assert vote_calibration_error(scores, shares) == pytest.approx(abs(bias), abs=0.01)
    assert vote_calibration_error(np.stack([scores] * 3, 1), np.stack([shares] * 3, 1)) == pytest.approx(
        vote_calibration_error(scores, shares)
    )


def test_pairs_of_different_faces():
    scores, shares = make_faces(30)
    order = np.argsort(scores)
    expected = []
    for rows in np.array_split(order, 3):
        gaps = (shares - scores)[rows]
        pairs = [gaps[i] * gaps[j] for i in range(len(rows)) for j in range(len(rows)) if i != j]
        expected.append(np.mean(pairs) / 3)
    total = np.sum(expected)
    assert vote_calibration_error(scores, shares, 3) == pytest.approx(np.sign(total) * np.sqrt(abs(total)))


def test_weights_are_copies_that_make_no_pairs():
    scores, shares = make_faces(40)
    counts = np.random.default_rng(0).integers(0, 4, (5, 40)).astype(float)
    errors = vote_calibration_error(scores, shares, 4, counts)
    assert errors.shape == (5,)
    assert vote_calibration_error(scores, shares, 4, np.full((1, 40), 3.0)) == pytest.approx(
        [vote_calibration_error(scores, shares, 4)]
    )
    for row, error in zip(counts, errors):
        assert vote_calibration_error(scores, shares, 4, row) == pytest.approx(error)
    table = vote_reliability(scores, shares, 4, counts)
    assert table.count.sum(-1) == pytest.approx(counts.sum(1))


def test_bins_without_pairs_tell_nothing():
    assert vote_calibration_error([0.1, 0.5, 0.9], [0.0, 1.0, 1.0], 2) == pytest.approx(
        vote_calibration_error([0.1, 0.5], [0.0, 1.0], 1)
    )
    assert np.isnan(vote_calibration_error([0.1, 0.9], [0.0, 1.0], 2))


def test_bad_input():
    with pytest.raises(ValueError, match=r'shares is 2\.\.2, expected 0\.\.1'):
        vote_calibration_error([0.5], [2.0])
    with pytest.raises(ValueError, match='must have the same shape'):
        vote_calibration_error([[0.5, 0.5]], [0.5])
    with pytest.raises(ValueError, match='scores is NaN'):
        vote_reliability([np.nan], [0.5])
    with pytest.raises(ValueError, match='num_bins=0'):
        vote_reliability([0.5], [0.5], 0)
