import pytest
import torch
from torch.nn import functional as F

from mmfer.models.losses.flip_consistency_loss import FlipConsistencyLoss
from mmfer.registry import MODELS


def maps(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(('height', 'width'), [(7, 7), (3, 4), (1, 5)])
def test_equals_sampling_on_a_mirrored_grid(height, width):
    """The paper's way: bilinear, aligned corners, border padding."""
    first, second = maps(2, 3, height, width), maps(2, 3, height, width, seed=1)
    x = -torch.linspace(-1, 1, width).expand(height, width)
    y = torch.linspace(-1, 1, height)[:, None].expand(height, width) if height > 1 else torch.zeros(1, width)
    grid = torch.stack([x, y], -1).expand(2, -1, -1, -1)
    mirrored = F.grid_sample(second, grid, mode='bilinear', padding_mode='border', align_corners=True)
    expected = 5 * F.mse_loss(first, mirrored)
    torch.testing.assert_close(FlipConsistencyLoss()(first, second), expected, rtol=1e-5, atol=1e-6)


def test_is_zero_where_the_attention_is_flipped_with_the_image():
    first = maps(1, 2, 3, 4).requires_grad_()
    second = first.detach().flip(-1).requires_grad_()
    assert FlipConsistencyLoss()(first, second) == 0
    assert FlipConsistencyLoss()(first, first.flip(-2)) > 0
    FlipConsistencyLoss()(first, second + 1).backward()
    assert first.grad.abs().min() > 0
    assert second.grad.abs().min() > 0


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match='loss_weight'):
        MODELS.build(dict(type='FlipConsistencyLoss', loss_weight=-1.0))
