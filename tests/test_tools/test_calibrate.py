import pytest
from trained_heads import config_with, train_head

TOOL = 'mmfer calibrate'


@pytest.mark.slow
def test_command_line(tmp_path, call_tool):
    config = config_with('linear', tmp_path)
    config.val_dataloader = config.test_dataloader
    config.dump(tmp_path / 'config.py')
    checkpoint = train_head('linear', tmp_path)
    arguments = (tmp_path / 'config.py', checkpoint, '--device', 'cpu')
    code, _, errors = call_tool(TOOL, *arguments)
    assert code == 1
    assert errors.splitlines()[-1].strip().startswith('--allow-test')
    assert 'error: 40 of the 40 images are test images' in errors
    code, output, errors = call_tool(TOOL, *arguments, '--holdout', '0.5', '--method', 'vector')
    assert code == 0, errors
    assert 'other images, after' in output
    assert 'happiness' in output
    assert f'wrote {tmp_path / "epoch_3_calibrated.pth"}' in output
    assert (tmp_path / 'epoch_3_calibrated.pth').is_file()
