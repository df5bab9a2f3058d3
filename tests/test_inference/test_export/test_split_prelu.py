import pytest
import torch
from torch import nn

from mmfer.inference.export.split_prelu import SplitPReLU, split_prelus
from mmfer.models.layers import PReLU


def prelu(slopes, cls=nn.PReLU):
    module = cls(len(slopes))
    module.weight.data.copy_(torch.tensor(slopes))
    return module.requires_grad_(False)


@pytest.mark.parametrize('cls', [nn.PReLU, PReLU])
def test_it_is_the_same_function(cls):
    module = prelu([-2.0, 0.0, 0.25, 0.9, 0.98], cls)
    x = torch.randn(3, 5, 7, 6)
    x[0, :, 0] = 0
    network = nn.Sequential(module, nn.Sequential(cls(5)))
    assert split_prelus(network) == 2
    assert isinstance(network[0], SplitPReLU)
    torch.testing.assert_close(network[0](x), module(x), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(network[0](x[:, :, 0, 0]), module(x[:, :, 0, 0]), rtol=0, atol=0)


def test_one_slope_for_all_channels():
    module = prelu([1.5])
    network = nn.Sequential(module)
    assert split_prelus(network) == 1
    for x in (torch.randn(2, 4, 3, 3), torch.randn(2, 4)):
        torch.testing.assert_close(network(x), module(x))


@pytest.mark.parametrize('slope', [0.995, 1.0, 3.0])
def test_slopes_that_it_cannot_have(slope):
    network = nn.Sequential(prelu([0.2, slope]))
    assert split_prelus(network) == 0
    assert type(network[0]) is nn.PReLU
