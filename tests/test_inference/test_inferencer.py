import json
import warnings

import cv2
import numpy as np
import pytest
from face_results import COLOURS, ColourClassifier, two_faces, write_video
from PIL import Image

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.tracks import entropy
from mmfer.structures.predictive import probability_samples
from mmfer.structures.results import Face, score_interval
from mmfer.structures.votes import vote_interval
from mmfer.utils.views import VIEWS, make_views

BLUE, GREEN, RED, GREY = (200, 30, 30), (30, 200, 30), (30, 30, 200), (99, 99, 99)


def plain(colour, size=(24, 32)):
    """An image of one colour, BGR."""
    return np.full((*size, 3), colour, np.uint8)


def halves(left, right):
    return np.concatenate([plain(left), plain(right)], axis=1)


def make(classifier=None, detector=None, **options):
    return ExpressionInferencer(classifier or ColourClassifier(), detector=detector, **options)


def labels(results):
    return [[face.label for face in result.faces] for result in results]


def test_every_kind_of_input_gives_the_same(tmp_path):
    image = plain(RED)
    path = tmp_path / 'a' / 'red.png'
    path.parent.mkdir()
    cv2.imwrite(str(path), image)
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    infer = make()
    for inputs in (path, str(path), path.parent, [path], path.read_bytes(), Image.fromarray(rgb), [Image.open(path)]):
        (result,) = infer(inputs)
        assert result.faces[0].label == 'red'
        assert (result.width, result.height) == (32, 24)
        assert result.faces[0].box == (0, 0, 32, 24)
    for array, channels in ((image, 'bgr'), (rgb, 'rgb'), (np.dstack([rgb, rgb[:, :, :1]]), 'rgba')):
        assert labels(infer(array, channels)) == labels(infer([array], channels=channels)) == [['red']]
    assert labels(infer(plain(GREY)[:, :, 0])) == [['grey']]
    with pytest.raises(ValueError, match='needs their order, and none is given'):
        infer(image)
    assert infer([]) == []


def test_all_fields_of_a_face():
    classifier = ColourClassifier()
    (result,) = make(classifier, two_faces, interval=0.8)(halves(RED, GREEN), 'bgr')
    left, right = result.faces
    assert (left.label, right.label) == ('red', 'green')
    assert left.box == (0, 0, 32, 24)
    assert (left.detection_score, right.detection_score) == (0.9, 0.8)
    assert left.landmarks.shape == (5, 2)
    assert right.landmarks is None
    assert left.classes == COLOURS
    assert left.scores.sum() == pytest.approx(1)
    assert left.score == left.scores[2] == left.scores.max()
    assert left.uncertainty == pytest.approx(entropy(left.scores))
    low, high = score_interval(left.mean, left.std, 0.8)
    np.testing.assert_array_equal([left.score_low, left.score_high], [low, high])
    assert not left.abstain
    assert left.track is left.aleatoric is None
    assert json.loads(json.dumps(result.to_dict()))['faces'][1]['label'] == 'green'
    assert make(interval=None)(plain(RED), 'bgr')[0].faces[0].score_low is None


def test_faces_of_any_detector_come_largest_first():
    boxes = [np.array(box) for box in ((0, 0, 9, 9), (30, 0, 60, 20), (0, 0, 30, 20))]
    (result,) = make(detector=lambda image: [Face(box) for box in boxes])(halves(RED, GREEN), 'bgr')
    assert [face.label for face in result.faces] == ['red', 'green', 'red']
    assert result.faces[-1].box == (0, 0, 9, 9)


def test_calibration_goes_into_the_interval():
    calibration = (np.full(4, 0.5), np.zeros(4))
    face = make(ColourClassifier(calibration=calibration)).predict([plain(RED)], 'bgr')[0]
    np.testing.assert_array_equal(face.score_low, score_interval(face.mean, face.std, 0.9, *calibration)[0])


def test_batches_are_full_and_results_in_order(tmp_path):
    for i in range(7):
        cv2.imwrite(str(tmp_path / f'{i}.png'), halves((BLUE, GREEN, RED)[i % 3], GREY))
    (tmp_path / '3.png').write_bytes(b'no image')
    classifier = ColourClassifier()
    results = make(classifier, two_faces, batch_size=4)(tmp_path)
    assert classifier.batches == [4, 4, 4]
    assert [result.source.rpartition('/')[2] for result in results] == [f'{i}.png' for i in range(7)]
    colours = ['blue', 'green', 'red', None, 'green', 'red', 'blue']
    assert labels(results) == [[colour, 'grey'] if colour else [] for colour in colours]
    assert [result.error is None for result in results] == [colour is not None for colour in colours]
    (result,) = make(detector=lambda image: [])(plain(RED), 'bgr')
    assert (result.faces, result.error) == ((), None)


def test_images_wait_for_a_batch_but_not_without_end(tmp_path, monkeypatch):
    for i in range(9):
        cv2.imwrite(str(tmp_path / f'{i}.png'), plain(RED))
    monkeypatch.setattr('mmfer.inference.inferencer.HELD_BYTES', 3 * plain(RED).nbytes)
    classifier = ColourClassifier()
    images = [image for image, _ in make(classifier, batch_size=100).stream_images(tmp_path)]
    assert classifier.batches == [4, 4, 1]
    assert [image.tolist() for image in images] == [plain(RED).tolist()] * 9


def test_a_face_that_cannot_be_cut_out_is_an_error_of_its_image(tmp_path):
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), plain(RED))

    def outside(image):
        return [Face((900.0, 900.0, 910.0, 910.0))] if image.shape[1] == 32 else two_faces(image)

    results = make(detector=outside)([path, halves(RED, RED)], 'bgr')
    assert labels(results) == [[], ['red', 'red']]
    assert results[0].error.count(str(path)) == 1
    assert 'lies outside the image' in results[0].error


def test_the_margin_is_that_of_the_crop():
    image = halves(RED, GREEN)
    narrow = make(detector=two_faces, crop=dict(type='CropFace', margin=-0.25))(image, 'bgr')[0].faces[0]
    wide = make(ColourClassifier(face_crop=dict(type='CropFace', margin=0.5)), two_faces)(image, 'bgr')[0].faces[0]
    assert narrow.label == wide.label == 'red'
    assert narrow.score > wide.score
    for crop in (None, 0.1, 'align'):
        with pytest.raises(ValueError, match=f'crop={crop!r}'):
            make(detector=two_faces, crop=crop)


def test_faces_of_different_sizes_make_no_batch():
    infer = make(ColourClassifier(pipeline=[]))
    with pytest.raises(ValueError, match='colours: the test pipeline gives images of no fixed size'):
        infer([plain(RED), plain(RED, (8, 8))], 'bgr')


def test_predict_takes_each_image_as_one_face_whatever_the_detector():
    faces = [plain(RED), plain(GREEN)]
    found = make(detector=two_faces).predict(faces, 'bgr')
    assert [face.label for face in found] == ['red', 'green']
    same = [result.faces[0] for result in make()(faces, 'bgr')]
    np.testing.assert_array_equal([face.scores for face in found], [face.scores for face in same])
    with pytest.raises(ValueError, match='needs their order'):
        make().predict(faces)
    assert make().predict([]) == []


def test_faces_that_are_blue_give_a_warning():
    infer = make(detector=two_faces)
    skin = (110, 140, 190)
    with pytest.warns(UserWarning, match='80 of 255 more blue than red: is channels='):
        infer(halves(skin, skin), 'rgb')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        infer(halves(skin, skin), 'rgb')  # once is enough
        make(detector=two_faces)([halves(skin, skin), plain(GREY)], 'bgr')


def test_abstention_is_that_of_the_checkpoint_unless_told():
    known = ColourClassifier(abstention=dict(threshold=0.9))
    assert make(known).threshold == 0.9
    assert make(known, threshold=None).threshold is None
    assert make().threshold is None
    unsure, sure = make(known).predict([plain(GREY), plain(RED)], 'bgr')
    assert (unsure.abstain, sure.abstain) == (True, False)
    assert not any(face.abstain for face in make(known, threshold=None).predict([plain(GREY)], 'bgr'))
    assert make(known, threshold=0).predict([plain(RED)], 'bgr')[0].abstain


def test_frames_of_a_video_are_pooled(tmp_path):
    path = write_video(tmp_path / 'v.avi', [RED] * 6 + [BLUE] * 6)
    pooled, alone, bare = (make(half_life=half_life)(path) for half_life in (3, 0, None))
    assert [result.frame for result in pooled] == list(range(12))
    assert [result.faces[0].track for result in pooled + alone] == [0] * 24
    assert [result.faces[0].track for result in bare] == [None] * 12
    assert labels(alone) == labels(bare) == [['red']] * 6 + [['blue']] * 6
    assert labels(pooled)[:8] == [['red']] * 8
    assert labels(pooled)[-1] == ['blue']
    assert pooled[7].faces[0].uncertainty > alone[7].faces[0].uncertainty
    assert pooled[8].faces[0].std.max() > 0.5 > alone[8].faces[0].std.max()
    unsure = make(half_life=3, threshold=1.0)(path)
    assert [result.faces[0].abstain for result in unsure] == [result.faces[0].uncertainty > 1 for result in unsure]
    assert any(result.faces[0].abstain for result in unsure)


def test_every_video_begins_anew(tmp_path):
    first, second = write_video(tmp_path / 'a.avi', [RED] * 5), write_video(tmp_path / 'b.avi', [BLUE] * 2)
    results = make(half_life=50, batch_size=3)([first, second, first])
    assert labels(results) == [['red']] * 5 + [['blue']] * 2 + [['red']] * 5
    assert {face.track for result in results for face in result.faces} == {0}


class Camera:
    """Stands for OpenCV's: gives frames without end."""

    opened = 0

    def __init__(self, source):
        self.source = source
        Camera.opened += 1

    def isOpened(self):  # noqa: N802
        return self.source == 0

    def grab(self):
        return True

    def retrieve(self):
        return True, plain(RED)

    def get(self, what):
        return 0.0

    def release(self):
        Camera.opened -= 1


def test_a_camera_is_answered_frame_by_frame(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    classifier = ColourClassifier()
    infer = make(classifier, batch_size=16)
    frames = infer.stream(0)
    for i in range(3):
        result = next(frames)
        assert (result.source, result.frame, result.faces[0].label) == ('camera 0', i, 'red')
        assert classifier.batches == [1] * (i + 1)
        assert result.time >= 0
    frames.close()
    assert Camera.opened == 0
    assert len(infer(0, max_frames=4)) == 4
    with pytest.raises(ValueError, match='a camera never ends: tell max_frames'):
        infer(0)
    (result,) = infer(7, max_frames=4)
    assert result.error.startswith('cannot open camera 7')


def test_results_go_to_a_file(tmp_path):
    infer, image = make(), plain(RED)
    results = infer(image, 'bgr', out=tmp_path / 'r.jsonl')
    assert json.loads((tmp_path / 'r.jsonl').read_text()) == results[0].to_dict()
    infer(image, 'bgr', out=tmp_path / 'r.csv')
    assert len((tmp_path / 'r.csv').read_text().splitlines()) == 2
    with pytest.raises(ValueError, match='ends in .jsonl, .csv or .parquet'):
        infer(image, 'bgr', out=tmp_path / 'r.txt')
    with pytest.raises(ValueError, match='needs their order'):
        infer([image], out=tmp_path / 's.csv')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['r.csv', 'r.jsonl']


def test_a_model_that_answers_no_numbers():
    answer = {'pred_score': np.full((1, 4), np.nan), 'uncertainty': np.zeros(1)}
    infer = make(type('Broken', (ColourClassifier,), {'__call__': lambda self, images: answer})())
    with pytest.raises(ValueError, match='colours answers .*nan.*, which are no probabilities'):
        infer(plain(RED), 'bgr')


@pytest.mark.parametrize(
    'options',
    [
        *(dict(batch_size=value) for value in (0, 1.5, True)),
        *(dict(interval=value) for value in (0, 1)),
        *(dict(threshold=value) for value in ('high', float('nan'))),
        dict(half_life=-1),
    ],
)
def test_wrong_options_are_named(options):
    name, value = next(iter(options.items()))
    with pytest.raises(ValueError, match=f'{name}={value!r}'):
        make(**options)


@pytest.mark.parametrize('tta', VIEWS)
def test_views_of_a_face_are_merged(tta):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    classifier = ColourClassifier()
    (face,) = make(classifier, tta=tta)(image, 'bgr')[0].faces
    assert classifier.batches == [1] * len(VIEWS[tta])  # memory as without
    views = [classifier(view) for view in make_views(image.transpose(2, 0, 1)[None], tta)]
    np.testing.assert_allclose(face.scores, np.mean([view['pred_score'][0] for view in views], 0), atol=1e-6)
    assert face.aleatoric == pytest.approx(np.mean([view['uncertainty'][0] for view in views]))
    assert face.epistemic == pytest.approx(face.uncertainty - face.aleatoric)
    assert make(tta=tta)(plain(RED), 'bgr')[0].faces[0].epistemic == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="tta='both'"):
        make(tta='both')


@pytest.mark.parametrize('rank', [0, 2])
def test_bounds_are_about_people_where_the_head_learned_from_votes(rank):
    factor = np.random.default_rng(0).normal(0, 0.8, (2, 4, rank))

    class Voted(ColourClassifier):
        votes = True

        def __call__(self, images):
            fields = super().__call__(images)
            fields['pred_std'] = np.sqrt(0.5 + np.square(factor[: len(images)]).sum(-1))
            return dict(fields, pred_factor=factor[: len(images)]) if rank else fields

    for face in make(type('Labelled', (Voted,), dict(votes=False))())(halves(RED, GREEN), 'bgr')[0].faces:
        bounds = score_interval(face.mean, face.std, factor=face.factor)
        np.testing.assert_array_equal([face.score_low, face.score_high], bounds)
        assert face.people is None

    calibration = (np.full(4, 3.0), np.zeros(4))  # of the one label of a face, and not of shares
    for face in make(Voted(calibration=calibration))(halves(RED, GREEN), 'bgr')[0].faces:
        fields = dict(pred_mean=face.mean, pred_std=face.std)
        if rank:
            fields.update(pred_factor=face.factor)
        low, high = vote_interval(probability_samples(fields), 10, 0.9)
        np.testing.assert_allclose(10 * face.score_low, low)
        np.testing.assert_allclose(10 * face.score_high, high)
        assert face.people == 10
        assert low.max() < high.max()
