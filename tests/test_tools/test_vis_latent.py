import cv2
import numpy as np
from trained_heads import config_with, train_head

TOOL = 'mmfer plot latent'


def test_drawn_faces_and_images(tmp_path, call_tool):
    config_with('vich', tmp_path).dump(tmp_path / 'config.py')
    arguments = (tmp_path / 'config.py', train_head('vich', tmp_path), '--device', 'cpu')
    out = tmp_path / 'latent.png'
    code, output, errors = call_tool(TOOL, *arguments, '--out', out, '--compound', 'sad', 'anger', '--steps', 3)
    assert code == 0, errors
    assert output.splitlines()[-1] == str(out)
    assert cv2.imread(str(out)).shape[1] > 900
    face, bad = tmp_path / 'face.png', tmp_path / 'bad.png'
    cv2.imwrite(str(face), np.full((30, 40, 3), 90, np.uint8))
    bad.write_bytes(b'')
    code, _, errors = call_tool(TOOL, *arguments, '--out', tmp_path / 'images.png', '--images', face)
    assert code == 0, errors
    code, _, errors = call_tool(TOOL, *arguments, '--out', tmp_path / 'none.png', '--images', face, bad)
    assert code == 1
    assert 'bad.png' in errors
    assert not (tmp_path / 'none.png').exists()
    code, _, errors = call_tool(TOOL, *arguments, '--out', out, '--compound', 'sadness', 'awe')
    assert code == 1
    assert "'awe' is not a class of the model, which has neutral" in errors


def test_a_head_without_a_latent_is_refused(tmp_path, call_tool):
    config_with('linear', tmp_path).dump(tmp_path / 'config.py')
    arguments = (tmp_path / 'config.py', train_head('linear', tmp_path), '--out', tmp_path / 'x.png')
    code, _, errors = call_tool(TOOL, *arguments, '--device', 'cpu')
    assert code == 1
    assert 'LinearHead has no latent Gaussian' in errors
