import pytest
import torch

from mmfer.models import IRNet
from mmfer.models.layers import pretrained_file


def tiny(**kwargs):
    return IRNet(channels=(8, 16), num_blocks=(1, 1), out_indices=(0, 1), **kwargs)


def test_init_weights_fills_every_parameter(tmp_path):
    source = tiny()
    torch.save({'state_dict': source.state_dict()}, tmp_path / 'part.pth')
    net = tiny(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'part.pth')))
    assert pretrained_file(net) == str(tmp_path / 'part.pth')
    net.init_weights()
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), source.state_dict().values()))


def test_missing_file_says_how_to_train_without(tmp_path):
    net = tiny(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'ir50.pth')))
    with pytest.raises(FileNotFoundError, match='init_cfg=None'):
        net.init_weights()


def test_no_pretrained_file():
    assert pretrained_file(tiny()) is None
    assert pretrained_file(tiny(init_cfg=[dict(type='Kaiming', layer='Conv2d')])) is None
