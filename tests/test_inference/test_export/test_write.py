import hashlib
import json
import sys
from functools import partial

import cv2
import exports
import golden
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from mmfer.apis import init_model, load_config
from mmfer.inference.export import agreement
from mmfer.inference.export import write as export
from mmfer.inference.export.write import export_onnx, export_program, export_weights
from mmfer.models import heads
from mmfer.registry import MODELS

HEADS = [name for name in heads.__all__ if name != 'BaseHead']
OPTIONS = dict(
    EACHead=dict(pooled=True),
    VICHead=dict(integrate=True),
    MCDropoutHead=dict(test_samples=10),
    **dict.fromkeys(('AMSoftmaxHead', 'ArcFaceHead', 'CosineHead'), dict(scale=5.0)),
)
NETWORKS = ['dan', 'ddamfn', 'poster', 'poster_pp', 'poster_var']
ROOT = golden.GOLDEN.parents[2]


def run_onnx(path, images):
    session = onnxruntime.InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {'images': images.numpy()})))


def some_images(batch, size=(32, 32)):
    return torch.randn(batch, 3, 1, 1) + torch.randn(batch, 3, *size)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize('calibrated', [False, True], ids=['plain', 'calibrated'])
@pytest.mark.parametrize('head', HEADS)
def test_every_head(head, calibrated, tmp_path):
    config = exports.config_of(head, **OPTIONS.get(head, {}))
    checkpoint = exports.write(config, tmp_path / 'a.pth', calibrated)
    report = export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    assert {row['batch'] for row in report.checks} == {1, 3, 16}
    assert max(max(row['differences'].values()) for row in report.checks) <= 1e-4
    images = some_images(5)
    expected, found = exports.answers(config, checkpoint, images), run_onnx(tmp_path / 'a.onnx', images)
    assert set(found) == set(expected) == set(report.outputs)
    assert {'probs', 'uncertainty'} <= set(found)
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=name)
    assert np.ptp(found['probs'], axis=0).max() > 1e-3, 'all images look the same to this network'
    assert files(tmp_path) == ['a.onnx', 'a.pth']


@pytest.mark.parametrize('method', NETWORKS)
def test_every_network(method, tmp_path):
    """As the configs for drawn faces have them, with weights that hide nothing."""
    config = load_config(ROOT / 'configs' / method / 'synth.py')
    checkpoint = exports.write(config, tmp_path / 'a.pth')
    report = export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    for batch in (1, 16):
        images = some_images(batch, report.description['input']['size'])
        found = run_onnx(tmp_path / 'a.onnx', images)
        for name, value in exports.answers(config, checkpoint, images).items():
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_poster_var_at_full_size(tmp_path):
    config = ROOT / 'configs/poster_var/raf.py'
    checkpoint = golden.converted('poster_var_7', config)
    report = export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    assert report.outputs == ('probs', 'mean', 'std', 'uncertainty', 'aleatoric', 'epistemic')
    assert [row['batch'] for row in report.checks] == [1, 3, 16] * 2
    assert max(max(row['differences'].values()) for row in report.checks) <= 1e-4
    recorded = np.load(golden.GOLDEN / 'poster_var_7.npz')  # of the authors' code
    found = run_onnx(tmp_path / 'a.onnx', golden.images(2))
    np.testing.assert_allclose(found['mean'], recorded['mu'], rtol=0, atol=1e-4)
    np.testing.assert_allclose(found['std'], np.exp(0.5 * recorded['logvar']), rtol=0, atol=1e-4)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Config and checkpoint of a calibrated model that abstains."""
    config = exports.config_of()
    path = tmp_path_factory.mktemp('model') / 'a.pth'
    return config, exports.write(config, path, calibrated=True, abstention=exports.ABSTENTION)


def test_weights_in_float16(model, tmp_path):
    config, checkpoint = model
    full = export_weights(checkpoint, tmp_path / 'full.safetensors')
    half = export_weights(checkpoint, tmp_path / 'half.safetensors', precision='float16')
    assert half.stat().st_size < 0.7 * full.stat().st_size
    assert {value.dtype for value in init_model(config, half).state_dict().values() if value.ndim} == {torch.float32}
    images = some_images(5)
    for name, value in exports.answers(config, full, images).items():
        np.testing.assert_allclose(exports.answers(config, half, images)[name], value, atol=2e-3, err_msg=name)

    content = torch.load(checkpoint, weights_only=True)
    content['state_dict']['backbone.conv.weight'] = torch.full((1, 1), 1e6)
    torch.save(content, tmp_path / 'large.pth')
    with pytest.raises(ValueError, match='backbone.conv.weight has values too large for float16. Export it as'):
        export_weights(tmp_path / 'large.pth', tmp_path / 'large.safetensors', precision='float16')
    with pytest.raises(ValueError, match="precision='half': float32, float16, int8"):
        export_weights(checkpoint, tmp_path / 'other.safetensors', precision='half')
    assert files(tmp_path) == ['full.safetensors', 'half.safetensors', 'large.pth']


def test_what_the_file_says(model, tmp_path):
    config, checkpoint = model
    report = export_onnx(config, checkpoint, tmp_path / 'a.onnx', opset=18)
    file = onnx.load(str(tmp_path / 'a.onnx'))
    assert file.opset_import[0].version == 18
    assert [i.name for i in file.graph.input] == ['images']
    shapes = [[d.dim_param or d.dim_value for d in i.type.tensor_type.shape.dim] for i in file.graph.input]
    assert shapes == [['batch', 3, 32, 32]]
    said = json.loads({entry.key: entry.value for entry in file.metadata_props}['mmfer'])
    assert said == report.description
    assert said['input'] == dict(
        name='images',
        size=[32, 32],
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        channel_order='RGB',
    )
    assert said['classes'] == list(exports.CLASSES)
    assert said['pipeline'] == [dict(type='ImageResize', size=[32, 32])]
    assert said['calibration']['weight'][0] == pytest.approx(0.5)
    assert said['abstention'] == dict(threshold=1.2, wanted='most', accuracy=None)
    assert said['outputs'] == ['probs', 'mean', 'std', 'uncertainty', 'aleatoric', 'epistemic']
    assert (said['config'], said['checkpoint']) == ('synth.py', 'a.pth')
    assert said['checkpoint_sha256'] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    content = (tmp_path / 'a.onnx').read_bytes()
    assert str(tmp_path).encode() not in content
    assert str(ROOT).encode() not in content, 'a path of this machine'
    text = str(report)
    assert 'takes float32 RGB images (B, 3, 32, 32)' in text
    assert 'abstains above 1.2000 nats' in text


def test_classes_may_be_given(tmp_path):
    config = exports.config_of()
    config.train_dataloader = config.val_dataloader = None
    pipeline = config.test_dataloader.dataset.pipeline
    config.test_dataloader.dataset = dict(type='FolderDataset', data_root='nowhere', pipeline=pipeline)
    checkpoint = exports.write(config, tmp_path / 'a.pth', classes=None)
    with pytest.raises(ValueError, match=r'neither .*a\.pth nor .*synth\.py names the classes: .*--classes'):
        export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    with pytest.raises(ValueError, match=r'2 names of classes \(a, b\) for a model of 7'):
        export_onnx(config, checkpoint, tmp_path / 'a.onnx', classes=['a', 'b'])
    with pytest.raises(ValueError, match='each class needs one name of its own'):
        export_onnx(config, checkpoint, tmp_path / 'a.onnx', classes=list('aacdefg'))
    assert files(tmp_path) == ['a.pth']
    report = export_onnx(config, checkpoint, tmp_path / 'a.onnx', classes=list('abcdefg'))
    assert report.description['classes'] == list('abcdefg')
    checkpoint = exports.write(config, tmp_path / 'a.pth', classes=list('abcdefg'))
    with pytest.raises(ValueError, match='has the classes in the order a b c d e f g. Leave out --classes'):
        export_onnx(config, checkpoint, tmp_path / 'a.onnx', classes=list('gfedcba'))


def test_images_of_a_folder(model, tmp_path):
    for i in range(2):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.random.default_rng(i).integers(0, 256, (40, 30, 3), np.uint8))
    (tmp_path / 'notes.txt').write_text('no image')
    report = export_onnx(*model, tmp_path / 'a.onnx', images=tmp_path)
    assert [(row['inputs'], row['batch']) for row in report.checks[-3:]] == [
        ('images of the folder', n) for n in (1, 3, 16)
    ]
    (tmp_path / 'none').mkdir()
    with pytest.raises(ValueError, match='none has no image that can be read'):
        export_onnx(*model, tmp_path / 'b.onnx', images=tmp_path / 'none')
    with pytest.raises(FileNotFoundError, match='no such folder of images'):
        export_onnx(*model, tmp_path / 'b.onnx', images=tmp_path / 'nowhere')


def test_a_file_that_differs_is_not_written(model, tmp_path, monkeypatch):
    write = export.write_onnx

    def write_another(exported, *arguments):
        exported.model.head.fc_mean.bias += 0.02
        write(exported, *arguments)

    old = tmp_path / 'old.onnx'
    old.write_bytes(b'what was there')
    monkeypatch.setattr(export, 'write_onnx', write_another)
    for path in (old, tmp_path / 'new.onnx'):
        with pytest.raises(
            ValueError, match=r'is not written: onnxruntime and PyTorch differ by 0\.02\d* in mean \(.*, batch of'
        ):
            export_onnx(*model, path)
    assert files(tmp_path) == ['old.onnx']
    assert old.read_bytes() == b'what was there'


@pytest.mark.parametrize('value', [1e-3, float('nan'), float('inf')])
def test_what_counts_as_a_difference(value):
    class Model(nn.Module):
        def extract_feat(self, images):
            return images.mean((2, 3))

        class head:
            pre_logits = staticmethod(lambda x: x)
            predictions = staticmethod(lambda x: dict(pred_score=x, large=2000 * torch.ones(len(x))))

    batches = [agreement.Batch('numbers', torch.zeros(2, 3, 4, 4))]
    found = dict(probs=np.zeros((2, 3)), large=np.full(2, 2000.1))
    compare = partial(agreement.compare, Model(), lambda batch: found, batches, 'a.onnx', 'it')
    (row,) = compare()
    assert row['differences'] == dict(probs=0, large=pytest.approx(5e-5))
    found['probs'][1, 2] = value
    with pytest.raises(ValueError, match=r'a\.onnx is not written: it and PyTorch differ by (0\.001|inf) in probs'):
        compare()
    found['probs'] = found['probs'][:1]
    with pytest.raises(ValueError, match=r'probs of a batch of 2 has shape \(1, 3\), not \(2, 3\)'):
        compare()


@MODELS.register_module()
class FixedBatch(nn.Module):
    """Pools in a way that makes a fixed number of the batch."""

    def forward(self, x):
        return (x[:, :1].expand(-1, 8, -1, -1).reshape(len(x), 8, -1).mean(-1),)


def test_a_network_for_one_size_of_the_batch(tmp_path):
    config = exports.config_of()
    config.model.backbone, config.model.neck = dict(type='FixedBatch'), None
    checkpoint = exports.write(config, tmp_path / 'a.pth')
    with pytest.raises(
        ValueError, match=r'probs of a batch of 1 has shape \(2, 7\), not \(1, 7\)\. .* not where len\(x\)'
    ):
        export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    with pytest.raises(ValueError, match=r'torch\.export cannot follow the model'):
        export_program(config, checkpoint, tmp_path / 'a.pt2')
    assert files(tmp_path) == ['a.pth']


def test_prelu_as_it_was(model, tmp_path):
    """The quicker form is the default, and gives the same."""
    images, found = some_images(3), {}
    for fast in (True, False):
        path = tmp_path / f'{fast}.onnx'
        export_onnx(*model, path, fast=fast)
        kinds = {node.op_type for node in onnx.load(str(path)).graph.node}
        assert ('PRelu' in kinds) != fast
        found[fast] = run_onnx(path, images)
    for name, value in found[True].items():
        np.testing.assert_allclose(value, found[False][name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('write', [export_onnx, export_program])
def test_checkpoints_and_places_that_do_not_fit(write, model, tmp_path, monkeypatch):
    config, checkpoint = model
    out = tmp_path / ('a.onnx' if write is export_onnx else 'a.pt2')
    with pytest.raises(FileNotFoundError, match=r'checkpoint not found: .*none\.pth'):
        write(config, tmp_path / 'none.pth', out)
    (tmp_path / 'bad.pth').write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r'bad\.pth cannot be read: .* it is truncated'):
        write(config, tmp_path / 'bad.pth', out)
    with pytest.raises(ValueError, match='head'):
        write(exports.config_of('LinearHead'), checkpoint, out)
    with pytest.raises(ValueError, match=rf'a\.xyz: name a file that ends in {out.suffix}'):
        write(config, checkpoint, tmp_path / 'a.xyz')
    with pytest.raises(ValueError, match='there is no folder'):
        write(config, checkpoint, tmp_path / 'none' / out.name)
    (tmp_path / 'folder' / out.name).mkdir(parents=True)
    with pytest.raises(ValueError, match='is a folder'):
        write(config, checkpoint, tmp_path / 'folder' / out.name)
    assert files(tmp_path) == ['bad.pth', 'folder']
    monkeypatch.setattr(export.os, 'access', lambda path, mode: False)
    with pytest.raises(ValueError, match='may not be written to'):
        write(config, checkpoint, out)


def test_what_onnx_needs(model, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match='opset=9: 17 to 20'):
        export_onnx(*model, tmp_path / 'a.onnx', opset=9)
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ImportError, match=r"by the package onnx.*pip install 'mmfer\[deploy\]'"):
        export_onnx(*model, tmp_path / 'a.onnx')


def test_a_program(model, tmp_path):
    config, checkpoint = model
    report = export_program(config, checkpoint, tmp_path / 'a.pt2')
    assert max(max(row['differences'].values()) for row in report.checks) <= 1e-4
    extra = {'mmfer.json': ''}
    program = torch.export.load(tmp_path / 'a.pt2', extra_files=extra).module()
    said = json.loads(extra['mmfer.json'])
    assert said == report.description
    images = some_images(4)
    found = dict(zip(said['outputs'], program(images)))
    for name, expected in exports.answers(config, checkpoint, images).items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5, err_msg=name)
    assert files(tmp_path) == ['a.pt2']


def test_a_program_that_differs_is_not_written(model, tmp_path, monkeypatch):
    save = torch.export.save

    def save_another(program, *arguments, **options):
        program.state_dict['model.head.fc_mean.bias'].data.add_(0.5)
        save(program, *arguments, **options)

    monkeypatch.setattr(torch.export, 'save', save_another)
    with pytest.raises(ValueError, match=r'a\.pt2 is not written: the program and PyTorch differ by'):
        export_program(*model, tmp_path / 'a.pt2')
    assert files(tmp_path) == []


def test_the_model_is_left_as_it_is(model):
    """Exporting works on a copy."""
    from mmfer.inference.export.export_model import ExportModel

    network = init_model(*model)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kinds = [type(module) for module in network.modules()]
    exported = ExportModel(network, (32, 32), fast=True)
    assert exported.replaced == 2
    assert [type(module) for module in network.modules()] == kinds
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
