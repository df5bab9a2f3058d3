import numpy as np
import pytest

from mmfer.datasets import EXPRESSIONS
from mmfer.visualization.contact_sheet import (
    PALETTE,
    SheetRow,
    abbreviations,
    class_colors,
    contact_sheet,
    fit_image,
)
from mmfer.visualization.face_label import contrast

HOW, WHAT = ('happily', 'sadly', 'angrily'), ('surprised', 'disgusted', 'fearful')
COMPOUND = [f'{how} {what}' for how in HOW for what in WHAT]


def flat(value, size=40):
    return np.full((size, size, 3), value, np.uint8)


def area(sheet, color):
    return int((sheet == np.array(color, np.uint8)).all(axis=2).sum())


def test_images_stand_in_rows_below_the_titles():
    rows = [SheetRow(0, [flat(10), flat(20)]), SheetRow(1, [flat(30)])]
    sheet = contact_sheet(rows, ('neutral', 'anger'), titles=[(0, 'first', False), (1, 'last', True)])
    assert sheet.shape == (30 + 2 * 48, 122 + 2 * 48, 3)
    assert (sheet[30:70, 122:162] == 10).all()
    assert (sheet[30:70, 170:210] == 20).all()
    assert (sheet[78:118, 122:162] == 30).all()
    assert (sheet[:22, 122:] < 100).any()  # titles
    assert (sheet[78:118, 171:] == 255).all()  # a shorter row
    assert area(sheet, PALETTE['anger']) > 50  # its dot


def test_bars_are_as_high_as_the_probabilities():
    classes, score = ('neutral', 'happiness', 'sadness', 'anger'), np.array([0.25, 0.5, 0.0, 0.25])
    sheet = contact_sheet([SheetRow(3, [flat(0)], score=score)], classes, names_width=204)
    bars = sheet[:, :204]
    width = area(bars, PALETTE['sadness'])  # the bar of 0 is one pixel high
    assert area(bars, PALETTE['neutral']) == pytest.approx(11 * width, rel=0.05)
    assert area(bars, PALETTE['happiness']) == pytest.approx(22 * width, rel=0.05)
    small = contact_sheet([SheetRow(3, [flat(0)] * 2, scores=[score, score])], classes)
    assert small.shape[0] == 30 + 40 + 22 + 8
    assert area(small, PALETTE['happiness']) == 9 * area(small, PALETTE['sadness']) > 0


def test_header_and_legend_make_room():
    rows = [SheetRow(0, [flat(0)], score=np.ones(9) / 9)]
    plain = contact_sheet(rows, COMPOUND)
    full = contact_sheet(rows, COMPOUND, header=['a', 'b'], legend=True)
    assert full.shape[0] > plain.shape[0] + 2 * 16 + 16
    assert (full[-plain.shape[0] + 30 :] == plain[30:]).all()


def test_text_of_any_alphabet_and_long_text_stay_inside():
    row = SheetRow(0, [flat(255)], notes=['Gesicht ä\n' * 20, 'x' * 300], score=np.ones(1))
    sheet = contact_sheet([row], ('ärger',), header=['ü' * 500], names_width=150)
    assert (sheet[50:, 143:149] == 255).all()
    assert (sheet[:, -6:] == 255).all()


def test_images_must_be_there_and_of_one_size():
    with pytest.raises(ValueError, match='they have none'):
        contact_sheet([SheetRow(0, [])], ('a',))
    with pytest.raises(ValueError, match=r'\(32, 32, 3\), \(40, 40, 3\)'):
        contact_sheet([SheetRow(0, [flat(0), flat(0, 32)])], ('a',))


@pytest.mark.parametrize(('shape', 'inside'), [((10, 20), (20, 40)), ((200, 50), (40, 10)), ((1, 500), (1, 40))])
def test_fit_image_keeps_the_aspect_ratio(shape, inside):
    fitted = fit_image(np.zeros((*shape, 3), np.uint8), 40)
    assert fitted.shape == (40, 40, 3)
    height, width = (fitted[..., 0] < 128).any(axis=1).sum(), (fitted[..., 0] < 128).any(axis=0).sum()
    assert (height, width) == inside


def test_colors_go_by_name_and_stand_out_from_white():
    assert list(PALETTE) == list(EXPRESSIONS)
    assert class_colors(('anger', 'neutral')) == [PALETTE['anger'], PALETTE['neutral']]
    mixed = class_colors(('anger', 'bored', 'tired'))
    assert mixed[0] == PALETTE['anger']
    assert len(set(mixed)) == 3
    assert len(class_colors(COMPOUND)) == 9
    assert len(set(class_colors(COMPOUND)[:8])) == 8
    assert all(contrast(color, (255, 255, 255)) > 2 for color in PALETTE.values())


def test_abbreviations_are_unique():
    assert abbreviations(EXPRESSIONS) == ['neu', 'hap', 'sad', 'sur', 'fea', 'dis', 'ang', 'con']
    assert abbreviations(COMPOUND)[:4] == ['HaSu', 'HaDi', 'HaFe', 'SaSu']
    assert abbreviations(['anger', 'angst', 'joy']) == ['0', '1', 'joy']
