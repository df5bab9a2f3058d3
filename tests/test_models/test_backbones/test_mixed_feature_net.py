import pytest
import torch

from mmfer.models.backbones.mixed_feature_net import MixedDepthwise, MixedFeatureNet, MixedUnit


@pytest.mark.parametrize(
    ('channels', 'weights', 'shares'),
    [
        (512, (1, 1, 1), (172, 170, 170)),
        (128, (2, 1, 1), (64, 32, 32)),
        (256, (3, 1), (192, 64)),
        (1024, (1, 1, 1, 1), (256,) * 4),
        (16, (1, 1, 1), (8, 4, 4)),
    ],
)
def test_shares_of_the_kernels(channels, weights, shares):
    kernels = (3, 5, 7, 9)[: len(weights)]
    mixed = MixedDepthwise(channels, kernels, weights, 1)
    assert mixed.shares == shares
    assert [tuple(conv.weight.shape) for conv in mixed.convs] == [(n, 1, k, k) for n, k in zip(shares, kernels)]
    x = torch.randn(1, channels, 4, 4)
    first = shares[0]
    torch.testing.assert_close(mixed(x)[:, :first], mixed.convs[0](x[:, :first]))
    assert mixed(x).shape == x.shape


def test_units():
    x = torch.randn(2, 8, 5, 5)
    mix = ((3, 5), (1, 1))
    assert MixedUnit(8, 12, 16, mix, 2)(x).shape == (2, 12, 3, 3)
    unit = MixedUnit(8, 8, 16, mix, 1)
    torch.nn.init.zeros_(unit.project.bn.weight)
    assert torch.equal(unit(x), x)


@pytest.mark.parametrize(('size', 'side'), [(112, 7), (40, 3)])
def test_shapes(size, side):
    net = MixedFeatureNet(width=0.125, num_blocks=(1, 1, 1)).eval()
    (out,) = net(torch.randn(1, 3, size, size))
    assert out.shape == (1, 64, side, side)


def test_full_size():
    with torch.device('meta'):
        net = MixedFeatureNet()
        assert net(torch.randn(2, 3, 112, 112))[0].shape == (2, 512, 7, 7)


def test_wrong_stages():
    with pytest.raises(ValueError, match=r'num_blocks=\(1, 2\)'):
        MixedFeatureNet(num_blocks=(1, 2))
