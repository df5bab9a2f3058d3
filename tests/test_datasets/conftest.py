import pytest


@pytest.fixture
def left_out(monkeypatch):
    """The lines of the log on samples that are left out."""
    texts = []
    monkeypatch.setattr('mmfer.datasets.left_out.print_log', lambda text, **kwargs: texts.append(text))
    return texts
