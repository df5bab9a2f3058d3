"""Versions of the packages that training stands on."""

from __future__ import annotations

import warnings
from importlib import metadata

# Tried together; outside these ranges mmfer says so and goes on.
TRIED = {
    'torch': ('2.1', '2.13'),
    'mmengine': ('0.10.4', '0.11'),
    'mmpretrain': ('1.2', '1.3'),
    'opencv-python': ('4.8', '5'),
    'setuptools': ('0', '82'),
}


def _numbers(version: str) -> tuple:
    """
    >>> _numbers('2.12.1+cu130')
    (2, 12, 1)
    """
    numbers = []
    for part in version.split('+')[0].split('.'):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def warn_untried_versions() -> None:
    """Warn once for each package that is outside its range."""
    for package, (low, high) in TRIED.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        if not _numbers(low) <= _numbers(version) < _numbers(high):
            warnings.warn(
                f'mmfer was tried with {package} >= {low}, < {high}; version {version} is installed and may behave '
                'differently',
                stacklevel=3,
            )
