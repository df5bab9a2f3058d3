import pytest
import torch
from torch import nn

from mmfer.models.layers import PReLU


def both(channels, slope=None):
    own, plain = PReLU(channels), nn.PReLU(channels)
    with torch.no_grad():
        own.weight.copy_(torch.randn(channels) if slope is None else slope)
        plain.load_state_dict(own.state_dict())
    return own, plain


@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('shape', [(3, 5, 6, 4), (1, 1, 1, 1), (2, 4, 1, 7)])
def test_outputs_and_gradients_are_those_of_pytorch(shape, memory_format):
    own, plain = both(shape[1])
    x = torch.randn(shape, dtype=torch.float32).contiguous(memory_format=memory_format)
    x[0, 0, 0, 0] = 0  # where the slope jumps
    upstream = torch.randn(shape)
    results = []
    for module in (own, plain):
        leaf = x.clone().requires_grad_()
        y = module(leaf)
        y.backward(upstream)
        results.append((y.detach(), leaf.grad, module.weight.grad))
    for mine, theirs in zip(*results):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)


def test_gradient_is_that_of_finite_differences():
    module = PReLU(3).double()
    x = torch.randn(2, 3, 4, 2, dtype=torch.float64)
    x = (x + 0.1 * x.sign()).requires_grad_()  # away from the jump
    assert torch.autograd.gradcheck(
        lambda x, weight: torch.func.functional_call(module, {'weight': weight}, (x,)),
        (x, module.weight.detach().requires_grad_()),
    )


@pytest.mark.parametrize('frozen', ['weight', 'input'])
def test_half_frozen(frozen):
    own, plain = both(4)
    x = torch.randn(2, 4, 3, 3)
    for module in (own, plain):
        module.weight.requires_grad_(frozen != 'weight')
    leaves = [x.clone().requires_grad_(frozen != 'input') for _ in range(2)]
    for module, leaf in zip((own, plain), leaves):
        module(leaf).square().sum().backward()
    for mine, theirs in ((own.weight.grad, plain.weight.grad), (leaves[0].grad, leaves[1].grad)):
        assert (mine is None) == (theirs is None)
        if mine is not None:
            torch.testing.assert_close(mine, theirs)


def test_shared_slope_and_other_shapes_are_left_to_pytorch():
    own, plain = PReLU(), nn.PReLU()
    for shape in ((2, 3, 4, 4), (2, 5), (6,)):
        x = torch.randn(shape)
        assert torch.equal(own(x), plain(x))


def test_autocast_and_export():
    own, plain = both(3)
    x = torch.randn(2, 3, 4, 4)
    leaves = [x.clone().requires_grad_() for _ in range(2)]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mine, theirs = own(leaves[0]), plain(leaves[1])
    assert mine.dtype == theirs.dtype
    mine.float().sum().backward()
    theirs.float().sum().backward()
    torch.testing.assert_close(leaves[0].grad, leaves[1].grad, rtol=1e-2, atol=1e-2)
    program = torch.export.export(own, (x,))
    assert torch.equal(program.module()(x), plain(x))
