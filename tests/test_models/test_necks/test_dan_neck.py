import pytest
import torch

from mmfer.models.necks.dan_neck import DANNeck, SpatialAttention


def test_shapes_and_what_the_last_item_is():
    neck = DANNeck(in_channels=16, num_heads=3)
    x = torch.randn(4, 16, 5, 6)
    maps, heads, fused = neck((torch.randn(4, 8, 9, 9), x))
    assert maps is x
    assert heads.shape == (4, 3, 16)
    torch.testing.assert_close(heads.exp().sum(1), torch.ones(4, 16))
    torch.testing.assert_close(fused, heads.sum(1))
    sum(item.square().sum() for item in (heads, fused)).backward()
    assert all(p.grad is not None for p in neck.parameters())


def test_one_head_is_not_compared_with_itself():
    neck = DANNeck(in_channels=16, num_heads=1).eval()
    x = torch.randn(2, 16, 3, 3)
    _, heads, fused = neck((x,))
    torch.testing.assert_close(fused, neck.heads[0](x))
    assert heads.shape == (2, 1, 16)


def test_spatial_attention_keeps_the_size_of_maps_that_are_not_square():
    x = torch.randn(2, 8, 4, 7)
    out = SpatialAttention(8).eval()(x)
    assert out.shape == x.shape
    weights = out / x
    torch.testing.assert_close(weights, weights[:, :1].expand_as(weights), rtol=1e-3, atol=1e-4)


def test_a_last_batch_of_one_image_trains():
    neck = DANNeck(in_channels=16, num_heads=2).train()
    assert neck((torch.randn(1, 16, 3, 3),))[-1].isfinite().all()


def test_wrong_number_of_heads():
    with pytest.raises(ValueError, match='num_heads=0'):
        DANNeck(num_heads=0)
