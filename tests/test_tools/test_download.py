import pytest
from processes import ROOT

TOOL = 'mmfer download'
REAL = ROOT.parent / 'shared' / 'weights' / 'face_detection_yunet_2023mar.onnx'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def test_list(call_tool, cache):
    code, out, _ = call_tool(TOOL, '--list')
    assert code == 0
    assert 'yunet: the face detector YuNet; MIT licence, by https://github.com/opencv/opencv_zoo' in out
    assert '8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4' in out
    assert f'{cache / "face_detection_yunet_2023mar.onnx"} (not there)' in out


def test_mistakes(call_tool, cache, tmp_path, capfd):
    code, _, err = call_tool(TOOL, 'resnet')
    assert (code, err) == (1, "error: unknown file 'resnet'; known are yunet\n")
    (tmp_path / 'copy').write_text('something else')
    code, _, err = call_tool(TOOL, 'yunet', '--from', tmp_path / 'copy')
    assert code == 1
    assert 'is not face_detection_yunet_2023mar.onnx' in err
    code, _, err = call_tool(TOOL, 'yunet', '--url', 'http://127.0.0.1:9/x')
    assert code == 1
    assert err.startswith('error: cannot download http://127.0.0.1:9/x')
    assert not cache.exists()
    with pytest.raises(SystemExit):
        call_tool(TOOL, 'yunet', '--list')


@pytest.mark.skipif(not REAL.is_file(), reason=f'needs ../shared/weights/{REAL.name}')
def test_a_copy_serves_the_detector(call_tool, cache):
    from mmfer.faces.detectors import build_detector
    from mmfer.faces.yunet import YuNet

    code, out, err = call_tool(TOOL, 'yunet', '--from', REAL)
    assert code == 0, err
    assert 'written, SHA-256 as pinned' in out
    assert isinstance(build_detector('auto'), YuNet)
    code, out, _ = call_tool(TOOL, 'yunet')
    assert code == 0
    assert 'was there already' in out
