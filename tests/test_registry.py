"""Every registered component and every config is built and run forward and backward, at a size fit for tests."""

import copy
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseDataPreprocessor, BaseTTAModel
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

import mmfer.models  # noqa: F401
from mmfer import registry
from mmfer.apis import config_classes, load_config
from mmfer.datasets import FERDataset
from mmfer.models import BaseHead
from mmfer.models.flops import input_size, shape_model
from mmfer.models.two_view_preprocessor import second_views
from mmfer.utils.nesting import leaves

ROOT = Path(__file__).resolve().parents[1]
DATA_CONFIGS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob('configs/_base_/datasets/*.py'))
CONFIGS = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob('configs/[!_]*/*.py'))
FIRST = {Path(path).parent: path for path in reversed(CONFIGS)}.values()  # of each method
EACH = [path if path in FIRST else pytest.param(path, marks=pytest.mark.slow) for path in CONFIGS]

LOSSES = ('BrierLoss', 'FocalLoss', 'LabelDistributionLoss', 'SoftCrossEntropyLoss')

OF_ONE_SIZE = {'SwinTransformer', 'RULHead'}  # take only images of the size of their pipeline

HEAD_OPTIONS = dict(EACHead=dict(pooled=True))  # behind a backbone that gives no maps

# One way to build each component, and inputs for it. A component without an entry fails the test below.
SMALL_PARTS = dict(
    CompactResNet=(dict(channels=(8, 16), num_blocks=(1, 1)), [(2, 3, 16, 16)]),
    IRNet=(dict(channels=(8, 16), num_blocks=(1, 1), out_indices=(0, 1)), [(2, 3, 16, 16)]),
    MobileFaceNet=(dict(width=0.125, num_blocks=(1, 1, 1)), [(2, 3, 32, 32)]),
    TwoStreamBackbone=(
        dict(
            image=dict(type='IRNet', channels=(8, 16, 16), num_blocks=(1, 1, 1)),
            landmark=dict(type='MobileFaceNet', width=0.125, num_blocks=(1, 1, 1)),
            norm_eval=False,
            input_size=32,
        ),
        [(2, 3, 32, 32)],
    ),
    PyramidFusionNeck=(
        dict(
            image_channels=(8, 16, 16),
            landmark_channels=(8, 16, 64),
            feature_sizes=(8, 4, 2),
            num_heads=(2, 2, 2),
            embed_dims=16,
        ),
        [[(2, 8, 8, 8), (2, 16, 4, 4), (2, 64, 2, 2), (2, 8, 16, 16), (2, 16, 8, 8), (2, 16, 4, 4)]],
    ),
    **dict.fromkeys(LOSSES, (dict(), [(2, 7), 'labels'])),
    FaceResNet=(dict(depth=18, width=8, layout='small'), [(2, 3, 16, 16)]),
    MixedFeatureNet=(dict(width=0.125, num_blocks=(1, 0, 1)), [(2, 3, 32, 32)]),
    DANNeck=(dict(in_channels=16, num_heads=2), [[(2, 16, 3, 3)]]),
    PosterPyramidNeck=(
        dict(
            image_channels=12,
            image_size=3,
            landmark_channels=16,
            feature_size=2,
            embed_dims=16,
            depth=2,
            num_heads=2,
        ),
        [[(2, 16, 2, 2), (2, 12, 3, 3)]],
    ),
    DDAMFNNeck=(dict(in_channels=16, feature_size=3), [[(2, 16, 3, 3)]]),
    AffinityLoss=(dict(num_classes=7, in_channels=16), [(2, 16), 'labels']),
    PartitionLoss=(dict(), [(2, 4, 16)]),
    AttentionLoss=(dict(), [(2, 2, 16, 3, 3)]),
    FlipConsistencyLoss=(dict(), [(2, 7, 4, 4), (2, 7, 4, 4)]),
    RankRegularisationLoss=(dict(), [(8,)]),
)


def own(name):
    """Classes that mmfer itself registers in the registry of this name."""
    getattr(registry, name).import_from_location()
    return {k: v for k, v in getattr(registry, name).module_dict.items() if v.__module__.startswith('mmfer.')}


CHECKED = ('MODELS', 'DATASETS', 'TRANSFORMS', 'DATA_SAMPLERS', 'METRICS', 'EVALUATORS', 'HOOKS')
BASE_OPTIONS = inspect.signature(FERDataset).parameters.values()


def required(cls):
    """Names of the arguments without a default value."""
    parameters = inspect.signature(cls).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD]


def make(shapes):
    tensors = []
    for shape in shapes:
        if shape == 'labels':  # soft ones
            tensors.append(torch.randn(2, 7).softmax(-1))
        else:
            tensors.append(make(shape) if isinstance(shape, list) else torch.randn(shape))
    return tensors


def total(out):
    return sum(map(total, out)) if isinstance(out, (tuple, list)) else out.square().sum()


NOT_TRAINED = (BaseDataPreprocessor, BaseTTAModel)
PARTS = sorted(name for name, cls in own('MODELS').items() if not issubclass(cls, NOT_TRAINED))


@pytest.mark.parametrize('name', PARTS)
def test_every_part_runs_forward_and_backward(name):
    cls = own('MODELS')[name]
    if issubclass(cls, BaseHead):
        part = registry.MODELS.build(dict(type=name, num_classes=7, in_channels=16, **HEAD_OPTIONS.get(name, {})))
        samples = [DataSample().set_gt_label(i) for i in (0, 6)]
        if name == 'EACHead':
            samples += second_views(samples)
        losses = part.loss((torch.randn(len(samples), 16),), samples)
        loss = sum(v for k, v in losses.items() if 'loss' in k)
        assert 'uncertainty' in part.predict((torch.randn(2, 16),))[0]
    else:
        assert name in SMALL_PARTS, f'{name}: add a small setting of it to SMALL_PARTS'
        settings, shapes = SMALL_PARTS[name]
        part = registry.MODELS.build(dict(type=name, **copy.deepcopy(settings)))
        loss = total(part(*make(shapes)))
    if any(p.requires_grad for p in part.parameters()):
        loss.backward()
    assert torch.isfinite(loss)
    assert [n for n, p in part.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('name', CHECKED)
def test_constructors_take_no_unnamed_arguments(name, tmp_path):
    (tmp_path / 'happy').mkdir()
    for cls in own(name).values():
        kinds = {p.kind for p in inspect.signature(cls).parameters.values()}
        if issubclass(cls, FERDataset):  # hands its **options on to the base class, which has none
            assert inspect.Parameter.VAR_KEYWORD not in {p.kind for p in BASE_OPTIONS}
            with pytest.raises(TypeError, match='no_such_option'):
                cls(**dict.fromkeys(required(cls), str(tmp_path)), no_such_option=1)
            continue
        assert inspect.Parameter.VAR_KEYWORD not in kinds, f'{cls.__name__} swallows typos'
        assert inspect.Parameter.VAR_POSITIONAL not in kinds, cls.__name__


def train_step(path, device):
    """The model of a config after a step forward and backward, its loss, and the batch."""
    config = load_config(ROOT / path)
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = shape_model(config).train() if device == 'meta' else registry.MODELS.build(config.model)
    size = getattr(model.backbone, 'input_size', 16 * getattr(model.neck, 'feature_size', 0) or 40)  # or any size
    if not OF_ONE_SIZE.isdisjoint({type(model.backbone).__name__, type(model.head).__name__}):
        size = input_size(config)[0]
    samples = [DataSample().set_gt_label(i) for i in (0, 3)]
    if getattr(model.head, 'uses_votes', False):
        for sample in samples:
            sample.set_field(torch.arange(model.head.num_classes), 'votes', dtype=torch.Tensor)
    batch = dict(inputs=list(torch.randint(0, 256, (2, 3, size, size), dtype=torch.uint8)), data_samples=samples)
    data = model.data_preprocessor(batch, training=True)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    unused = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert unused == []
    return model.eval(), loss, batch


@cache
def network(path):
    """A config's model but for its head, as text."""
    model = load_config(ROOT / path).model
    return str([(key, model[key]) for key in sorted(model) if key != 'head'])


@cache
def is_run(path):
    """Whether a config's model is run: of those of full size only the first of each network, whatever its head."""
    return 'synth' in path or path == next(other for other in CONFIGS if network(other) == network(path))


@pytest.mark.parametrize('path', EACH)
def test_every_config_runs_forward_and_backward(path):
    """Those that are not run go through all shapes, on a device that computes nothing."""
    model, loss, batch = train_step(path, 'cpu' if is_run(path) else 'meta')
    feats = model.extract_feat(model.data_preprocessor(batch)['inputs'])
    score = model.head.predictive(model.head.pre_logits(feats))['pred_score']
    assert score.shape == (2, len(config_classes(load_config(ROOT / path))))
    if is_run(path):
        assert torch.isfinite(loss)
        assert torch.allclose(score.sum(1), torch.ones(2), atol=1e-5)
        assert torch.equal(model.predict(**model.data_preprocessor(batch))[0].pred_score, score[0])


@pytest.mark.parametrize('path', CONFIGS)
def test_every_config_builds_its_pipelines_and_says_what_it_is(path):
    config = load_config(ROOT / path)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        for step in leaves(loader.dataset)[0].pipeline:
            registry.TRANSFORMS.build(step)
    lines = (ROOT / path).read_text().splitlines()
    assert len(lines) < 60
    head = '\n'.join(lines[:14])
    assert re.search(rf'mmfer (train|test) {re.escape(path[8:-3])}\b', head)
    assert 'Labels:' in head
    assert 'Expected' in head


@pytest.mark.parametrize('path', DATA_CONFIGS)
def test_every_data_config_stands_alone(path):
    """As mmfer test --data uses it."""
    config = load_config(ROOT / path)
    for name in ('train', 'val', 'test'):
        loader = config[f'{name}_dataloader']
        (dataset,) = leaves(loader.dataset)
        for step in dataset.pipeline:
            registry.TRANSFORMS.build(step)
        if 'split' in dataset:
            assert dataset.split in dataset.type.SPLITS
        assert dataset.get('test_mode', False) == (name != 'train')
    assert config_classes(config)
    evaluators = config.test_evaluator if isinstance(config.test_evaluator, list) else [config.test_evaluator]
    assert evaluators[0].type.__name__ == 'ExpressionMetric'


@pytest.mark.parametrize('path', FIRST)
def test_configs_are_dumped_and_reloaded(path, tmp_path):
    config = load_config(ROOT / path)
    config.dump(str(tmp_path / 'dumped.py'))
    again = load_config(tmp_path / 'dumped.py')
    assert again.to_dict() == config.to_dict()


def test_parts_of_mmpretrain_are_found_by_name():
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = registry.MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type='ResNet', depth=18),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='VICHead', num_classes=7, in_channels=512),
            )
        )
        reference = registry.MODELS.build(dict(type='LinearClsHead', num_classes=7, in_channels=512))
    samples = [DataSample().set_gt_label(1)] * 2
    assert torch.isfinite(model(torch.randn(2, 3, 32, 32), samples, mode='loss')['loss_ce'])
    assert torch.isfinite(reference.loss((torch.randn(2, 512),), samples)['loss'])
