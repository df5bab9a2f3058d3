"""The photos and the video of ../shared, with the real detector and a network of random weights."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_runs import shallow_config

from mmfer.faces.yunet import YuNet
from mmfer.inference.film import film
from mmfer.inference.inferencer import ExpressionInferencer

SHARED = Path(__file__).resolve().parents[3] / 'shared'
PHOTOS, WEIGHTS = SHARED / 'photos', SHARED / 'weights/face_detection_yunet_2023mar.onnx'
pytestmark = pytest.mark.skipif(not (PHOTOS.is_dir() and WEIGHTS.is_file()), reason='needs ../shared')
VIDEO = PHOTOS / 'single_face.mp4'


@pytest.fixture(scope='module')
def infer(tmp_path_factory):
    with pytest.warns(UserWarning, match='random weights'):
        return ExpressionInferencer(
            shallow_config(tmp_path_factory.mktemp('run')), device='cpu', detector=YuNet(WEIGHTS)
        )


def test_faces_of_the_photos(infer):
    results = infer([PHOTOS / name for name in ('single_face.jpg', 'multi_face.jpg', 'astronaut.png')])
    assert [len(result.faces) for result in results] == [1, 5, 1]
    for result in results:
        for face in result.faces:
            x1, y1, x2, y2 = face.box
            assert (face.landmarks >= [x1, y1]).all()
            assert (face.landmarks <= [x2, y2]).all()
            assert face.detection_score > 0.8
            assert face.scores.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('crop', [dict(type='CropFace'), dict(type='AlignFace', size=112)])
def test_a_photo_on_its_side_gets_the_answer_of_the_upright_one(crop):
    """By the shipped model, which cuts out boxes: a happy face was neutral upside down."""
    detector = YuNet(WEIGHTS, rotations=(0, 90, 180, 270))
    infer = ExpressionInferencer(detector=detector, crop=crop, threads=1)
    image = cv2.imread(str(PHOTOS / 'single_face.jpg'))
    for turns in range(4):
        (face,) = infer(np.ascontiguousarray(np.rot90(image, turns)), 'bgr')[0].faces
        assert face.label == 'happiness'
        assert face.score > 0.98


def test_swapped_channels_are_noticed(infer):
    image = cv2.imread(str(PHOTOS / 'single_face.jpg'))
    with pytest.warns(UserWarning, match='more blue than red'):
        infer(image, 'rgb')


@pytest.fixture(scope='module')
def frames(infer):
    return infer(VIDEO)


def test_every_frame_of_the_video_and_one_track(frames):
    assert [result.frame for result in frames] == list(range(72))
    assert [len(result.faces) for result in frames] == [1] * 72
    assert {result.faces[0].track for result in frames} == {0}
    assert frames[-1].time == pytest.approx(71 / 30)


def test_pooling_calms_the_answers(infer, frames):
    single = ExpressionInferencer(infer.classifier, detector=infer.detector, half_life=0)(VIDEO, max_frames=24)
    calm, restless = (
        np.abs(np.diff([result.faces[0].scores for result in results], axis=0)).mean()
        for results in (frames[:24], single)
    )
    assert calm < restless / 2


def test_of_a_damaged_video_what_is_left_is_answered(infer, tmp_path):
    content = bytearray(VIDEO.read_bytes())
    content[70_000:90_000] = bytes(20_000)
    (tmp_path / 'hole.mp4').write_bytes(content)
    *frames, last = infer(tmp_path / 'hole.mp4', stride=3)
    assert len(frames) > 15
    assert all(result.error is None for result in frames)
    assert last.error.endswith('of 72 frames cannot be decoded: damaged, or cut off')
    told = film(infer, str(tmp_path / 'hole.mp4'), out=tmp_path / 'out.mp4', save=tmp_path / 'out.jsonl', stride=3)
    assert f'{len(frames)} frames' in told
    assert last.error in told
    assert len((tmp_path / 'out.jsonl').read_text().splitlines()) == len(frames) + 1
    drawn = cv2.VideoCapture(str(tmp_path / 'out.mp4')).get(cv2.CAP_PROP_FRAME_COUNT)
    assert drawn == frames[-1].frame // 3 + 1 > len(frames)  # what comes after the hole stays in its time
    (tmp_path / 'cut.mp4').write_bytes(content[:100_000])
    with pytest.raises(ValueError, match='cannot open .*cut.mp4: damaged'):
        film(infer, str(tmp_path / 'cut.mp4'), out=tmp_path / 'none.mp4')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['cut.mp4', 'hole.mp4', 'out.jsonl', 'out.mp4']
