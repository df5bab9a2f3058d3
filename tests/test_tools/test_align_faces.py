import pytest

from mmfer.datasets.synth_fer import SynthFER

TOOL = 'mmfer data align'


@pytest.fixture
def raw(tmp_path):
    import cv2
    import numpy as np

    (tmp_path / 'raw').mkdir()
    cv2.imwrite(
        str(tmp_path / 'raw' / 'a.png'), SynthFER(split='test', num_samples=1, size=224).get_data_info(0)['img']
    )
    cv2.imwrite(str(tmp_path / 'raw' / 'grey.png'), np.full((64, 64), 128, np.uint8))
    return tmp_path / 'raw'


def test_faces_and_what_has_none(call_tool, raw, tmp_path):
    arguments = (raw, tmp_path / 'out', '--detector', 'haar', '--crop', 'box', '--size', 48, '--margin', 0.2)
    code, out, err = call_tool(TOOL, *arguments)
    assert code == 1
    assert err.startswith('error: 1 image without a face, ')
    assert 'grey.png (no face found)' in err
    assert (tmp_path / 'out' / 'a.png').is_file()
    code, out, err = call_tool(TOOL, raw, tmp_path / 'out2', *arguments[2:], '--missing', 'skip', '--workers', 1)
    assert code == 0, err
    assert '1 faces written' in out
    assert "face_crop = dict(type='CropFace', margin=0.2)" in out


def test_mistakes_end_with_one_message(call_tool, raw, tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    for arguments, message in (
        ((raw, tmp_path / 'out'), 'Fetch it with: mmfer download yunet'),
        ((raw, tmp_path / 'out', '--detector', 'none.onnx'), 'YuNet is not there: none.onnx'),
        ((raw, tmp_path / 'out', '--detector', 'a.onnx', '--model', 'b.onnx'), "detector='a.onnx' must be one of"),
    ):
        code, _, err = call_tool(TOOL, *arguments)
        assert code == 1
        assert err.startswith('error: ')
        assert message in err
    assert not (tmp_path / 'out').exists()
