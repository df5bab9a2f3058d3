import cv2
import pytest
from trained_heads import config_with, train_head

TOOL = 'mmfer plot tsne'


def test_picture_and_points_are_the_same_for_the_same_seed(tmp_path, call_tool):
    pytest.importorskip('sklearn')
    config_with('linear', tmp_path).dump(tmp_path / 'config.py')
    arguments = (tmp_path / 'config.py', train_head('linear', tmp_path), '--max-images', 30, '--device', 'cpu')
    contents = []
    for name in ('a', 'b'):
        code, output, errors = call_tool(TOOL, *arguments, '--out', tmp_path / f'{name}.png')
        assert code == 0, errors
        assert output.startswith('30 images, ')
        contents.append((tmp_path / f'{name}.csv').read_bytes())
    assert contents[0] == contents[1]
    assert cv2.imread(str(tmp_path / 'a.png')).shape[1] > 1000
    code, _, errors = call_tool(TOOL, *arguments, '--out', tmp_path / 'a.txt')
    assert code == 1
    assert 'ends in .png, .svg or .pdf' in errors
