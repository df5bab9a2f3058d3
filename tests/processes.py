"""The tools, in a process of their own or in this one, and other processes that tests start."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from mmfer.cli import main as mmfer

ROOT = Path(__file__).resolve().parents[1]


def environment(**changes):
    """The environment of a process that imports mmfer, uses one thread and sees no GPU; None leaves a variable out."""
    env = dict(os.environ, OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='', **changes)
    env['PYTHONPATH'] = os.pathsep.join(filter(None, [str(ROOT), env.get('PYTHONPATH')]))
    return {name: value for name, value in env.items() if value is not None}


def run(*args, cwd=ROOT, env=(), timeout=600):
    """Run a program to its end; what ``subprocess`` says of it. ``env`` are changes of :func:`environment`."""
    args, env = [str(arg) for arg in args], environment(**dict(env))
    return subprocess.run(args, cwd=cwd, env=env, capture_output=True, encoding='utf-8', timeout=timeout)


def python(*args, **options):
    """Run Python with a script, or with code behind ``'-c'``; takes 5 s where all of mmfer is imported."""
    return run(sys.executable, *args, **options)


def load_tool(path):
    """The module of a tool, given by its path below the repository, or what stands for one: ``'mmfer data browse'``."""
    if path.startswith('mmfer '):
        return SimpleNamespace(__file__=path, main=lambda: mmfer([*path.split()[1:], *sys.argv[1:]]))
    file = ROOT / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
