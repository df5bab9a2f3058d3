import pytest

from mmfer.utils.files import write_json


def test_numbers_that_json_lacks_are_not_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / 'x.json', dict(a=float('nan')))
    assert list(tmp_path.iterdir()) == []
