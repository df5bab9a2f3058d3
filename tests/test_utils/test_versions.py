import warnings
from importlib import metadata

import pytest

from mmfer.utils import versions


@pytest.mark.parametrize('version', ['2.0.1', '2.13.0+cu130', '3.0rc1'])
def test_untried_versions_warn(monkeypatch, version):
    monkeypatch.setattr(metadata, 'version', lambda name: version if name == 'torch' else '0')
    monkeypatch.setattr(versions, 'TRIED', dict(torch=('2.1', '2.13')))
    with pytest.warns(UserWarning, match=r'torch >= 2\.1, < 2\.13'):
        versions.warn_untried_versions()


def test_tried_and_missing_versions_do_not(monkeypatch):
    def version(name):
        if name == 'torch':
            return '2.12.1+cpu'
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, 'version', version)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        versions.warn_untried_versions()
