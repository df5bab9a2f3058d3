import copy
import pickle

import cv2
import numpy as np
import pytest
import torch

from mmfer.faces.alignment import arcface_template
from mmfer.faces.landmarks68 import Landmarks68
from mmfer.faces.yunet import YuNet
from mmfer.models.backbones.mobile_face_net import MobileFaceNet
from mmfer.structures.results import Face

JAW, BROWS, NOSE, LEFT_EYE, RIGHT_EYE, MOUTH = (
    slice(*ends) for ends in ((0, 17), (17, 27), (27, 36), (36, 42), (42, 48), (48, 68))
)


@pytest.fixture(scope='module')
def random_file(tmp_path_factory):
    """Weights under mmfer's names; where the points lie depends on the pixels alone."""
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'random.safetensors'
    network = MobileFaceNet(out_indices=(), with_landmarks=True)
    torch.nn.init.uniform_(network.landmark_head.bn.bias)
    save_file(network.state_dict(), path)
    return path


@pytest.fixture(scope='module')
def real(landmark_file):
    return Landmarks68(landmark_file)


IMG = cv2.resize(np.random.RandomState(0).randint(0, 256, (20, 30, 3), dtype=np.uint8), (300, 200))


def test_what_the_network_sees(random_file):
    """RGB in [0, 1] of the square around the box; points are scaled and moved back."""
    finder = Landmarks68(random_file, margin=0.0)
    box = (60, 40, 172, 140)  # a square of 112 pixels about (116, 90)
    points = finder(IMG, [box])
    crop = np.ascontiguousarray(IMG[34:146, 60:172, ::-1].transpose(2, 0, 1))
    with torch.inference_mode():
        wanted = finder.network(torch.from_numpy(crop)[None].float() / 255)[-1][0].numpy()
    assert points.shape == (1, 68, 2)
    assert points.dtype == np.float32
    for other in (pickle.loads(pickle.dumps(finder)), copy.deepcopy(finder)):
        np.testing.assert_array_equal(other(IMG, [box]), points)
    np.testing.assert_allclose(points[0], wanted * 112 + [60, 34], atol=1e-3)


def test_batches_and_none(random_file):
    boxes = [(10 * i, 5 * i, 10 * i + 60, 5 * i + 70) for i in range(5)]
    wanted = Landmarks68(random_file)(IMG, boxes)
    np.testing.assert_allclose(Landmarks68(random_file, batch_size=2)(IMG, boxes), wanted, atol=1e-2)
    assert Landmarks68(random_file)(IMG, []).shape == (0, 68, 2)


@pytest.mark.parametrize('turn', [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_a_turned_face_gives_the_same_points_turned(turn, random_file):
    finder = Landmarks68(random_file)
    height, width = IMG.shape[:2]
    landmarks = (arcface_template() + [100, 30]).astype(np.float32)
    points = finder(IMG, [Face((100, 30, 212, 142), None, landmarks)])[0]

    def turned(places, end):
        x, y = places.T
        return {
            cv2.ROTATE_90_CLOCKWISE: np.column_stack([height - end - y, x]),
            cv2.ROTATE_180: np.column_stack([width - end - x, height - end - y]),
            cv2.ROTATE_90_COUNTERCLOCKWISE: np.column_stack([y, width - end - x]),
        }[turn]

    corners = turned(np.array([[100, 30], [212, 142]]), 0)
    face = Face((*corners.min(axis=0), *corners.max(axis=0)), None, turned(landmarks, 1))
    found = finder(cv2.rotate(IMG, turn), [face])[0]
    np.testing.assert_allclose(found, turned(points, 0), atol=0.05)


@pytest.mark.parametrize(
    ('img', 'faces', 'message'),
    [
        (IMG[..., 0], [(0, 0, 9, 9)], 'Landmarks68: the image must be'),
        (IMG, [(9, 9, 0, 0)], 'must be four numbers'),
        (IMG, [(900, 900, 990, 990)], 'outside the image'),
        (IMG, [Face((0, 0, 50, 50), None, np.zeros((5, 2)))], 'coincide'),
    ],
)
def test_mistakes(img, faces, message, random_file):
    with pytest.raises(ValueError, match=message):
        Landmarks68(random_file)(img, faces)


def test_files_and_options(tmp_path, random_file):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.pth.*mobilefacenet_model_best\.pth\.tar from https://'):
        Landmarks68(tmp_path / 'nowhere.pth')
    (tmp_path / 'text.pth').write_text('no weights')
    with pytest.raises(ValueError, match=r'text\.pth'):
        Landmarks68(tmp_path / 'text.pth')
    with pytest.raises(ValueError, match='batch_size=0'):
        Landmarks68(random_file, batch_size=0)
    with pytest.raises(ValueError, match='margin'):
        Landmarks68(random_file, margin=-0.5)


# ---- real weights and photographs ------------------------------------------------------------------------------------
@pytest.mark.parametrize('name', ['single_face.jpg', 'multi_face.jpg', 'astronaut.png'])
def test_points_of_photos(name, photo, real, yunet_file):
    """They agree with the five points of another network, and lie in the order of a face."""
    img = photo(name)
    faces = YuNet(yunet_file)(img)
    for face, points in zip(faces, real(img, faces)):
        width = face.box[2] - face.box[0]
        five = [points[LEFT_EYE].mean(0), points[RIGHT_EYE].mean(0), points[30], points[48], points[54]]
        assert np.linalg.norm(np.array(five) - face.landmarks, axis=1).max() < 0.15 * width
        assert points[JAW][0, 0] < points[LEFT_EYE][:, 0].min() < points[RIGHT_EYE][:, 0].max() < points[JAW][-1, 0]
        assert points[BROWS][:, 1].max() < points[MOUTH][:, 1].min()
        assert points[NOSE][:, 1].max() < points[MOUTH][:, 1].mean()
        assert points[8, 1] == points[:, 1].max()


@pytest.mark.parametrize('degrees', [30, 90, 160, 270])
def test_points_of_turned_photos(degrees, photo, real, yunet_file):
    img = photo('single_face.jpg')
    face = YuNet(yunet_file)(img)[0]
    points = real(img, [face])[0]
    matrix = cv2.getRotationMatrix2D(tuple(map(float, face.landmarks.mean(axis=0))), degrees, 1)
    turned = cv2.warpAffine(img, matrix, img.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    faces = YuNet(yunet_file, rotations=(0, 90, 180, 270))(turned)
    wanted = points @ matrix[:, :2].T + matrix[:, 2]
    error = np.linalg.norm(real(turned, faces)[0] - wanted, axis=1).mean()
    assert error < 0.03 * (face.box[2] - face.box[0])
