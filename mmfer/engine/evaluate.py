from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, TestLoop

from mmfer.datasets import CropFace, LoadImageFromFile, Occlude
from mmfer.datasets.config_classes import config_classes
from mmfer.datasets.same_images import count_fitted_images
from mmfer.engine.run import build_runner
from mmfer.evaluation import ClassMapEvaluator, PredictionDump, SetMetric
from mmfer.models.heads.calibration import PREFIX, describe_calibration
from mmfer.registry import TRANSFORMS
from mmfer.utils.checkpoint import checkpoint_classes, load_checkpoint
from mmfer.utils.config_options import load_config, set_options, type_name
from mmfer.utils.nesting import leaves
from mmfer.utils.state_dict import find_state_dict
from mmfer.utils.views import VIEWS
from mmfer.weights import checkpoint_file

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
    missing: str | None = None,
    tta: str | None = None,
) -> dict[str, float]:
    """Test a checkpoint on the test data of its config, or of another one.

    Classes of model and data are matched by name (see :class:`mmfer.engine.FERTestLoop`). The log, the table of results
    and the JSON say what was mapped and what was left out.

    Args:
        config: Config file or object of the model; objects stay as they are, here and in ``data``.
        checkpoint: A checkpoint that mmfer trained or converted, or the name of a shipped model; it must fit the
            config's model.
        out: JSON file for the metrics and every image's label, prediction and scores.
        work_dir: Folder of the logs.
        launcher: See :func:`build_runner`.
        cfg_options: Dotted names to values, set in the config after ``data`` is put in place. Arguments such as
            ``missing`` count more.
        data: Config with the ``test_dataloader`` to test on. Images are loaded (and faces cropped) as it says, and
            then preprocessed as ``config`` says.
        class_map: Name of a class, of the model or of the data -> the class that it counts as; synonyms are known.
        missing: What happens to classes that one side lacks: ``'keep'``, ``'images'``, ``'drop'`` or ``'error'``, see
            :class:`mmfer.engine.class_names.MatchedData`. By default the config's own data are tested as its
            ``test_cfg`` says, else with ``'keep'``; others and those with ``class_map`` with ``'drop'``.
        tta: Test-time augmentation: ``'flip'`` averages over each image and its mirror image, ``'flip+shifts'`` over
            small shifts of both as well, see ``ExpressionTTA``; None takes images as they are.

    Returns:
        The metrics by name.

    Raises:
        ValueError: If classes cannot be matched by name, ``class_map`` names an unknown one, or ``tta`` is unknown.
    """
    if out is not None and Path(out).suffix != '.json':
        raise ValueError(f'out={out}: the results are JSON, name a file that ends in .json')
    config = load_config(config)
    checkpoint = checkpoint_file(checkpoint)
    content = load_checkpoint(checkpoint)
    classes = None if checkpoint_classes(content) else config_classes(config)  # not those of other data
    if data is not None:
        data = load_config(data)
        borrow_test_data(config, data)
    set_options(config, cfg_options)
    config.test_cfg = _test_cfg(config, data is None, classes, missing, class_map)
    runner = build_runner(config, work_dir, load_from=checkpoint, launcher=launcher, tta=tta)
    runner.use_content(checkpoint, content)
    loop = runner.test_loop
    calibration = _calibration(runner, content)
    if tta is not None:
        runner.logger.info(f'Test-time augmentation: {tta}, {len(VIEWS[tta])} views of each image')
    dump = PredictionDump()
    sets = (content.get('meta') or {}).get('sets')
    if sets and isinstance(loop.evaluator, ClassMapEvaluator):
        runner.logger.info('Prediction sets are of the classes of the model; these data have others, so no figures')
    elif sets:
        loop.evaluator.metrics.append(SetMetric(sets))
    if out is not None:
        dump.dataset_meta = loop.evaluator.dataset_meta
        loop.evaluator.metrics.append(dump)
    metrics = runner.test()
    if out is not None and runner.rank == 0:
        protocol = (dump.dataset_meta or {}).get('protocol')
        header = dict(config=str(runner.cfg.filename), checkpoint=str(checkpoint), seed=runner.seed, metrics=metrics)
        rules = dict(class_rule=getattr(loop, 'class_rule', None), calibration=calibration, tta=tta)
        rules['data'] = None if data is None else data.filename
        dump.write(out, **header, protocol=protocol, **rules)
        runner.logger.info(f'{len(dump.predictions)} predictions written to {out}')
    return metrics


def _test_cfg(
    config: Config, own_data: bool, classes: tuple | None, missing: str | None, class_map: Mapping[str, str] | None
) -> dict:
    """The config's ``test_cfg`` with the loop that matches classes by name in the place of MMEngine's.

    What it says about classes holds for its own data, unless the arguments say something else.
    """
    test_cfg = dict(config.get('test_cfg') or {})
    kind = type_name(test_cfg.get('type', TestLoop))
    if kind not in ('TestLoop', 'FERTestLoop'):
        if missing or class_map:
            raise ValueError(f'test_cfg.type={kind} cannot match classes by name. Use FERTestLoop in the config.')
        return test_cfg
    own = test_cfg if own_data else {}
    missing = missing or own.get('missing') or ('keep' if own_data and not class_map else 'drop')
    class_map = dict(class_map or own.get('class_map') or {})
    options = dict(missing=missing, class_map=class_map, model_classes=test_cfg.get('model_classes') or classes)
    return {**test_cfg, **options, 'type': 'mmfer.engine.loops.FERTestLoop'}


def _calibration(runner: Runner, content: Mapping) -> str | None:
    """The calibration of a checkpoint in words, None without; warns where it was fitted on the images of the test."""
    if not any(name.startswith(PREFIX) for name in find_state_dict(content)):
        return None
    dataset = runner.test_dataloader.dataset
    count = count_fitted_images(content, dataset)
    if count:
        runner.logger.warning(
            f'{count} of the {len(dataset)} test images are those that the calibration was fitted on: NLL, Brier score '
            'and calibration errors are better than on new images'
        )
    return describe_calibration(content)


def _split_steps(data: ConfigDict) -> tuple[list, list]:
    """The steps of a data set's pipeline that are of ``DATA_STEPS``, and the others; copies."""
    steps: tuple[list, list] = ([], [])
    for step in copy.deepcopy(data.get('pipeline') or ()):
        with DefaultScope.overwrite_default_scope('mmfer'):
            cls = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
        steps[cls not in DATA_STEPS].append(step)
    return steps


def borrow_test_data(config: Config, other: Config) -> None:
    """Let ``config`` test on the test data of ``other``, with its own preprocessing after the data's loading steps.

    Raises:
        ValueError: If ``other`` has no test data, or the data sets of ``config`` do not share their preprocessing.
    """
    if other.get('test_dataloader') is None:
        raise ValueError(f'{other.filename} has no test_dataloader')
    own, *more = (_split_steps(data)[1] for data in leaves(config.test_dataloader.dataset))
    if any(steps != own for steps in more):
        raise ValueError(
            f'{config.filename}: the data sets of test_dataloader are preprocessed in different ways. Give them the '
            'same steps after loading'
        )
    loader = other.test_dataloader
    parts = leaves(loader.dataset)
    for option in ('keep_score', 'votes'):
        given = all(any(step.get(option) for step in _split_steps(part)[1]) for part in parts)
        for step in own:
            if step.get(option) and not given:
                step[option] = False
    for part in parts:
        part['pipeline'] = [*_split_steps(part)[0], *copy.deepcopy(own)]
    loader.batch_size = config.test_dataloader.batch_size
    config.test_dataloader = loader
