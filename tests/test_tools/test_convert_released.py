import hashlib
import json
import os
from functools import partial

import golden
import pytest
import torch
from safetensors import safe_open

TOOL = 'tools/model_converters/convert_released.py'
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


class Hostile:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.open, (self.path, os.O_CREAT)


def config(folder, kind='poster_var', k=7):
    path = folder / f'{kind}_{k}.py'
    path.write_text(CONFIG.format(**PARTS[kind], k=k))
    return path


@pytest.fixture
def run(call_tool):
    """Runs the tool in this process; returns its exit code, output and errors."""
    return partial(call_tool, TOOL)


def test_a_beginning_alone(tmp_path, run):
    (tmp_path / 'cut.pth').write_bytes(b'PK\x03\x04')
    code, _, err = run(tmp_path / 'cut.pth', tmp_path / 'out.pth', '--config', config(tmp_path))
    assert code == 1
    assert 'cut.pth cannot be read: it begins like a checkpoint' in err
    assert not (tmp_path / 'out.pth').exists()


def test_code_is_refused_and_not_run(tmp_path, run):
    touched = tmp_path / 'touched'
    content = {'model': golden.constants(golden.manifest('poster_var_7')['entries']), 'more': Hostile(touched)}
    torch.save(content, tmp_path / 'hostile.pth')
    code, _, err = run(tmp_path / 'hostile.pth', tmp_path / 'out.pth', '--config', config(tmp_path))
    assert code == 1
    assert 'hostile.pth cannot be read: it carries code' in err
    assert not touched.exists()
    assert not (tmp_path / 'out.pth').exists()


@pytest.mark.parametrize('kind', ['poster_var', 'poster_pp'])
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
    torch.save({'model': {n: t for n, t in released.items() if n != 'conv2.bias'}}, bad)
    assert 'neck.image_projections.1.bias (128,)' in fails(bad, target, '--config', seven)
    torch.save({'model': released | {'conv2.bias': torch.zeros(127)}}, bad)
    message = fails(bad, target, '--config', seven)
    assert 'neck.image_projections.1.bias: file (127,), config (128,)' in message
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
