import cv2
import numpy as np
import pytest
from trained_heads import config_with, train_head

TOOL = 'mmfer plot cam'


@pytest.fixture
def run(tmp_path):
    config = config_with('vich', tmp_path)
    config.dump(tmp_path / 'config.py')
    folder = tmp_path / 'photos'
    (folder / 'more').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ('face.png', 'face.jpg', 'more/face.png'):
        cv2.imwrite(str(folder / name), rng.integers(0, 256, (50, 40, 3), np.uint8))
    (folder / 'broken.jpg').write_bytes(b'\xff\xd8\xff\xe0')
    return tmp_path / 'config.py', train_head('vich', tmp_path), folder


def test_each_image_gets_a_picture_and_bad_ones_are_reported(run, tmp_path, call_tool):
    out = tmp_path / 'maps'
    code, output, errors = call_tool(TOOL, *run, '--out', out, '--method', 'rollout', '--device', 'cpu')
    assert code == 1, errors
    assert sorted(path.name for path in out.iterdir()) == [
        'face_rollout.png',
        'face_rollout_2.png',
        'face_rollout_3.png',
    ]
    assert '1 images were left out:\n' in output
    assert 'broken.jpg' in output
    assert cv2.imread(str(out / 'face_rollout.png')).shape[1] > 800


def test_targets(run, tmp_path, call_tool):
    pytest.importorskip('pytorch_grad_cam')
    config, checkpoint, folder = run
    arguments = (config, checkpoint, folder / 'face.png', '--out', tmp_path / 'maps', '--device', 'cpu')
    for target in ('Happy', 'uncertainty'):
        code, output, errors = call_tool(TOOL, *arguments, '--target', target)
        assert code == 0, errors
        assert 'face_gradcam.png' in output
    code, _, errors = call_tool(TOOL, *arguments, '--target', 'awe')
    assert code == 1
    assert "target='awe': 'uncertainty', or a class of the model: neutral, happiness" in errors
    code, _, errors = call_tool(TOOL, *arguments, '--detector', 'none.onnx')
    assert (code, errors.splitlines()[-1][:43]) == (1, 'error: the face detector YuNet is not there')
    code, _, errors = call_tool(TOOL, *arguments, '--layer', 'backbone.nowhere')
    assert code == 1
    assert "no module 'backbone.nowhere'" in errors
    code, _, errors = call_tool(TOOL, *arguments, '--method', 'rollout', '--target', 'anger')
    assert code == 1
    assert 'rollout shows the attention of the encoder' in errors
