import pytest

from mmfer.utils.files import write_json, write_text


def test_numbers_that_json_lacks_are_not_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / 'x.json', dict(a=float('nan')))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('name', ['a' * 255, 'ä' * 127, '顔' * 85, '\udcff' * 255], ids=['a', 'ä', '顔', 'no text'])
def test_every_name_that_a_file_can_have(tmp_path, name):
    write_text(tmp_path / name, 'whole')
    assert [path.name for path in tmp_path.iterdir()] == [name]
