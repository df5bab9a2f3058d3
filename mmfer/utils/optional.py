"""Packages that single parts need, and that a plain ``pip install mmfer`` leaves out."""

from __future__ import annotations

import importlib
from types import ModuleType


class MissingPackageError(ImportError, ValueError):
    """A package is not installed; the message has the command that installs it."""


def require(module: str, requirement: str, what: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: Its name in Python.
        requirement: What pip is to install.
        what: What needs it, the beginning of the sentence.

    Raises:
        MissingPackageError: If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split('.')[0] != module.split('.')[0]:
            raise  # it is installed, and lacks something itself
        remedy = f"pip install '{requirement}' (mmfer explain missing-extra)"
        raise MissingPackageError(f'{what}, which is not installed: {remedy}') from error


def require_training(what: str) -> None:
    """Look for what ``mmfer[train]`` installs; ``what`` needs it, the beginning of the sentence.

    Raises:
        MissingPackageError: If one of the packages is not installed.
    """
    for module in ('torch', 'mmengine', 'mmcv', 'mmpretrain'):
        require(module, 'mmfer[train]', f'{what}: that needs {module}')
