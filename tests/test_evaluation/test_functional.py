"""Every function of the package has an example that runs."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

from mmfer.evaluation import functional

MODULES = sorted(path.stem for path in Path(functional.__file__).parent.glob('*.py') if path.stem != '__init__')


@pytest.mark.parametrize('name', MODULES)
def test_examples(name):
    module = importlib.import_module(f'{functional.__name__}.{name}')
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
    if not name.startswith('_'):
        own = {n: f for n, f in inspect.getmembers(module, inspect.isfunction) if f.__module__ == module.__name__}
        assert [n for n, f in own.items() if not n.startswith('_') and '>>>' not in (f.__doc__ or '')] == []
