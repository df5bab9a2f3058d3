"""The tool: what it is told and what it passes on. The server itself is tested with the page."""

import sys
from types import SimpleNamespace

import pytest
from demo_model import CLASSES, write_model

TOOL = 'demo/app.py'


@pytest.fixture
def served(monkeypatch):
    """What the tool would serve, as if gradio were there."""
    calls = []
    page = SimpleNamespace(serve=lambda *args: calls.append(args))
    monkeypatch.setitem(sys.modules, 'mmfer.web.page', page)
    monkeypatch.setattr('mmfer.web.check_gradio', lambda: None)
    return calls


def test_a_model_is_served_to_this_computer_alone(served, tmp_path, call_tool):
    options = ('--detector', 'haar', '--max-mb', '2.5', '--max-megapixels', '3')
    code, _, errors = call_tool(TOOL, *write_model(tmp_path, threshold=0.7), *options)
    assert code == 0, errors
    inferencer, examples, *others = served[0]
    assert others == ['127.0.0.1', 7860, False, 2_500_000, 64]
    assert (inferencer.max_pixels, inferencer.threshold) == (3_000_000, 0.7)
    assert len(examples) >= len(CLASSES)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none.onnx',), 'none.onnx'),
        (('none.onnx', '--max-mb', '0'), '--max-mb 0.0: a number above 0'),
        (('none.onnx', '--max-megapixels', 'nan'), '--max-megapixels nan: a number above 0'),
        (('none.onnx', '--max-waiting', '-1'), '--max-waiting -1: a number above 0'),
    ],
)
def test_mistakes_are_told_in_one_line(served, call_tool, arguments, message):
    code, _, errors = call_tool(TOOL, *arguments)
    assert code == 1
    assert errors.startswith('error: ')
    assert message in errors
    assert not served


def test_without_gradio_it_says_so_before_it_loads_a_model(call_tool, monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    code, _, errors = call_tool(TOOL, 'none.py', 'none.pth')
    assert code == 1
    assert errors == "error: the page needs gradio: pip install 'mmfer[demo]'\n"
