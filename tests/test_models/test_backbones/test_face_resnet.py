import pytest
import torch
from mmpretrain.models import ResNet, ResNet_CIFAR

from mmfer.models import FaceResNet
from mmfer.registry import MODELS


def test_torchvisions_names_and_outputs():
    from torchvision.models import resnet50

    other = resnet50(weights=None).eval()
    net = FaceResNet(50)
    missing, unexpected = net.load_state_dict(other.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ['fc.weight', 'fc.bias'])
    net.eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        features = net(x)[-1].mean((2, 3))
        torch.testing.assert_close(other.fc(features), other(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(('layout', 'side'), [('torchvision', 2), ('vggface2', 2), ('small', 8)])
def test_layouts(layout, side):
    net = FaceResNet(18, width=8, layout=layout)
    (out,) = net(torch.randn(2, 3, 64, 64))
    assert out.shape == (2, 64, side, side)
    out.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_same_as_mmpretrains():
    pairs = [
        (FaceResNet(18, width=8), ResNet(18, stem_channels=8, base_channels=8)),
        (FaceResNet(18, width=8, layout='small'), ResNet_CIFAR(18, stem_channels=8, base_channels=8)),
    ]
    for net, other in pairs:
        net.load_state_dict(other.state_dict())
        x = torch.randn(2, 3, 32, 32)
        assert torch.equal(net(x)[0], other(x)[0])


def test_pooling_of_vggface2_is_rounded_up():
    net = FaceResNet(50, width=8, layout='vggface2')
    assert net.maxpool(torch.zeros(1, 1, 112, 112)).shape[2:] == (56, 56)
    assert net.layer2[0].conv1.stride == (2, 2)
    assert FaceResNet(50, width=8).layer2[0].conv2.stride == (2, 2)


def test_built_on_the_meta_device():
    with torch.device('meta'):
        net = FaceResNet(50)
        assert net(torch.randn(2, 3, 224, 224))[0].shape == (2, 2048, 7, 7)
    assert {p.device.type for p in net.parameters()} == {'meta'}


def test_random_weights_are_initialised_as_mmpretrains():
    net = FaceResNet(18, width=8)
    net.init_weights()
    assert not net.layer1[0].bn2.weight.any()
    assert (net.bn1.weight == 1).all()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="layout='caffe'"):
        MODELS.build(dict(type='FaceResNet', layout='caffe'))
    with pytest.raises(KeyError, match='depth 19'):
        FaceResNet(19)
