import json

import golden
import pytest
import torch
from mmengine.registry import DefaultScope
from safetensors.torch import save_file
from torch import nn

from mmfer.apis import load_config
from mmfer.models.backbones import FaceResNet, IRNet, MixedFeatureNet, MobileFaceNet, TwoStreamBackbone
from mmfer.models.heads import LinearHead, VICHead
from mmfer.models.necks import PyramidFusionNeck
from mmfer.models.released.weights import check_pretrained_file, fill, load_pretrained, read_released
from mmfer.registry import MODELS
from mmfer.utils.checkpoint_reader import CheckpointError

IR50 = json.loads((golden.GOLDEN / 'ir50_released_keys.json').read_text())


class Script:  # stands for a class of a training script
    best = 1


def model(kind, num_classes=7):
    switch = kind == 'poster_var'
    net = nn.Module()
    with torch.device('meta'):  # initial values take time and do not matter
        net.backbone = TwoStreamBackbone(IRNet(), MobileFaceNet(), norm_eval=True)
        net.neck = PyramidFusionNeck(nonlinear=switch, layer_embed=switch, token_norm=switch)
        net.head = (VICHead if switch else LinearHead)(num_classes, 768)
    return net.to_empty(device='cpu')


def build(cls, **kwargs):
    with torch.device('meta'):
        net = cls(**kwargs)
    return net.to_empty(device='cpu')


def values(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def tiny_ir_net():
    return IRNet(channels=(4, 8, 12), num_blocks=(1, 2, 1))


@pytest.mark.parametrize('kind', ['poster_var', 'poster_pp'])
def test_whole_models_round_trip(tmp_path, kind):
    released = golden.constants(golden.manifest(f'{kind}_7')['entries'])
    wrapped = {'state_dict': {f'module.{n}': t for n, t in released.items()}, 'recorder': Script(), 'epoch': 3}
    torch.save(wrapped, tmp_path / 'best.pth')
    state, found, dropped = read_released(tmp_path / 'best.pth')
    assert found == kind
    net = model(kind)
    report = fill(net, state)
    assert (report.tensors, report.dropped) == (len(net.state_dict()), [])
    assert report.parameters == sum(p.numel() for p in net.parameters())
    assert len(released) == len(dropped) + report.tensors
    # every tensor of the model has the values of one released tensor, and none of them twice
    own = net.state_dict()
    weights = [tensor for tensor in own.values() if tensor.is_floating_point()]
    assert all((tensor == tensor.flatten()[0]).all() for tensor in weights)
    assert len({float(tensor.flatten()[0]) for tensor in weights}) == len(weights)
    assert torch.equal(own['neck.encoder.pos_embed'], released['VIT.pos_embed'])
    assert torch.equal(own['neck.landmark_projections.2.bias'], released['last_face_conv.bias'])
    assert torch.equal(own['neck.gate.fc2.weight'], released['VIT.se_block.linear2.weight'])

    with pytest.raises(CheckpointError, match=r'for 7 classes, the config for 8: set model\.head\.num_classes'):
        fill(model(kind, 8), state)
    other = model('poster_pp' if kind == 'poster_var' else 'poster_var')
    with pytest.raises(CheckpointError, match='Take the config that the weights were made with') as error:
        fill(other, state)
    assert ('head.fc.weight (7, 768)' if kind == 'poster_var' else 'neck.token_norm.bias (768,)') in str(error.value)


def test_fill_is_all_or_nothing():
    net = tiny_ir_net()
    state = {n: torch.randn(t.shape) for n, t in net.state_dict().items()}
    before = values(net)
    bad = {
        'missing': {n: t for n, t in state.items() if n != 'stages.2.0.residual.4.running_mean'},
        'shape': state | {'stem.0.weight': torch.zeros(4, 3, 5, 5)},
        'nan': state | {'stem.1.bias': torch.tensor([1.0, 2.0, float('nan'), 4.0])},
        'integers': state | {'stem.1.bias': torch.ones(4, dtype=torch.int64)},
        'deeper': state | {'stages.0.1.residual.0.weight': torch.ones(4)},
        'foreign': state | {'decoder.weight': torch.ones(4)},
    }
    says = {
        'missing': r'1 entries of the model are not in the file:\n    stages\.2\.0\.residual\.4\.running_mean \(12,\)',
        'shape': r'stem\.0\.weight: file \(4, 3, 5, 5\), config \(4, 3, 3, 3\)',
        'nan': r'stem\.1\.bias \(torch.float32\)\nThe file is damaged',
        'integers': r'stem\.1\.bias \(torch.int64\)',
        'deeper': r'stages\.0\.1\.residual\.0\.weight \(4,\)',
        'foreign': r'1 tensors of the file have no place in the model:\n    decoder\.weight',
    }
    for name, damaged in bad.items():
        with pytest.raises(CheckpointError, match=says[name]):
            fill(net, damaged, 'x.pth')
        assert all(torch.equal(t, before[n]) for n, t in net.state_dict().items()), name
    with pytest.raises(CheckpointError, match='25 more'):
        fill(net, {'stem.0.weight': state['stem.0.weight'], **{f'x{i}': torch.ones(1) for i in range(35)}}, 'x.pth')


def test_fill_leaves_out_counters_and_whole_parts_and_converts_types():
    net = tiny_ir_net()
    state = {n: torch.randn(t.shape).bfloat16() for n, t in net.state_dict().items() if 'num_batches' not in n}
    state['stages.3.0.residual.0.weight'] = torch.ones(3)
    report = fill(net, state)
    assert report.dropped == ['stages.3.0.residual.0.weight']
    assert torch.equal(net.stem[0].weight, state['stem.0.weight'].float())
    assert net.stem[0].weight.requires_grad


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_pretrained_parts(tmp_path, suffix):
    prefix = 'face_landback.'
    entries = [(n, shape) for n, shape in golden.manifest('poster_pp_7')['entries'] if n.startswith(prefix)]
    files = {
        'IRNet': golden.constants(IR50.items()),
        'MobileFaceNet': golden.constants([(n[len(prefix) :], shape) for n, shape in entries]),
    }
    nets = {'IRNet': build(IRNet), 'MobileFaceNet': build(MobileFaceNet)}
    for part, released in files.items():
        path = tmp_path / f'{part}{suffix}'
        if suffix == '.pth':
            torch.save({'state_dict': {f'module.{n}': t for n, t in released.items()}}, path)
        else:
            save_file({name: tensor.contiguous() for name, tensor in released.items()}, path)
        report = load_pretrained(nets[part], path)
        assert report.tensors == len(nets[part].state_dict())
        assert report.dropped
        assert all('output_layer' in n or 'landmark_head' in n for n in report.dropped)
    assert torch.equal(nets['IRNet'].stages[2][13].residual[3].weight, files['IRNet']['body3.13.res_layer.3.weight'])
    own = nets['MobileFaceNet'].state_dict()
    assert torch.equal(own['stages.2.0.project.bn.bias'], files['MobileFaceNet']['conv_45.project.bn.bias'])
    assert torch.equal(own['stem.0.act.weight'], files['MobileFaceNet']['conv1.prelu.weight'])

    with_points = build(MobileFaceNet, with_landmarks=True)
    assert load_pretrained(with_points, tmp_path / f'MobileFaceNet{suffix}').dropped == []
    assert load_pretrained(build(MobileFaceNet, out_indices=(0, 1)), tmp_path / f'MobileFaceNet{suffix}').dropped

    # a file with mmfer's names, and one of the other network
    torch.save(nets['IRNet'].state_dict(), tmp_path / 'own.pth')
    again = build(IRNet)
    load_pretrained(again, tmp_path / 'own.pth')
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), nets['IRNet'].state_dict().values()))
    for path in (tmp_path / f'IRNet{suffix}', tmp_path / 'own.pth'):
        with pytest.raises(CheckpointError, match='holds IRNet, not MobileFaceNet'):
            load_pretrained(build(MobileFaceNet), path)
    with pytest.raises(CheckpointError, match='holds MobileFaceNet, not IRNet'):
        load_pretrained(build(IRNet), tmp_path / f'MobileFaceNet{suffix}')
    with pytest.raises(CheckpointError, match='no place in the model'):  # deeper than the config
        load_pretrained(build(IRNet, depth=18), tmp_path / 'own.pth')


def test_missing_pretrained_files(tmp_path):
    for net, name, stream in (
        (IRNet(), 'ir50.pth', 'image'),
        (MobileFaceNet(), 'mobilefacenet_model_best.pth.tar', 'landmark'),
    ):
        path = tmp_path / 'not_there.pth'
        for look in (load_pretrained, check_pretrained_file):
            with pytest.raises(FileNotFoundError, match='https://github.com/') as error:
                look(net, path)
            text = str(error.value)
            assert str(path) in text
            assert name in text
            assert f'--cfg-options model.backbone.{stream}.init_cfg=None' in text
    with pytest.raises(FileNotFoundError, match='weights of Linear are missing'):
        check_pretrained_file(nn.Linear(1, 1), path)
    path.touch()
    check_pretrained_file(IRNet(), path)
    with pytest.raises(CheckpointError, match='is empty'):
        load_pretrained(IRNet(), path)


@pytest.mark.parametrize('folder', ['poster_var', 'poster'])
def test_streams_that_a_config_leaves_random_take_files_by_options(tmp_path, folder):
    """As the header of the config says it."""
    path = golden.GOLDEN.parents[2] / f'configs/{folder}/fer2013.py'
    torch.save(golden.constants(IR50.items()), tmp_path / 'ir50.pth')
    where = 'model.backbone.image.init_cfg'
    text = ' '.join(path.read_text().split('"""')[1].split())
    assert f'--cfg-options {where}.type=Pretrained {where}.checkpoint=FILE' in text
    options = {f'{where}.type': 'Pretrained', f'{where}.checkpoint': str(tmp_path / 'ir50.pth')}
    config = load_config(path, {**options, 'param_scheduler.0.eta_max': 9e-6})
    assert config.param_scheduler[0].eta_max == 9e-6
    with DefaultScope.overwrite_default_scope('mmfer'):
        net = MODELS.build(config.model.backbone.image)
        other = MODELS.build(load_config(path).model.backbone.image)
    net.init_weights()
    assert torch.equal(net.stem[0].weight, golden.constants(IR50.items())['input_layer.0.weight'])
    before = values(other)
    other.init_weights()
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


@pytest.mark.parametrize(
    ('net', 'file'), [(FaceResNet(18, width=8), 'resnet18_msceleb.pth'), (MixedFeatureNet(0.125, (0, 0, 0)), 'MFN_')]
)
def test_missing_files_of_whole_backbones(tmp_path, net, file):
    with pytest.raises(FileNotFoundError, match='https://github.com/') as error:
        check_pretrained_file(net, tmp_path / 'no.pth')
    assert file in str(error.value)
    assert '--cfg-options model.backbone.init_cfg=None' in str(error.value)
