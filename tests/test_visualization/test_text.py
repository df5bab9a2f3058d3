import warnings

import numpy as np
import pytest

from mmfer.visualization import text as module
from mmfer.visualization.text import clean, draw_text, find_font, font_families, line_height, shorten, text_width

WORDS = dict(latin='happiness', cyrillic='радость', greek='χαρά', arabic='سعادة', hebrew='שמחה')


@pytest.fixture
def fresh(monkeypatch):
    """No font of the system but those of matplotlib, and nothing remembered."""
    own = [font for font in module.font_manager.fontManager.ttflist if 'mpl-data' in font.fname]
    monkeypatch.setattr(module.font_manager.fontManager, 'ttflist', own)
    monkeypatch.setattr(module, '_warned', set())
    module._find_font.cache_clear()
    module._render.cache_clear()
    yield
    module._find_font.cache_clear()
    module._render.cache_clear()


@pytest.mark.parametrize('word', WORDS.values(), ids=WORDS)
def test_text_lies_inside_its_line_and_width(word):
    img = np.full((60, 300, 3), 255, np.uint8)
    draw_text(img, word, 20, 10, 20, (0, 0, 0), bold=True)
    rows, columns = np.nonzero((img < 200).any(axis=2))
    assert len(rows) > 50
    assert rows.min() >= 9
    assert rows.max() < 10 + line_height(20) + 1
    assert columns.min() >= 18
    assert columns.max() <= 20 + text_width(word, 20, bold=True)


def test_color_is_that_of_the_text_and_edges_cut_it_off():
    img = np.zeros((30, 30, 3), np.uint8)
    draw_text(img, 'WWWW', -5, -4, 30, (10, 200, 30))
    assert (img == (10, 200, 30)).all(axis=2).any()
    before = img.copy()
    for place in ((500, 0), (0, 500), (-900, 0)):
        draw_text(img, 'W', *place, 20)
    assert (img == before).all()


def test_long_text_is_shortened():
    assert shorten('anger', 500, 14) == 'anger'
    short = shorten('disgustedly surprised', 100, 14)
    assert short.startswith('disg')
    assert short.endswith('…')
    assert text_width(short, 14) <= 100
    assert shorten('anger', 3, 14) == ''


def test_control_characters_and_broken_names():
    assert clean('a\tb\x00') == 'a b '
    assert clean('\udcff.png') == '\ufffd.png'
    assert clean('می\u200cخواهم') == 'می\u200cخواهم'
    assert text_width('\udcff\n', 12) > 0


def test_one_warning_for_an_alphabet_without_a_font(fresh):
    img = np.full((40, 200, 3), 255, np.uint8)
    with pytest.warns(UserWarning, match='no font on this system has the CJK character'):
        draw_text(img, '快乐', 2, 2, 20)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        draw_text(img, '悲伤 0.41', 2, 2, 20)
    assert (img < 200).any()  # boxes in their place


@pytest.mark.parametrize('shapes', [False, True])
def test_words_stay_in_order_with_and_without_shaping(monkeypatch, shapes):
    if shapes and not module.features.check('raqm'):
        pytest.skip('this Pillow cannot order letters (libraqm)')
    monkeypatch.setattr(module, '_shapes_text', lambda: shapes)
    for cache in (module._render, module._font):
        cache.cache_clear()
    word, number = text_width('שמחה', 24), text_width('1', 24)
    img = np.full((40, 200, 3), 255, np.uint8)
    draw_text(img, module.in_order('1', 'שמחה', '0.8'), 0, 2, 24)
    first = img[:, : number + 1].copy()
    alone = np.full_like(first, 255)
    draw_text(alone, '1', 0, 2, 24)
    assert (first == alone).all()
    assert text_width(module.in_order('שמחה', '1'), 24) <= word + number + 12  # no box for the invisible sign
    for cache in (module._render, module._font):
        cache.cache_clear()


def test_a_font_of_the_system_stands_in(fresh, monkeypatch):
    default, other = find_font('anger'), module.font_manager.findfont('STIXGeneral')
    lacking = module._glyphs(default) - {'Я'}
    monkeypatch.setattr(module, '_glyphs', lambda path: lacking if path == default else frozenset('Я'))
    monkeypatch.setattr(module, '_fonts_of_system', lambda: [default, other])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert find_font('Я') == other
        assert find_font('abc') == default
        assert font_families(['abc', 'Я'])[0] == 'DejaVu Sans'
        assert len(font_families(['abc', 'Я'])) == 2


def test_signs_for_missing_glyphs_are_no_glyphs():
    placeholders = [f.fname for f in module.font_manager.fontManager.ttflist if f.name.startswith('Last Resort')]
    assert all(not module._glyphs(path) for path in placeholders)
    assert module._glyphs(__file__) == frozenset()
