"""mmfer: a toolbox for facial expression recognition in the style of MMEngine."""

import warnings
from importlib import metadata

from .version import __version__

__all__ = ['__version__']

# mmcv-lite says this at each import, whether or not the module is wanted; nothing here wants it.
warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')

# Tried together; outside these ranges mmfer says so and goes on.
_TRIED = {
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


def _warn_untried_versions() -> None:
    for package, (low, high) in _TRIED.items():
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


_warn_untried_versions()
