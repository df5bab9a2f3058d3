import numpy as np
import pytest
from face_results import make_face

from mmfer.inference.tracks import FaceTracks, box_iou, entropy


def at(x, y=0.0, size=10.0, **changes):
    return make_face(box=(x, y, x + size, y + size), **changes)


def test_overlap_of_boxes():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 20, (12, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 15, (12, 2))], axis=1)
    found = box_iou(boxes[:5], boxes[5:])
    for i, j in np.ndindex(5, 7):
        masks = [np.zeros((40, 40), bool) for _ in range(2)]
        for mask, (x1, y1, x2, y2) in zip(masks, (boxes[i], boxes[5 + j])):
            mask[y1:y2, x1:x2] = True
        assert found[i, j] == pytest.approx((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())
    assert box_iou([], boxes).shape == (0, 12)


def test_people_keep_their_numbers_whatever_the_order():
    tracks = FaceTracks()
    assert [face.track for face in tracks.update([at(0), at(50)])] == [0, 1]
    assert [face.track for face in tracks.update([at(52), at(2)])] == [1, 0]
    assert [face.track for face in tracks.update([at(3), at(90), at(53)])] == [0, 2, 1]


def test_two_faces_never_share_a_track():
    tracks = FaceTracks()
    tracks.update([at(0)])
    assert sorted(face.track for face in tracks.update([at(1), at(2)])) == [0, 1]
    assert tracks.update([at(1)])[0].track in (0, 1)


def test_a_track_survives_a_gap_and_no_longer():
    tracks = FaceTracks(patience=3)
    tracks.update([at(0)])
    for _ in range(3):
        assert tracks.update([]) == ()
    assert tracks.update([at(1)])[0].track == 0
    for _ in range(4):
        tracks.update([])
    assert tracks.update([at(1)])[0].track == 1


def test_pooling_is_a_moving_average_of_moments():
    rng = np.random.default_rng(1)
    tracks, keep = FaceTracks(half_life=2), 2**-0.5
    scores, means, stds = rng.dirichlet(np.ones(3), 6), rng.normal(size=(6, 3)), rng.random((6, 3))
    weights = np.array([keep**5, *((1 - keep) * keep ** np.arange(4, -1, -1))])
    assert weights.sum() == pytest.approx(1)
    for score, mean, std in zip(scores, means, stds):
        kind = dict(scores=score, mean=mean, std=std, aleatoric=0.1, epistemic=0.2)
        face = tracks.update([at(0, **kind)])[0]
    np.testing.assert_allclose(face.scores, weights @ scores)
    np.testing.assert_allclose(face.mean, weights @ means)
    variance = weights @ (stds**2 + means**2) - (weights @ means) ** 2
    np.testing.assert_allclose(face.std, np.sqrt(variance))
    assert face.label == face.classes[int((weights @ scores).argmax())]
    assert face.uncertainty == pytest.approx(entropy(weights @ scores))
    assert face.aleatoric + face.epistemic == pytest.approx(face.uncertainty)


def test_correlations_fit_the_pooled_deviation():
    """A factor of one frame alone would spread the logits further than ``std`` says."""
    rng, tracks = np.random.default_rng(2), FaceTracks(half_life=5)
    for scale in (0.1, 0.1, 2.0):
        factor = rng.normal(size=(3, 2)) * scale
        std = np.linalg.norm(factor, axis=1)
        face = tracks.update([at(0, mean=np.zeros(3), std=std, factor=factor)])[0]
    assert face.std.max() < 0.8 * std.max()
    np.testing.assert_allclose(np.linalg.norm(face.factor, axis=1), face.std)
    correlations = [f @ f.T / np.outer(s, s) for f, s in ((factor, std), (face.factor, face.std))]
    np.testing.assert_allclose(*correlations)


def test_frames_without_the_face_count_for_its_pooling():
    tracks, (first, second) = FaceTracks(half_life=1), np.eye(3)[:2]
    tracks.update([at(0, scores=first)])
    tracks.update([])
    np.testing.assert_allclose(tracks.update([at(0, scores=second)])[0].scores, [0.25, 0.75, 0])


def test_faces_that_are_numbered_keep_their_numbers():
    """Those of a follower, which knows better."""
    tracks = FaceTracks()
    assert [face.track for face in tracks.update([at(0, track=7), at(50, track=3)])] == [7, 3]
    found = tracks.update([at(200, track=3), at(90, track=7), at(0, track=9)])
    assert [face.track for face in found] == [3, 7, 9]


def test_without_half_life_frames_stand_alone():
    tracks = FaceTracks(half_life=0)
    tracks.update([at(0, scores=np.array([1.0, 0.0, 0.0]))])
    face = tracks.update([at(0, scores=np.array([0.0, 0.0, 1.0]))])[0]
    assert face.scores.tolist() == [0, 0, 1]
    assert face.uncertainty == 0


@pytest.mark.parametrize('options', [dict(half_life=-1), dict(iou=0), dict(iou=2), dict(patience=-1)])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))}={next(iter(options.values()))}'):
        FaceTracks(**options)
