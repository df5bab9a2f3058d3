import numpy as np
import pytest

from mmfer.faces.cropping import check_image
from mmfer.structures.results import Face, largest_first


def test_largest_first_and_ties_from_left_to_right():
    small, right, left = Face((0, 0, 2, 2)), Face((5, 0, 8, 3)), Face((1, 0, 4, 3))
    assert largest_first([small, right, left]) == [left, right, small]
    assert left.area == 9
    assert Face((4, 0, 1, 3)).area == 0


def test_faces_with_landmarks_compare_and_hash():
    """The generated comparison would ask an array for its truth."""
    faces = [Face((0, 0, 2, 2), 0.9, np.zeros((5, 2))) for _ in range(2)]
    assert faces[0] == faces[0]
    assert faces[0] != faces[1]
    assert len(set(faces)) == 2


@pytest.mark.parametrize(
    ('img', 'message'),
    [
        ([[1]], 'not a list'),
        (None, 'not a NoneType'),
        (np.zeros((4, 4, 3)), r'not float64 of shape \(4, 4, 3\)'),
        (np.zeros((4, 4), np.uint8), r'not uint8 of shape \(4, 4\)'),
        (np.zeros((4, 4, 4), np.uint8), r'not uint8 of shape \(4, 4, 4\)'),
        (np.zeros((4, 4, 3), np.uint16), 'not uint16'),
    ],
)
def test_what_is_no_image(img, message):
    with pytest.raises(ValueError, match=f'me: the image must be a uint8 array .* BGR order, {message}'):
        check_image(img, 'me')


def test_views_become_plain():
    img = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[:, ::-1]
    plain = check_image(img, 'me')
    assert plain.flags['C_CONTIGUOUS']
    np.testing.assert_array_equal(plain, img)
