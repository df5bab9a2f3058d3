import pytest
import torch

from mmfer.models import CompactResNet


def test_maps_size_and_parameters():
    net = CompactResNet(out_indices=(0, 1, 2)).eval()
    maps = net(torch.randn(2, 3, 48, 48))
    assert [tuple(x.shape) for x in maps] == [(2, 32, 24, 24), (2, 64, 12, 12), (2, 128, 6, 6)]
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(0.72e6, rel=0.01)
    torch.manual_seed(0)
    last = CompactResNet().eval()(torch.randn(2, 3, 48, 48))
    assert [tuple(x.shape) for x in last] == [(2, 128, 6, 6)]


def test_later_stages_are_not_built():
    assert len(CompactResNet(out_indices=(0,)).stages) == 1


def test_dropped_channels_are_dropped_whole_and_in_training_alone():
    torch.manual_seed(0)
    net = CompactResNet((8, 16), (1, 1), drop_rate=0.5)
    x = torch.randn(64, 3, 16, 16)
    (out,) = net.train()(x)
    whole = (out == 0).flatten(2).all(-1).float().mean()
    assert 0.4 < whole < 0.7
    (out,) = net.eval()(x)
    assert (out == 0).flatten(2).all(-1).float().mean() < 0.3


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(channels=(8, 16), num_blocks=(1,)), 'give one of each per stage'),
        (dict(out_indices=(3,)), 'choose from the 3 stages'),
        (dict(out_indices=()), 'choose from the 3 stages'),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        CompactResNet(**options)
