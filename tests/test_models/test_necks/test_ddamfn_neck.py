import pytest
import torch

from mmfer.models.necks import DDAMFNNeck


def test_shapes_and_what_the_last_item_is():
    neck = DDAMFNNeck(in_channels=16, feature_size=5, num_heads=3)
    x = torch.randn(4, 16, 5, 5)
    attention, feature = neck((torch.randn(4, 8, 9, 9), x))
    assert attention.shape == (4, 3, 16, 5, 5)
    assert feature.shape == (4, 16)
    (attention.square().sum() + feature.square().sum()).backward()
    assert all(p.grad is not None for p in neck.parameters())
    neck.eval()
    attention, feature = neck((x,))
    seen = (x * torch.maximum(torch.maximum(attention[:, 0], attention[:, 1]), attention[:, 2])).flatten(2)
    by_hand = (seen * neck.linear.conv.weight.flatten(1)).sum(2)
    mean, var = neck.linear.bn.running_mean, neck.linear.bn.running_var
    torch.testing.assert_close(feature, (by_hand - mean) / (var + neck.linear.bn.eps).sqrt(), rtol=1e-4, atol=1e-5)


def test_maps_of_another_size():
    neck = DDAMFNNeck(in_channels=16)
    with pytest.raises(ValueError, match='built for maps of 7x7, got 14x14: resize the images'):
        neck((torch.randn(2, 16, 14, 14),))


def test_one_image_trains_where_several_do():
    """Each channel has one value an image behind the linear layer, whose statistics a batch of one has not."""
    neck = DDAMFNNeck(in_channels=16, feature_size=3).train()
    attention, feature = neck((torch.randn(1, 16, 3, 3),))
    assert attention.isfinite().all()
    assert feature.isfinite().all()


def test_wrong_number_of_heads():
    with pytest.raises(ValueError, match='num_heads=0'):
        DDAMFNNeck(num_heads=0)
