import pytest
import torch

from mmfer.models import MobileFaceNet


def test_maps_and_points():
    net = MobileFaceNet(with_landmarks=True).eval()
    *maps, points = net(torch.randn(2, 3, 112, 112))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 28, 28), (128, 14, 14), (512, 7, 7)]
    assert points.shape == (2, 68, 2)


def test_only_what_is_used_exists():
    net = MobileFaceNet(out_indices=(0, 1))
    assert len(net.stages) == 2
    assert net.expand is None
    assert net.landmark_head is None


def test_width_scales_channels():
    maps = MobileFaceNet(width=0.25, num_blocks=(1, 1, 1))(torch.randn(1, 3, 48, 48))
    assert [m.shape[1] for m in maps] == [16, 32, 128]


def test_landmarks_need_their_size():
    with pytest.raises(ValueError, match='112x112'):
        MobileFaceNet(with_landmarks=True).eval()(torch.randn(1, 3, 224, 224))


@pytest.mark.parametrize(
    ('wrong', 'name'), [(dict(out_indices=(3,)), 'out_indices'), (dict(num_blocks=(1,)), 'num_blocks')]
)
def test_wrong_arguments_are_named(wrong, name):
    with pytest.raises(ValueError, match=name):
        MobileFaceNet(**wrong)
