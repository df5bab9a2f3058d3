import hashlib
import json
import os
import pickle
import re
from functools import partial

import golden
import pytest
import torch
from safetensors import safe_open

from mmfer.models import FaceResNet, IRNet

TOOL = 'mmfer convert'
CONFIG = """
from mmpretrain.models import ClsDataPreprocessor, ImageClassifier
from mmfer.datasets import RAFDB
from mmfer.models import IRNet, LinearHead, MobileFaceNet, PyramidFusionNeck, TwoStreamBackbone, VICHead

missing = dict(type='Pretrained', checkpoint='no.pth')
model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=ClsDataPreprocessor),
    backbone=dict(
        type=TwoStreamBackbone,
        norm_eval=False,
        image=dict(type=IRNet, init_cfg=missing),
        landmark=dict(type=MobileFaceNet, init_cfg=missing),
    ),
    neck=dict(type=PyramidFusionNeck{neck}),
    head=dict(type={head}, num_classes={k}, in_channels=768),
)
train_dataloader = dict(dataset=dict(type=RAFDB, data_root='no'))
"""
PARTS = {
    'poster_var': dict(neck='', head='VICHead'),
    'poster_pp': dict(neck=', nonlinear=False, layer_embed=False, token_norm=False', head='LinearHead'),
}


class RecorderMeter:
    pass


def config(folder, kind='poster_var', k=7):
    path = folder / f'{kind}_{k}.py'
    path.write_text(CONFIG.format(**PARTS[kind], k=k))
    return path


@pytest.fixture
def run(call_tool):
    """Runs the tool in this process; returns its exit code, output and errors."""
    return partial(call_tool, TOOL)


@pytest.mark.parametrize('kind', ['poster_var', pytest.param('poster_pp', marks=pytest.mark.slow)])
def test_whole_models(tmp_path, run, kind):
    released = golden.constants(golden.manifest(f'{kind}_7')['entries'])
    content = {'model': {f'module.{n}': t for n, t in released.items()}}
    content.update(recorder=RecorderMeter())
    torch.save(content, tmp_path / 'best.pth')
    target = tmp_path / 'new' / 'converted.pth'
    code, out, err = run(tmp_path / 'best.pth', target, '--config', config(tmp_path, kind))
    assert code == 0, err
    assert 'POSTER' in out
    assert '12 face_landback.output_layer' in out
    assert 'classes, by the config: surprise, fear' in out
    assert os.listdir(target.parent) == ['converted.pth']
    made = torch.load(target, weights_only=True)
    meta = made['meta']
    assert (meta['kind'], meta['source'], meta['config']) == (kind, 'best.pth', f'{kind}_7.py')
    assert meta['sha256'] == hashlib.sha256((tmp_path / 'best.pth').read_bytes()).hexdigest()
    assert meta['dataset_meta']['classes'][0] == 'surprise'
    state = made['state_dict']
    assert torch.equal(state['neck.encoder.pos_embed'], released['VIT.pos_embed'])
    assert torch.equal(state['backbone.landmark.expand.act.weight'], released['face_landback.conv_6_sep.prelu.weight'])

    # what it wrote is a checkpoint of the config's model, and is converted into itself
    code, out, err = run(target, tmp_path / 'again.safetensors', '--config', config(tmp_path, kind))
    assert code == 0, err
    with safe_open(tmp_path / 'again.safetensors', 'pt') as file:
        assert file.metadata()['kind'] == 'mmfer'
        assert file.metadata()['dataset_meta'].startswith('surprise,')
        assert set(file.keys()) == set(state)
        assert all(torch.equal(file.get_tensor(n), t) for n, t in state.items())


@pytest.mark.parametrize('whole', [True, False], ids=['model', 'backbone'])
@pytest.mark.parametrize('part', ['image', 'landmark'])
def test_streams(tmp_path, run, part, whole):
    if part == 'image':
        entries = list(json.loads((golden.GOLDEN / 'ir50_released_keys.json').read_text()).items())
        old, new, cls = 'input_layer.0.weight', 'stem.0.weight', 'IRNet'
    else:
        prefix = 'face_landback.'
        entries = golden.manifest('poster_var_7')['entries']
        entries = [(n[len(prefix) :], s) for n, s in entries if n.startswith(prefix)]
        old, new, cls = 'conv1.conv.weight', 'stem.0.conv.weight', 'MobileFaceNet'
    released = golden.constants(entries)
    torch.save(released, tmp_path / 'part.pth', _use_new_zipfile_serialization=False)
    path = config(tmp_path)
    if not whole:
        path.write_text(f'model = dict(backbone=dict(type="{cls}"))')
    code, out, err = run(tmp_path / 'part.pth', tmp_path / 'out.pth', '--config', path)
    assert code == 0, err
    assert f'tensors of {cls}' in out
    made = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert torch.equal(made['state_dict'][new], released[old])


@pytest.mark.slow
def test_failures_write_nothing(tmp_path, run):
    def fails(*args):
        code, out, err = run(*args)
        assert (code, out) == (1, '')
        assert err.startswith('error: ')
        return err

    released = golden.constants(golden.manifest('poster_var_7')['entries'])
    good, bad, target = tmp_path / 'good.pth', tmp_path / 'bad.pth', tmp_path / 'out.pth'
    torch.save({'model': released}, good)
    seven = config(tmp_path)

    bad.write_bytes(good.read_bytes()[:100_000])
    assert 'bad.pth cannot be read: it begins like' in fails(bad, target, '--config', seven)
    message = fails(good, target, '--config', config(tmp_path, k=8))
    assert 'head.fc_mean.weight: file (7, 768), config (8, 768)' in message
    torch.save({'epoch': 3}, bad)
    assert 'bad.pth: no state dict found' in fails(bad, target, '--config', seven)
    assert 'none.pth' in fails(tmp_path / 'none.pth', target, '--config', seven)
    assert not target.exists()

    target.write_text('mine')
    assert 'out.pth exists. Choose another name, or replace it with --force' in fails(good, target, '--config', seven)
    assert 'is the source itself' in fails(good, good, '--config', seven, '--force')
    assert target.read_text() == 'mine'
    assert run(good, target, '--config', seven, '--force')[0] == 0
    assert 'state_dict' in torch.load(target, weights_only=True)
    assert not list(tmp_path.glob('.*'))


BACKBONE = """
from mmpretrain.models import GlobalAveragePooling, ImageClassifier
from mmfer.models import FaceResNet, FERDataPreprocessor, IRNet, LinearHead, MixedFeatureNet

model = dict(
    type=ImageClassifier,
    data_preprocessor=dict(type=FERDataPreprocessor),
    backbone=dict({}),
    neck=dict(type=GlobalAveragePooling),
    head=dict(type=LinearHead, num_classes=7, in_channels=512),
)
"""
IR = 'type=IRNet, depth={}, channels=(4, 6, 8, 10), out_indices=({},)'


def as_network(state):
    """A network, of modules without a class of their own, whose state dict this is."""
    net = torch.nn.Module()
    for name, tensor in state.items():
        *path, leaf = name.split('.')
        part = net
        for key in path:
            if key not in part._modules:
                part.add_module(key, torch.nn.Module())
            part = part._modules[key]
        if 'running' in leaf or 'num_batches' in leaf:
            part.register_buffer(leaf, tensor)
        else:
            part.register_parameter(leaf, torch.nn.Parameter(tensor))
    return net


def face_evolve(backbone):
    """An IR-Net of four stages by the names of face.evoLVe, which number its units in a row, with an output layer."""
    state, starts = {}, [sum(map(len, backbone.stages[:i])) for i in range(4)]
    for name, tensor in backbone.state_dict().items():
        match = re.match(r'stages\.(\d+)\.(\d+)\.(residual|shortcut)\.(.+)', name)
        if match:
            layer = 'res_layer' if match[3] == 'residual' else 'shortcut_layer'
            name = f'body.{starts[int(match[1])] + int(match[2])}.{layer}.{match[4]}'
        name = re.sub(r'^stem\.', 'input_layer.', name)
        state[name] = torch.randn(tensor.shape) if tensor.is_floating_point() else tensor
    return {**state, 'output_layer.3.weight': torch.ones(8, 10), 'output_layer.0.running_mean': torch.zeros(10)}


def convert_backbone(tmp_path, run, source, settings):
    (tmp_path / 'config.py').write_text(BACKBONE.format(settings))
    code, out, err = run(source, tmp_path / 'out.pth', '--config', tmp_path / 'config.py')
    assert code == 0, err
    return torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict'], out


@pytest.mark.parametrize('kind', ['msceleb', 'vggface2'])
def test_resnets_of_face_recognition(tmp_path, run, kind):
    depth, layout = (18, 'torchvision') if kind == 'msceleb' else (50, 'vggface2')
    net = FaceResNet(depth, width=8, layout=layout)
    state = {n: torch.randn(t.shape) if t.is_floating_point() else t for n, t in net.state_dict().items()}
    released = {**state, 'fc.weight': torch.ones(8631, 4), 'fc.bias': torch.ones(8631)}
    if kind == 'msceleb':
        torch.save({'state_dict': {f'module.{n}': t for n, t in released.items()}, 'epoch': 1}, tmp_path / 'released')
    else:  # a pickle of NumPy arrays, without counters
        arrays = {n: t.numpy() for n, t in released.items() if 'num_batches' not in n}
        (tmp_path / 'released').write_bytes(pickle.dumps(arrays, protocol=2))
    settings = f"type=FaceResNet, depth={depth}, width=8, layout='{layout}'"
    made, out = convert_backbone(tmp_path, run, tmp_path / 'released', settings)
    assert 'tensors of FaceResNet' in out
    assert 'dropped 2 tensors' in out
    assert made.keys() == state.keys()
    assert all(torch.equal(made[n], t) for n, t in state.items() if 'num_batches' not in n)
    if kind == 'vggface2':  # where the shapes are the same, and the strides are not
        (tmp_path / 'config.py').write_text(BACKBONE.format(settings.replace(kind, 'torchvision')))
        code, _, err = run(tmp_path / 'released', tmp_path / 'other.pth', '--config', tmp_path / 'config.py')
        assert code == 1
        assert "Set model.backbone.layout='vggface2'" in err


@pytest.mark.parametrize('depth', [50, 152])
def test_ir_nets_of_face_evolve(tmp_path, run, depth):
    net = IRNet(depth, channels=(4, 6, 8, 10), out_indices=(3,))
    last = sum(map(len, net.stages)) - 1
    released = face_evolve(net)
    torch.save(released, tmp_path / 'backbone_ir.pth')
    made, out = convert_backbone(tmp_path, run, tmp_path / 'backbone_ir.pth', IR.format(depth, 3))
    assert 'dropped 2 tensors' in out
    assert torch.equal(made['stages.3.2.residual.3.weight'], released[f'body.{last}.res_layer.3.weight'])
    made, out = convert_backbone(
        tmp_path, lambda *a: run(*a, '--force'), tmp_path / 'backbone_ir.pth', IR.format(depth, 2)
    )
    assert not any(
        name.startswith('stages.3') for name in made
    )  # the image stream of the POSTER family has no such stage


def test_a_whole_network_of_ddamfn(tmp_path, run):
    """MFN_msceleb.pth is a network that was pickled as a whole."""
    parts = ('conv1', 'conv2_dw', 'conv_23', 'conv_3', 'conv_34', 'conv_4', 'conv_45', 'conv_5', 'conv_6_sep')
    entries = [(n, s) for n, s in golden.manifest('ddamfn_7')['entries'] if n.startswith('features.')]
    released = {
        re.sub(r'features\.(\d)', lambda m: parts[int(m[1])], n): t for n, t in golden.constants(entries).items()
    }
    torch.save(as_network(released), tmp_path / 'MFN_msceleb.pth')
    made, out = convert_backbone(tmp_path, run, tmp_path / 'MFN_msceleb.pth', 'type=MixedFeatureNet')
    assert 'tensors of MixedFeatureNet' in out
    assert torch.equal(made['stem.0.conv.weight'], released['conv1.conv.weight'])


def test_scn_as_its_code_saves_it(tmp_path, run):
    released = golden.constants(golden.manifest('scn_7')['entries'])
    torch.save({'iter': 3, 'model_state_dict': {f'module.{n}': t for n, t in released.items()}}, tmp_path / 'scn.pth')
    code, out, err = run(tmp_path / 'scn.pth', tmp_path / 'out.pth', '--config', 'configs/scn/raf.py')
    assert code == 0, err
    assert 'SCN (the whole model)' in out
    made = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert torch.equal(made['state_dict']['head.alpha.weight'], released['alpha.0.weight'])
    assert made['meta']['dataset_meta']['classes'][0] == 'surprise'
