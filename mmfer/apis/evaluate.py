from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from mmfer.datasets import CropFace, LoadImageFromFile, MapClasses, Occlude
from mmfer.datasets.expressions import class_key
from mmfer.evaluation import ClassMapEvaluator, ClassPlan, PredictionDump, plan_classes
from mmfer.models.heads.calibration import PREFIX, describe_calibration
from mmfer.registry import DATASETS, TRANSFORMS
from mmfer.utils import find_state_dict
from mmfer.utils.checkpoint import load_checkpoint
from mmfer.utils.views import VIEWS

from .run import build_runner, config_classes, load_config
from .same_images import count_fitted_images

# What a data set needs of its own pipeline; all that follows is the preprocessing of the model.
DATA_STEPS = (LoadImageFromFile, CropFace, Occlude)


def evaluate(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path | None = None,
    work_dir: str | Path | None = None,
    launcher: str = 'none',
    cfg_options: Mapping | None = None,
    data: str | Path | Config | None = None,
    class_map: Mapping[str, str] | None = None,
    missing: str = 'drop',
    tta: str | None = None,
) -> dict[str, float]:
    """Test a checkpoint on the test data of its config, or of another one.

    Model and data set meet by the names of their classes. Where these are not the same in the same order, predictions
    are translated to the data set's classes (see ``ClassMapEvaluator`` and ``MapClasses``), and the log, the table of
    results and the JSON say what was mapped and what was left out.

    Args:
        config: Config file or object of the model.
        checkpoint: A checkpoint that mmfer trained or converted; it must fit the config's model.
        out: JSON file for the metrics and every image's label, prediction and scores.
        work_dir: Folder of the logs.
        launcher: See :func:`build_runner`.
        cfg_options: Dotted names to values, set in the config (after ``data`` is put in place).
        data: Config with the ``test_dataloader`` to test on. Images are loaded (and faces cropped) as it says, and
            then preprocessed as ``config`` says.
        class_map: Name of a class, of the model or of the data -> the class that it counts as; synonyms are known.
        missing: ``'drop'`` leaves classes that one side lacks out of the other, ``'error'`` raises.
        tta: Test-time augmentation: ``'flip'`` averages over each image and its mirror image, ``'flip+shifts'`` over
            small shifts of both as well, see ``ExpressionTTA``; None takes images as they are.

    Returns:
        The metrics by name.

    Raises:
        ValueError: If model and data set share no class, ``class_map`` names an unknown one, or ``tta`` is unknown.
    """
    if out is not None and Path(out).suffix != '.json':
        raise ValueError(f'out={out}: the results are JSON, name a file that ends in .json')
    config = config if isinstance(config, Config) else load_config(config)
    content = load_checkpoint(checkpoint)
    classes = _model_classes(config, content)
    if data is not None:
        borrow_test_data(config, data if isinstance(data, Config) else load_config(data))
    config = config if tta is None else copy.deepcopy(config)  # it gets a hook
    runner = build_runner(config, work_dir, checkpoint, launcher=launcher, cfg_options=cfg_options, tta=tta)
    plan = _meet_by_name(runner, classes, class_map, missing)
    calibration = _calibration(runner, content)
    if tta is not None:
        runner.logger.info(f'Test-time augmentation: {tta}, {len(VIEWS[tta])} views of each image')
    dump = PredictionDump()
    if out is not None:
        evaluator = runner.test_loop.evaluator
        dump.dataset_meta = evaluator.dataset_meta
        evaluator.metrics.append(dump)
    metrics = runner.test()
    if out is not None and runner.rank == 0:
        protocol = (dump.dataset_meta or {}).get('protocol')
        header = dict(config=str(runner.cfg.filename), checkpoint=str(checkpoint), seed=runner.seed, metrics=metrics)
        rules = dict(class_rule=str(plan) if plan else None, calibration=calibration, tta=tta)
        dump.write(out, **header, protocol=protocol, **rules)
        runner.logger.info(f'{len(dump.predictions)} predictions written to {out}')
    return metrics


def _model_classes(config: Config, content: Mapping) -> tuple[str, ...] | None:
    """Classes that the checkpoint says it was trained with, or else those of the config's training data."""
    meta = content.get('meta') or {}
    classes = (meta.get('dataset_meta') or {}).get('classes') or config_classes(config)
    return tuple(map(str, classes)) if classes else None


def _calibration(runner: Runner, content: Mapping) -> str | None:
    """The calibration of a checkpoint in words, None without; warns where it was fitted on the images of the test."""
    if not any(name.startswith(PREFIX) for name in find_state_dict(content)):
        return None
    dataset = runner._test_dataloader['dataset']
    count = count_fitted_images(content, dataset)
    if count:
        runner.logger.warning(
            f'{count} of the {len(dataset)} test images are those that the calibration was fitted on: NLL, Brier score '
            'and calibration errors are better than on new images'
        )
    return describe_calibration(content)


def _meet_by_name(
    runner: Runner, classes: tuple[str, ...] | None, class_map: Mapping[str, str] | None, missing: str
) -> ClassPlan | None:
    """Make the test of ``runner`` go by name where model and data differ; the plan, or None where they do not."""
    loader = dict(runner._test_dataloader)
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(loader['dataset'])
    labels = tuple(dataset.metainfo.get('classes') or ())
    runner._test_dataloader = dict(loader, dataset=dataset)
    if classes is None or not labels:
        side = 'The data set' if classes else f'The checkpoint {runner._load_from}'
        if class_map:
            raise ValueError(f'{side} does not name its classes, so class_map cannot be applied')
        runner.logger.warning(f'{side} does not name its classes: labels are compared by index')
        return None
    if classes == labels and not class_map:
        return None
    mapping = {class_key(a): class_key(b) for a, b in (class_map or {}).items()}
    plan = plan_classes(classes, labels, mapping, missing)
    runner._test_dataloader = dict(loader, dataset=MapClasses(dataset, plan.evaluated, mapping))
    with DefaultScope.overwrite_default_scope('mmfer'):
        runner._test_evaluator = ClassMapEvaluator(runner._test_evaluator, classes, mapping)
    runner.logger.info(f'The model has {", ".join(classes)}; the data {", ".join(labels)}. Compared are {plan}')
    return plan


def innermost(dataset: ConfigDict) -> ConfigDict:
    """The settings of the data set inside all wrappers."""
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    return dataset


def borrow_test_data(config: Config, other: Config) -> None:
    """Let ``config`` test on the test data of ``other``, with its own preprocessing after the data's loading steps."""
    if other.get('test_dataloader') is None:
        raise ValueError(f'{other.filename} has no test_dataloader')
    with DefaultScope.overwrite_default_scope('mmfer'):
        theirs, own = (
            [(step, TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']) for step in steps]
            for steps in (innermost(c.test_dataloader.dataset).get('pipeline', ()) for c in (other, config))
        )
    soft = any(step.get('keep_score') for step, _ in theirs)
    pipeline = [step for step, cls in theirs if cls in DATA_STEPS]
    pipeline += [step for step, cls in own if cls not in DATA_STEPS]
    for step in pipeline:
        if step.get('keep_score') and not soft:
            step['keep_score'] = False
    loader = other.test_dataloader
    innermost(loader.dataset).pipeline = pipeline
    loader.batch_size = config.test_dataloader.batch_size
    config.test_dataloader = loader
