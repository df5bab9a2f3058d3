import golden
import pytest
import torch
from mmpretrain.models import ImageClassifier

from mmfer.models import DANHead, DANNeck, FaceResNet, IRNet, MixedFeatureNet, MobileFaceNet
from mmfer.utils.checkpoint_reader import CheckpointError


def meta(cls, path, **kwargs):
    """A network without values, as initial ones take time, that takes its weights from a file."""
    with torch.device('meta'):
        net = cls(**kwargs, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    return net.to_empty(device='cpu')


def check(net, released, name, old):
    net.init_weights()
    assert torch.equal(net.state_dict()[name], released[old])


@pytest.mark.parametrize(
    ('arch', 'depth', 'layout'), [('dan_7', 18, 'torchvision'), ('scn_7', 18, 'torchvision'), ('eac_7', 50, 'vggface2')]
)
def test_resnets_out_of_whole_models(tmp_path, arch, depth, layout):
    released = golden.constants(golden.manifest(arch)['entries'])
    torch.save({'model_state_dict': {f'module.{name}': t for name, t in released.items()}}, tmp_path / 'model.pth')
    net = meta(FaceResNet, tmp_path / 'model.pth', depth=depth, layout=layout)
    check(net, released, 'layer3.1.bn2.running_var', 'features.6.1.bn2.running_var')
    assert torch.equal(net.conv1.weight, released['features.0.weight'])


def test_torchvisions_names(tmp_path):
    source = FaceResNet(18, width=8).state_dict()
    torch.save({'state_dict': {**source, 'fc.weight': torch.ones(9, 64)}, 'epoch': 3}, tmp_path / 'r18.pth')
    net = meta(FaceResNet, tmp_path / 'r18.pth', depth=18, width=8)
    net.init_weights()
    assert all(torch.equal(tensor, source[name]) for name, tensor in net.state_dict().items())
    with pytest.raises(CheckpointError, match=r'conv1\.weight: file \(8, 3, 7, 7\), config \(8, 3, 3, 3\)'):
        meta(FaceResNet, tmp_path / 'r18.pth', depth=18, width=8, layout='small').init_weights()


@pytest.mark.parametrize('whole', [True, False])
def test_mixed_feature_net(tmp_path, whole):
    released = golden.constants(golden.manifest('ddamfn_7')['entries'])
    old = 'features.7.model.2.CA.conv3.weight'
    if not whole:
        parts = ('conv1', 'conv2_dw', 'conv_23', 'conv_3', 'conv_34', 'conv_4', 'conv_45', 'conv_5', 'conv_6_sep')
        split = {name: name.split('.', 2) for name in released if name.startswith('features.')}
        released = {f'{parts[int(i)]}.{rest}': released[name] for name, (_, i, rest) in split.items()}
        released.update({'conv_6_dw.conv.weight': torch.ones(512, 1, 7, 7), 'linear.weight': torch.ones(256, 512)})
        old = 'conv_5.model.2.CA.conv3.weight'
    torch.save(released, tmp_path / 'mfn.pth')
    check(meta(MixedFeatureNet, tmp_path / 'mfn.pth'), released, 'stages.2.3.attention.column_weights.weight', old)


@pytest.mark.parametrize(
    ('backbone', 'options'),
    [
        (FaceResNet, dict(depth=18, width=8)),
        (IRNet, dict(channels=(4, 8), num_blocks=(1, 2), out_indices=(1,))),
        (MobileFaceNet, dict(width=0.125, num_blocks=(1, 1, 1))),
        (MixedFeatureNet, dict(width=0.125, num_blocks=(1, 1, 1))),
    ],
)
def test_a_model_that_mmfer_trained(tmp_path, backbone, options):
    model = ImageClassifier(backbone(**options), DANNeck(64, 2), DANHead(7, 64))
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, tmp_path / 'epoch_3.pth')
    net = meta(backbone, tmp_path / 'epoch_3.pth', **options)
    net.init_weights()
    state = model.backbone.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def test_own_names(tmp_path):
    options = dict(width=0.125, num_blocks=(1, 1, 1))
    source = MixedFeatureNet(**options).state_dict()
    torch.save(source, tmp_path / 'own.pth')
    net = meta(MixedFeatureNet, tmp_path / 'own.pth', **options)
    net.init_weights()
    assert all(torch.equal(tensor, source[name]) for name, tensor in net.state_dict().items())


def test_files_that_are_missing_or_of_another_network(tmp_path):
    path = tmp_path / 'x.pth'
    net = meta(MixedFeatureNet, path, width=0.125, num_blocks=(1, 1, 1))
    with pytest.raises(FileNotFoundError, match=r'weights of MixedFeatureNet are missing: .*x\.pth'):
        net.init_weights()
    torch.save(FaceResNet(18, width=8).state_dict(), path)
    with pytest.raises(CheckpointError, match='does not fit MixedFeatureNet; nothing was loaded'):
        net.init_weights()
