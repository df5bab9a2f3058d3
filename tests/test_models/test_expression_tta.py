"""Test-time augmentation in the runner: of every head, and by MMEngine's own means."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.model import BaseTTAModel
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from small_runs import ROOT, shallow_config

from mmfer import registry
from mmfer.apis import build_runner, evaluate, init_model, load_config
from mmfer.evaluation import ExpressionMetric
from mmfer.models import BaseHead, ExpressionTTA
from mmfer.models.heads.calibration import Calibration
from mmfer.utils.errors import TrainingError
from mmfer.utils.views import VIEWS, make_views

OWN = {n: cls for n, cls in registry.MODELS.module_dict.items() if cls.__module__.startswith('mmfer.')}
REGISTERED = sorted(name for name, cls in OWN.items() if issubclass(cls, BaseHead))
EACH_VIEW = [dict(type='mmcv.RandomFlip', prob=1.0), dict(type='mmcv.RandomFlip', prob=0.0)]


def entropies(score):
    """Nats, image by image."""
    score = np.asarray(score, np.float64)
    return -(score * np.log(np.maximum(score, 1e-300))).sum(-1)


def model_of(**head):
    torch.manual_seed(0)
    backbone = dict(type='IRNet', channels=(8,), num_blocks=(1,), out_indices=(0,))
    neck, head = dict(type='GlobalAveragePooling'), dict(dict(num_classes=7, in_channels=8), **head)
    preprocessor = dict(type='FERDataPreprocessor')
    with DefaultScope.overwrite_default_scope('mmfer'):
        settings = dict(backbone=backbone, neck=neck, head=head, data_preprocessor=preprocessor)
        model = registry.MODELS.build(dict(type='ImageClassifier', **settings))
    if isinstance(getattr(model.head, 'fc', None), torch.nn.Linear):
        model.head.fc.weight.data.mul_(10)  # predictions that differ
    return model.eval()


def batch(num=3, side=20):
    images = torch.randint(0, 256, (num, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return dict(inputs=images, data_samples=[DataSample().set_gt_label(i) for i in range(num)])


def symmetric(images):
    return torch.where(torch.arange(images.shape[-1]) < images.shape[-1] // 2, images, images.flip(-1))


@torch.no_grad()
def check(model, views):
    """What the wrapper says against the head's predictions, view by view."""
    found = ExpressionTTA(model, views).test_step(batch())
    inputs = model.data_preprocessor(batch())['inputs']
    parts = [model.head.predictions(model.head.pre_logits(model.extract_feat(x))) for x in make_views(inputs, views)]
    score = torch.stack([part['pred_score'] for part in parts]).double().mean(0).numpy()
    aleatoric = np.mean([part.get('aleatoric', entropies(part['pred_score'])) for part in parts], 0)
    assert [int(sample.gt_label) for sample in found] == [0, 1, 2]
    for i, sample in enumerate(found):
        np.testing.assert_allclose(sample.pred_score, score[i], atol=1e-6)
        assert int(sample.pred_label) == score[i].argmax()
        assert sample.pred_label.shape == (1,)
        assert float(sample.uncertainty) == pytest.approx(entropies(score)[i], abs=2e-6)
        assert float(sample.aleatoric) == pytest.approx(aleatoric[i], abs=2e-6)
        assert float(sample.epistemic) == pytest.approx(entropies(score)[i] - aleatoric[i], abs=4e-6)
        assert set(parts[0]) <= set(sample.keys())
        assert all(sample.get(name).shape == value[i].shape for name, value in parts[0].items())
    return found


@pytest.mark.parametrize('views', VIEWS)
@pytest.mark.parametrize('name', REGISTERED)
def test_every_head(name, views):
    model = model_of(type=name, **(dict(pooled=True) if name == 'EACHead' else {}))
    check(model, views)
    model.head.calibration = Calibration(7)
    model.head.calibration.weight.fill_(2.0)
    calibrated = check(model, views)
    mirrored = batch()
    mirrored['inputs'] = mirrored['inputs'].flip(-1)
    for sample, other in zip(calibrated, ExpressionTTA(model, views).test_step(mirrored)):
        assert torch.allclose(sample.pred_score, other.pred_score, atol=1e-6)


def test_a_symmetric_face_leaves_nothing_epistemic():
    data = batch()
    data['inputs'] = symmetric(data['inputs'])
    model = model_of(type='LinearHead')
    for sample, plain in zip(ExpressionTTA(model, 'flip').test_step(data), model.test_step(data)):
        assert float(sample.epistemic) == pytest.approx(0, abs=1e-6)
        assert torch.allclose(sample.pred_score, plain.pred_score, atol=1e-6)
    assert all(float(sample.epistemic) > 1e-6 for sample in ExpressionTTA(model, 'flip').test_step(batch()))


def test_heads_of_mmpretrain():
    model = model_of(type='LinearClsHead')
    with torch.no_grad():
        inputs = model.data_preprocessor(batch())['inputs']
        score = (model(inputs).softmax(-1) + model(inputs.flip(-1)).softmax(-1)) / 2
    found = ExpressionTTA(model, 'flip').test_step(batch())
    np.testing.assert_allclose(torch.stack([sample.pred_score for sample in found]), score, atol=1e-6)
    np.testing.assert_allclose([float(sample.uncertainty) for sample in found], entropies(score), atol=1e-6)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tta')
    with pytest.warns(UserWarning, match='random weights'):
        model = init_model(shallow_config(folder))
    torch.nn.init.normal_(model.head.fc_mean.weight, std=30)
    torch.save(dict(state_dict=model.state_dict()), folder / 'model.pth')
    return folder / 'model.pth'


def augmented(work_dir, tta, workers=0, views=EACH_VIEW):
    config = shallow_config(work_dir)
    pipeline = config.test_dataloader.dataset.pipeline
    test_time_aug = dict(type='mmcv.TestTimeAug', transforms=[list(views), [pipeline[-1]]])
    config.test_dataloader.dataset.pipeline = [*pipeline[:-1], test_time_aug]
    config.test_dataloader.update(batch_size=5, num_workers=workers)
    config.custom_hooks = [dict(type='mmengine.PrepareTTAHook', tta_cfg=tta)] if tta else []
    return config


def figures_of(config, checkpoint):
    config.test_evaluator = [dict(type='ExpressionMetric'), dict(type='CalibrationMetric')]
    runner = build_runner(config, load_from=checkpoint)
    figures = runner.test()
    return figures, runner.test_evaluator.metrics[0].confusion_matrix


@pytest.mark.parametrize('workers', [0, 1])
@pytest.mark.parametrize('tta', ['mmpretrain.AverageClsScoreTTA', 'ExpressionTTA'])
def test_every_image_counts_once(tta, workers, checkpoint, tmp_path):
    figures, matrix = figures_of(augmented(tmp_path, dict(type=tta), workers), checkpoint)
    assert matrix.sum() == 14
    config = shallow_config(tmp_path)
    config.test_evaluator = [dict(type='ExpressionMetric'), dict(type='CalibrationMetric')]
    assert figures == pytest.approx(evaluate(config, checkpoint, work_dir=tmp_path, tta='flip'), abs=1e-4)
    plain = evaluate(config, checkpoint, work_dir=tmp_path)
    assert plain['nll'] != pytest.approx(figures['nll'], abs=1e-3)


def test_the_answer_is_that_of_the_merged_scores():
    """mmpretrain's TTA leaves pred_label as it is for the first view."""
    sample = dict(gt_label=torch.tensor([2]), pred_label=torch.tensor([0]), pred_score=torch.tensor([0.3, 0.1, 0.6]))
    metric = ExpressionMetric(table=False)
    metric.process(None, [sample])
    assert metric.evaluate(1)['accuracy'] == 100


@pytest.mark.parametrize('name', ['SelectiveMetric', 'PredictionDump', 'DistributionMetric', 'GroupMetric'])
def test_metrics_that_read_more_need_all_fields_merged(name, checkpoint, tmp_path):
    options = dict(by='gender') if name == 'GroupMetric' else {}
    config = augmented(tmp_path, dict(type='mmpretrain.AverageClsScoreTTA'))
    config.test_evaluator = [dict(type='ExpressionMetric'), dict(type=name, **options)]
    with pytest.raises(TrainingError, match=f"{name} would read .* of one view: .*type='mmfer.ExpressionTTA'"):
        build_runner(config, load_from=checkpoint).test()


def test_all_metrics_and_the_dump_behind_the_wrapper(checkpoint, tmp_path):
    results = []
    for config, tta in ((augmented(tmp_path, dict(type='ExpressionTTA')), None), (shallow_config(tmp_path), 'flip')):
        pack = config.test_dataloader.dataset.pipeline[-1]
        (pack['transforms'][1][0] if tta is None else pack)['keep_score'] = True
        names = ('ExpressionMetric', 'CalibrationMetric', 'SelectiveMetric', 'DistributionMetric')
        config.test_evaluator = [dict(type=name) for name in names]
        out = tmp_path / 'out.json'
        evaluate(config, checkpoint, out=out, work_dir=tmp_path, tta=tta)
        results.append(json.loads(Path(out).read_text()))
    (own, views), rows = results, [result['predictions'] for result in results]
    assert (own['tta'], views['tta']) == (None, 'flip')
    assert own['metrics'] == pytest.approx(views['metrics'], abs=1e-3)
    assert len(rows[0]) == len(rows[1]) == 14
    for one, other in zip(*rows):
        assert one['img_path'] == other['img_path']
        for name in ('pred_score', 'pred_mean', 'pred_std', 'uncertainty', 'aleatoric', 'epistemic', 'gt_distribution'):
            np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_views_and_models_that_do_not_fit(checkpoint, tmp_path):
    with pytest.raises(ValueError, match=r'lists of views.*PrepareTTAHook'):
        figures_of(augmented(tmp_path, None), checkpoint)
    with pytest.raises(ValueError, match='one view of each image: set views'):
        ExpressionTTA(model_of(type='LinearHead')).test_step(batch())
    with pytest.raises(ValueError, match='has a PrepareTTAHook already'):
        evaluate(augmented(tmp_path, dict(type='ExpressionTTA')), checkpoint, work_dir=tmp_path, tta='flip')
    with pytest.raises(ValueError, match="tta='both'"):
        evaluate(shallow_config(tmp_path), checkpoint, work_dir=tmp_path, tta='both')


def test_the_printed_config_tells_the_run(checkpoint, tmp_path):
    config = shallow_config(tmp_path)
    before = config.dump()
    figures = evaluate(config, checkpoint, work_dir=tmp_path / 'a', tta='flip+shifts')
    assert config.custom_hooks == load_config(ROOT / 'configs/poster_var/synth.py').custom_hooks
    assert config.dump() == before
    (dumped,) = tmp_path.glob('a/*/*.py')
    assert "views='flip+shifts'" in dumped.read_text()
    runner = build_runner(load_config(dumped), tmp_path / 'b', checkpoint)
    assert runner.test() == pytest.approx(figures)
    assert isinstance(runner.model, BaseTTAModel)
    assert isinstance(runner.test_evaluator, Evaluator)
