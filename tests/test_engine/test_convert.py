from pathlib import Path

import pytest
import torch

from mmfer.apis import convert, init_model
from mmfer.datasets import SynthFER
from mmfer.models import IRNet
from mmfer.utils.checkpoint_reader import CheckpointError


def test_convert_names_an_unfit_config(tmp_path):
    torch.save(IRNet(channels=(8, 16), num_blocks=(1, 1), out_indices=(0, 1)).state_dict(), tmp_path / 'a.pth')
    (tmp_path / 'empty.py').write_text('x = 1\n')
    with pytest.raises(CheckpointError, match=r'empty\.py has no model'):
        convert(tmp_path / 'a.pth', tmp_path / 'b.pth', str(tmp_path / 'empty.py'))
    with pytest.raises(FileNotFoundError, match=r'missing\.py'):
        convert(tmp_path / 'a.pth', tmp_path / 'b.pth', str(tmp_path / 'missing.py'))


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
@pytest.mark.filterwarnings('ignore:init_model without a checkpoint')
def test_converted_files_bring_weights_and_classes(tmp_path, suffix):
    config = Path(__file__).resolve().parents[2] / 'configs/poster_var/synth.py'
    model = init_model(config)
    torch.save(model.state_dict(), tmp_path / 'source.pth')
    convert(tmp_path / 'source.pth', tmp_path / f'converted{suffix}', str(config))
    back = init_model(config, tmp_path / f'converted{suffix}')
    assert back.classes == SynthFER.METAINFO['classes']
    images = torch.randn(1, 3, 40, 40)
    assert torch.equal(back(images, mode='tensor'), model(images, mode='tensor'))
