"""Pretrained weights of mmpretrain's backbones, as configs name them."""

import pytest
import torch
from mmengine.registry import DefaultScope

from mmfer.registry import MODELS
from mmfer.utils.checkpoint_reader import CheckpointError

NETS = dict(
    mobilenet=dict(type='MobileNetV3', arch='small_050'),
    resnet=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
    vit=dict(type='VisionTransformer', arch='deit-tiny', img_size=32, patch_size=16),
    swin=dict(
        type='SwinTransformer',
        arch=dict(embed_dims=8, depths=[1, 1], num_heads=[1, 2]),
        window_size=2,
        out_indices=(1,),
        img_size=32,
        stage_cfgs=dict(block_cfgs=dict(window_size=2)),
    ),
)


def build(name, **options):
    with DefaultScope.overwrite_default_scope('mmfer'):
        net = MODELS.build(dict(NETS[name], **options))
        net.init_weights()
    return net


@pytest.mark.parametrize('name', list(NETS))
@pytest.mark.parametrize('whole', [True, False], ids=['model', 'backbone'])
def test_files_of_mmpretrain(tmp_path, name, whole):
    class Message:  # MMEngine's files hold more than tensors
        pass

    source, path = build(name), str(tmp_path / 'net.pth')
    state = {key: torch.randn(tensor.shape) if tensor.is_floating_point() else tensor for key, tensor in
             source.state_dict().items()}  # fmt: skip
    content = {f'backbone.{key}': tensor for key, tensor in state.items()} if whole else state
    torch.save(dict(state_dict={**content, 'head.fc.weight': torch.ones(1000, 8)}, meta=dict(cfg='...')), path)
    net = build(name, init_cfg=dict(type='Pretrained', checkpoint=path))
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, state[key]), key


def test_code_in_the_file_is_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (tmp_path / 'touched').touch, ()

    path = tmp_path / 'net.pth'
    import pickle

    with open(path, 'wb') as file:
        pickle.dump(Hostile(), file)
    with pytest.raises(CheckpointError, match=r'net\.pth cannot be read'):
        build('mobilenet', init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    assert not (tmp_path / 'touched').exists()


def test_position_embeddings_of_another_grid_are_resized(tmp_path):
    torch.save(build('vit').state_dict(), tmp_path / 'net.pth')
    net = build('vit', img_size=48, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth')))
    assert net.pos_embed.shape == (1, 1 + 9, 192)
    assert net(torch.randn(1, 3, 48, 48))[-1].shape == (1, 192)


def test_what_does_not_fit_is_named(tmp_path):
    path = tmp_path / 'net.pth'
    init_cfg = dict(type='Pretrained', checkpoint=str(path))
    with pytest.raises(FileNotFoundError, match=r'MobileNetV3 are missing: .*net\.pth.*open-mmlab/mmpretrain'):
        build('mobilenet', init_cfg=init_cfg)
    state = build('mobilenet').state_dict()
    torch.save({key: tensor for key, tensor in state.items() if key != 'layer0.conv.weight'}, path)
    with pytest.raises(CheckpointError, match=r'lacks 1 of its tensors, such as layer0\.conv\.weight'):
        build('mobilenet', init_cfg=init_cfg)
    torch.save({**state, 'layer0.conv.weight': torch.zeros(8, 3, 5, 5)}, path)
    with pytest.raises(CheckpointError, match=r'(?s)net\.pth does not fit MobileNetV3: .*layer0\.conv\.weight'):
        build('mobilenet', init_cfg=init_cfg)
    with pytest.raises(CheckpointError, match='nothing that begins with encoder'):
        build('mobilenet', init_cfg=dict(init_cfg, prefix='encoder'))


@pytest.mark.parametrize(
    ('name', 'deeper'),
    [
        ('swin', dict(arch=dict(embed_dims=8, depths=[1, 3], num_heads=[1, 2]))),
        ('vit', dict(arch=dict(embed_dims=192, num_layers=13, num_heads=3, feedforward_channels=768))),
        ('resnet', dict(depth=34)),
    ],
)
def test_the_file_of_a_deeper_network_does_not_fit(tmp_path, name, deeper):
    torch.save(build(name, **deeper).state_dict(), tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match='is of a deeper network than'):
        build(name, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth')))


def test_a_head_does_not_take_its_classes_by_index(tmp_path):
    torch.save(dict(fc=torch.zeros(3)), tmp_path / 'net.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'net.pth'), prefix='head')
    head = MODELS.build(dict(type='mmfer.LinearHead', num_classes=3, in_channels=4, init_cfg=init_cfg))
    with DefaultScope.overwrite_default_scope('mmfer'), pytest.raises(ValueError, match=r'by index\. Use load_from='):
        head.init_weights()
