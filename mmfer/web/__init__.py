"""The page to try a model in a browser. Only :mod:`mmfer.web.page` needs gradio."""

from __future__ import annotations

import importlib.util


def check_gradio() -> None:
    """Raise ValueError with the remedy where gradio is missing."""
    if importlib.util.find_spec('gradio') is None:
        raise ValueError("the page needs gradio: pip install 'mmfer[demo]'")
