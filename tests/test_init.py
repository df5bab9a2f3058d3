import ast
import importlib
import inspect
from pathlib import Path

import pytest
from processes import ROOT, python

import mmfer
import mmfer.apis


def test_help_imports_nothing_heavy():
    """All tools in one process: what one of them imports would be seen of all that follow, too."""
    code = """
import contextlib, io, pathlib, runpy, sys
heavy = ('torch', 'mmpretrain', 'mmcv', 'torchvision', 'matplotlib', 'gradio', 'cv2', 'onnx', 'onnxruntime', 'sklearn')
tools = sorted(pathlib.Path().glob('tools/*.py')) + sorted(pathlib.Path().glob('demo/*.py'))
tools.append(pathlib.Path('benchmarks/speed.py'))
for tool in tools:
    sys.argv = [str(tool), '--help']
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        runpy.run_path(str(tool), run_name='__main__')
    assert text.getvalue().startswith('usage: '), tool
    assert not [name for name in heavy if name in sys.modules], tool
print(len(tools))
"""
    result = python('-c', code)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) == len([*ROOT.glob('tools/*.py'), *ROOT.glob('demo/*.py'), 'benchmarks/speed.py'])


@pytest.mark.parametrize('name', sorted({*mmfer.__all__} - {'__version__'}))
def test_every_public_name_is_what_it_says(name):
    value = getattr(mmfer, name)
    assert inspect.isclass(value) or inspect.isfunction(value)
    assert value.__name__ == dict(test='evaluate').get(name, name)
    assert getattr(mmfer.apis, name) is value
    assert name in dir(mmfer)


@pytest.mark.parametrize('module', [mmfer, mmfer.apis], ids=lambda module: module.__name__)
def test_type_checkers_see_the_same_names(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding='utf-8'))
    block = next(node for node in tree.body if isinstance(node, ast.If) and node.test.id == 'TYPE_CHECKING')
    assert {alias.asname for node in block.body for alias in node.names} == {*mmfer.__all__} - {'__version__'}
    for node in block.body if module is mmfer else ():
        for alias in node.names:
            home = importlib.import_module(f'mmfer.{node.module}')
            assert getattr(home, alias.name) is getattr(mmfer, alias.asname)


def test_other_names_are_missing():
    with pytest.raises(AttributeError, match="module 'mmfer' has no attribute 'nothing'"):
        mmfer.nothing  # noqa: B018
    with pytest.raises(ImportError, match='nothing'):
        from mmfer.apis import nothing  # noqa: F401


def test_looking_at_the_index_imports_no_pytorch():
    code = (
        'import sys, mmfer.apis\n'
        'from mmfer.apis import list_models, model_info\n'
        'assert model_info(list_models()[0])\n'
        "print(sorted({'torch', 'mmengine', 'mmpretrain', 'cv2'} & set(sys.modules)))"
    )
    result = python('-c', code)
    assert result.stdout.strip() == '[]', result.stderr
