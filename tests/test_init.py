import subprocess
import sys
import warnings
from importlib import metadata

import pytest
from processes import ROOT, python

import mmfer


@pytest.mark.parametrize('version', ['2.0.1', '2.13.0+cu130', '3.0rc1'])
def test_untried_versions_warn(monkeypatch, version):
    monkeypatch.setattr(metadata, 'version', lambda name: version if name == 'torch' else '0')
    monkeypatch.setattr(mmfer, '_TRIED', dict(torch=('2.1', '2.13')))
    with pytest.warns(UserWarning, match=r'torch >= 2\.1, < 2\.13'):
        mmfer._warn_untried_versions()


def test_tried_and_missing_versions_do_not(monkeypatch):
    def version(name):
        if name == 'torch':
            return '2.12.1+cpu'
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'version', version)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        mmfer._warn_untried_versions()


def test_import_is_cheap():
    code = 'import sys, mmfer; print(any(m in sys.modules for m in ("torch", "mmengine", "mmpretrain", "cv2")))'
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == 'False'


def test_help_imports_nothing_heavy():
    """All tools in one process: what one of them imports would be seen of all that follow, too."""
    code = """
import contextlib, io, pathlib, runpy, sys
heavy = ('torch', 'mmpretrain', 'mmcv', 'torchvision', 'matplotlib', 'gradio', 'cv2', 'onnx', 'onnxruntime', 'sklearn')
tools = sorted(pathlib.Path().glob('tools/**/*.py')) + sorted(pathlib.Path().glob('demo/*.py'))
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
    assert int(result.stdout) == len([*ROOT.glob('tools/**/*.py'), *ROOT.glob('demo/*.py'), 'benchmarks/speed.py'])
