import pytest
import torch

from mmfer.apis import convert
from mmfer.models import IRNet
from mmfer.utils import CheckpointError


def test_convert_names_an_unfit_config(tmp_path):
    torch.save(IRNet(channels=(8, 16), num_blocks=(1, 1), out_indices=(0, 1)).state_dict(), tmp_path / 'a.pth')
    (tmp_path / 'empty.py').write_text('x = 1\n')
    with pytest.raises(CheckpointError, match=r'empty\.py has no model'):
        convert(tmp_path / 'a.pth', tmp_path / 'b.pth', str(tmp_path / 'empty.py'))
    with pytest.raises(FileNotFoundError, match=r'missing\.py'):
        convert(tmp_path / 'a.pth', tmp_path / 'b.pth', str(tmp_path / 'missing.py'))
