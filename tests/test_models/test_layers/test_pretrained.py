from mmfer.models import IRNet
from mmfer.models.layers import pretrained_file


def tiny(**kwargs):
    return IRNet(channels=(8, 16), num_blocks=(1, 1), out_indices=(0, 1), **kwargs)


def test_no_pretrained_file():
    assert pretrained_file(tiny()) is None
    assert pretrained_file(tiny(init_cfg=[dict(type='Kaiming', layer='Conv2d')])) is None
