import numpy as np
import pytest

from mmfer.datasets.transforms.image_args import check_color, check_range
from mmfer.faces.resizing import contiguous

IMG = np.random.RandomState(0).randint(0, 256, (7, 5, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    'view', [IMG, IMG[:, ::-1], IMG[::-1], IMG[::-1, ::-1], IMG[1:4, 2:], IMG[..., ::-1], IMG.transpose(1, 0, 2)]
)
def test_contiguous_keeps_the_values(view):
    out = contiguous(view)
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, view)


def test_contiguous_copies_only_where_it_must():
    assert contiguous(IMG) is IMG
    assert not np.shares_memory(contiguous(IMG[:, ::-1]), IMG)


def test_ranges():
    assert check_range('a: scale', (1, 2)) == (1.0, 2.0)
    for wrong in ((2, 1), (-1, 2), (float('nan'), 2)):
        with pytest.raises(ValueError, match='a: scale='):
            check_range('a: scale', wrong, low=0)
    for wrong in (1, 'ab', (1, 2, 3), ('1', 2)):
        with pytest.raises(TypeError, match='a: scale='):
            check_range('a: scale', wrong)


def test_colours():
    assert check_color('a: fill', 7) == (7, 7, 7)
    assert check_color('a: fill', [1, 2, 3]) == (1, 2, 3)
    for wrong in (256, (0, 0, -1)):
        with pytest.raises(ValueError, match='a: fill='):
            check_color('a: fill', wrong)
    for wrong in ('red', (1, 2), 1.5, None):
        with pytest.raises(TypeError, match='a: fill='):
            check_color('a: fill', wrong)
