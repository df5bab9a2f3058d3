"""Loops of validations and tests that match classes by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.evaluator import Evaluator
from mmengine.runner import Runner, TestLoop, ValLoop
from mmengine.runner.base_loop import BaseLoop
from torch.utils.data import DataLoader

from mmfer.registry import LOOPS
from mmfer.utils.checkpoint import checkpoint_classes, load_checkpoint
from mmfer.utils.errors import TrainingError

from .class_names import MatchedData, check_num_classes, classes_of, meta_of
from .resume.seeding import base_seed_of, data_of, seeded_dataloader


def check_loader(loader: DataLoader, option: str) -> None:
    """Look whether a data loader, which the config calls ``option``, has anything to yield.

    Raises:
        TrainingError: If its length is 0.
    """
    try:
        is_empty = len(loader) == 0
    except TypeError:  # of a stream
        return
    if is_empty:
        raise TrainingError(
            f'{option} yields no batch: the data set has {len(loader.dataset)} samples, '
            f'batch_size={loader.batch_size}, drop_last={loader.drop_last}. Look at {option}.dataset and its sampler, '
            'or set a smaller batch_size or drop_last=False.'
        )


def _model_classes(runner: Runner) -> tuple[str, ...]:
    """Classes of the model, in the order of its outputs, also of a runner of MMEngine; empty where they are unknown."""
    if hasattr(runner, 'model_classes'):
        return runner.model_classes
    if isinstance(runner._train_loop, BaseLoop):
        return classes_of(data_of(runner._train_loop.dataloader))
    return checkpoint_classes(load_checkpoint(runner._load_from)) if runner._load_from else ()


class _ByName:
    """What the evaluation loops share: data and model are matched by the names of their classes."""

    part = ''

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        fp16: bool = False,
        missing: str = 'keep',
        class_map: Mapping[str, str] | None = None,
        model_classes: Sequence[str] | None = None,
    ) -> None:
        where, classes = f'{self.part}_dataloader', _model_classes(runner) or model_classes or ()
        built = isinstance(dataloader, DataLoader)
        dataset = dataloader.dataset if built else dataloader['dataset']
        matched = MatchedData(dataset, evaluator, classes, missing, class_map, where)
        if matched.dataset is not dataset and built:
            raise ValueError(
                f'{where} is already built, so its classes cannot be matched with those of the model '
                f'({", ".join(classes)}). Pass its config, or a data set with these classes in this order.'
            )
        if not built:
            dataloader = dict(dataloader, dataset=matched.dataset)
            dataloader = seeded_dataloader(dataloader, base_seed_of(runner), runner.rank)
        if not classes or not classes_of(matched.dataset):
            check_num_classes(runner.model, classes_of(matched.dataset), f'the data of {where}', matched.dataset)
            side = 'the model' if not classes else where
            runner.logger.warning(f'{where}: {side} does not name its classes, so labels are compared by index')
        elif matched.rule:
            runner.logger.info(f'{where}: {matched.rule}')
        self.class_rule = matched.rule
        super().__init__(runner, dataloader, matched.evaluator, fp16)
        self.evaluator.dataset_meta = meta_of(data_of(self.dataloader))


@LOOPS.register_module()
class FERValLoop(_ByName, ValLoop):
    """MMEngine's ValLoop for data whose classes are in another order than those of the training, or lack some.

    Each sample is loaded with random numbers of its own, the same in every validation.

    Args:
        runner: The runner.
        dataloader: Loader, or its config.
        evaluator: Evaluator, or config of its metrics.
        fp16: Evaluate in half precision.
        missing: What happens where the lists of classes differ, see :class:`mmfer.engine.class_names.MatchedData`.
        class_map: Name of a class, of the data or of the model -> name of the class that it counts as.
        model_classes: Classes of the model, where neither training data nor checkpoint name them.

    Attributes:
        class_rule (str | None): What was mapped and left out, in words; None where the lists are the same.

    Raises:
        ValueError: If the classes cannot be matched by name.
    """

    part = 'val'


@LOOPS.register_module()
class FERTestLoop(_ByName, TestLoop):
    """MMEngine's TestLoop for data with other classes than the model; arguments as of :class:`FERValLoop`."""

    part = 'test'
