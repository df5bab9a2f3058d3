import cv2
import numpy as np

from mmfer.faces.optical_flow import flow_face
from mmfer.structures.results import Face

POINTS = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)], np.float32)


def moved_scene(shift=(0.0, 0.0), scale=1.0):
    rng = np.random.default_rng(0)
    scene = cv2.GaussianBlur(rng.integers(0, 256, (200, 300, 3), np.uint8), (0, 0), 2)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    moved = cv2.warpAffine(scene, matrix, (300, 200), borderMode=cv2.BORDER_REFLECT)
    return cv2.cvtColor(moved, cv2.COLOR_BGR2GRAY)


def test_optical_flow_moves_box_and_landmarks_alike():
    box = np.array([100.0, 60, 150, 120])
    points = (box[:2] + (box[2:] - box[:2]) * POINTS).astype(np.float32)
    moved = flow_face(moved_scene(), moved_scene((4.5, -3.0), 1.03), Face(tuple(box), 0.9, points))
    np.testing.assert_allclose(moved.box, box * 1.03 + np.tile([4.5, -3.0], 2), atol=0.4)
    np.testing.assert_allclose(moved.landmarks, points * 1.03 + [4.5, -3.0], atol=0.4)
    other = np.random.default_rng(1).integers(0, 256, (200, 300), np.uint8)
    assert flow_face(moved_scene(), other, Face(tuple(box), 0.9, points)) is None
