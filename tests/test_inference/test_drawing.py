import numpy as np

from mmfer.inference.drawing import Drawings
from mmfer.structures.results import ImageResult


def test_no_drawing_replaces_another(tmp_path):
    """Names that some file systems do not tell apart, and one that the card of another image has."""
    drawings, image = Drawings(tmp_path, cards=True), np.zeros((9, 9, 3), np.uint8)
    names = [drawings.add(image, ImageResult(f'{name}.jpg', 9, 9))[0].stem for name in ('a', 'b/a', 'A', 'a_cards')]
    assert names == ['a', 'a_2', 'A_3', 'a_cards_2']
