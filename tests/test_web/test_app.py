"""The tool: what it is told and what it passes on. The server itself is tested with the page."""

import numpy as np
import pytest
from demo_model import CLASSES, write_model

TOOL = 'demo/app.py'


@pytest.fixture
def served(monkeypatch):
    """What the tool would serve, as if gradio were there."""
    calls = []
    monkeypatch.setattr('mmfer.web.page.serve', lambda *args: calls.append(args))
    monkeypatch.setattr('mmfer.web.page.check_gradio', lambda: None)
    return calls


def test_a_model_is_served_to_this_computer_alone(served, tmp_path, call_tool, root):
    code, _, errors = call_tool(TOOL, *write_model(tmp_path, threshold=0.7), '--detector', 'haar', '--max-mb', '2.5')
    assert code == 0, errors
    looker, host, port, share, docs, waiting = served[0]
    assert (host, port, share, waiting) == ('127.0.0.1', 7860, False, 16)
    assert docs == root / 'docs'
    assert (looker.limits.max_bytes, looker.limits.max_pixels) == (2_500_000, 40_000_000)
    assert looker.inferencer.threshold == 0.7
    assert len(looker.examples) >= len(CLASSES)
    told = looker.look_at_example(1)
    assert np.isclose(looker.judge(told['token'], 9.0).result.faces[0].scores.sum(), 1)


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
    monkeypatch.setattr('mmfer.web.page.importlib.util.find_spec', lambda name: None)
    monkeypatch.setenv('GRADIO_ANALYTICS_ENABLED', 'True')
    code, _, errors = call_tool(TOOL, 'none.py', 'none.pth')
    assert code == 1
    assert errors == 'error: the page needs gradio: python -m pip install -r requirements/demo.txt\n'
