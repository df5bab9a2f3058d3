import pytest
import torch
from torch import nn

from mmfer.models import IRNet, MobileFaceNet, TwoStreamBackbone


def tiny(init_cfg=None, **kwargs):
    kwargs.setdefault('norm_eval', True)
    return TwoStreamBackbone(
        image=dict(type=IRNet, channels=(8, 16, 16), num_blocks=(1, 1, 1)),
        landmark=dict(type=MobileFaceNet, width=0.125, num_blocks=(0, 0, 0), init_cfg=init_cfg),
        input_size=48,
        **kwargs,
    )


PRETRAINED = dict(type='Pretrained', checkpoint='landmarks.pth')


def test_landmark_maps_then_image_maps():
    net = tiny().eval()
    x = torch.randn(2, 3, 48, 48)
    maps = net(x)
    expected = (*net.landmark(x), *net.image(x))
    assert all(torch.equal(a, b) for a, b in zip(maps, expected))
    assert len(maps) == 6


def test_input_is_resized_by_nearest_neighbour():
    net = tiny().eval()
    x = torch.randn(1, 3, 96, 96)
    assert torch.equal(net(x)[-1], net(x[:, :, ::2, ::2])[-1])


def test_without_pretrained_weights_the_landmark_stream_is_trained():
    net = tiny()
    sum(m.sum() for m in net(torch.randn(2, 3, 48, 48))).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_with_pretrained_weights_it_is_frozen():
    net = tiny(PRETRAINED)
    maps = net(torch.randn(2, 3, 48, 48))
    assert not any(m.requires_grad for m in maps[:3])
    assert all(m.requires_grad for m in maps[3:])
    assert not any(p.requires_grad for p in net.landmark.parameters())


def test_frozen_random_network_is_refused():
    with pytest.raises(ValueError, match='freeze_landmark'):
        tiny(freeze_landmark=True)


@pytest.mark.parametrize('norm_eval', [True, False])
def test_norm_eval_keeps_or_drifts_statistics(norm_eval):
    net = tiny(PRETRAINED, norm_eval=norm_eval).train()
    before = net.landmark.stem[0].bn.running_mean.clone()
    net(torch.randn(4, 3, 48, 48) + 3)
    assert torch.equal(before, net.landmark.stem[0].bn.running_mean) is norm_eval
    assert net.image.stem[1].training


def test_different_numbers_of_maps_are_an_error():
    net = TwoStreamBackbone(
        image=nn.Sequential(nn.Identity()), landmark=dict(type=MobileFaceNet, width=0.125), norm_eval=True
    )
    net.image.forward = lambda x: (x,)
    with pytest.raises(ValueError, match='1 maps, the landmark stream 3'):
        net(torch.randn(1, 3, 112, 112))
