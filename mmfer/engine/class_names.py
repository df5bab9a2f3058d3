"""Classes are matched by name: data against model, checkpoint against model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from mmfer.datasets.samplers.base import labels_of
from mmfer.datasets.wrappers import MapClasses
from mmfer.evaluation import ClassMapEvaluator, plan_classes
from mmfer.registry import DATASETS, MODELS
from mmfer.structures.expressions import class_key
from mmfer.utils.nesting import inside, protocol_of

from .processes import unwrapped

MISSING = ('keep', 'images', 'drop', 'error')


def classes_of(dataset: Any) -> tuple[str, ...]:
    """Names of the classes of a data set in label order; empty where it does not name them.

    Raises:
        ValueError: If a wrapper of MMEngine is around data sets with different lists.
    """
    lists = {tuple(map(str, classes)) for classes in _lists(dataset)}
    if len(lists) > 1:
        shown = '; '.join(', '.join(each) for each in sorted(lists))
        raise ValueError(
            f'{type(dataset).__name__} is around data sets with different classes, and compares labels by index: '
            f"{shown}. Use mmfer's ConcatDataset, which matches them by name."
        )
    return next(iter(lists), ())


def _lists(dataset: Any) -> list:
    if inside(dataset) and not hasattr(dataset, 'entry'):  # of MMEngine: it tells the classes of its first data set
        return [classes for part in inside(dataset) for classes in _lists(part)]
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    return [classes] if classes else []


def meta_of(dataset: Any) -> dict:
    """Meta information of a data set for the metrics, also where a wrapper of MMEngine is around several."""
    meta = dict(getattr(dataset, 'metainfo', None) or {})
    if inside(dataset) and not hasattr(dataset, 'entry'):
        meta.pop('observer_accuracy', None)
        meta['protocol'] = protocol_of(dataset)
    return meta


def same_names(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order; synonyms such as happy and happiness are the same."""
    return list(map(class_key, first)) == list(map(class_key, second))


def _listed(names: Sequence[str]) -> str:
    return f'{len(names)} classes ({", ".join(names)})'


def check_num_classes(model: nn.Module, classes: Sequence[str], source: str, dataset: Any = None) -> None:
    """Compare ``num_classes`` of a model's head with the classes of what it is used with.

    Args:
        model: A classifier; heads without ``num_classes`` are not checked.
        classes: Names of the classes, in label order; empty where they are unknown.
        source: What has these classes, such as ``'the training data'``.
        dataset: Where the names are unknown, its labels are looked at.

    Raises:
        ValueError: If they differ.
    """
    model = unwrapped(model)
    number = getattr(getattr(model, 'head', None), 'num_classes', None)
    if number is None:
        return
    if classes and len(classes) != number:
        raise ValueError(
            f'model.head.num_classes={number}, but {source} have {_listed(classes)}. '
            f'Set model.head.num_classes={len(classes)}, or choose the classes of the data (MapClasses). '
            '(mmfer explain num-classes)'
        )
    if not classes and dataset is not None:
        try:
            largest = int(labels_of(dataset).max(initial=-1))
        except (TypeError, ValueError):  # it does not tell its labels without loading images
            return
        if largest >= number:
            raise ValueError(
                f'model.head.num_classes={number}, but {source} have the label {largest}. '
                f'Set model.head.num_classes to {largest + 1} or more. (mmfer explain num-classes)'
            )


# ---- data ------------------------------------------------------------------------------------------------------------
class MatchedData:
    """Data of an evaluation in terms of the classes of a model.

    ``missing`` decides what happens where the lists of classes differ:

    - ``'keep'``: the labels are mapped to the classes of the model, whose answers stay as they are. A class that the
      data lack is left out of the mean class accuracy and the macro F1, and counts by its scores in the class-wise
      calibration error; one that the model lacks is an error, unless ``class_map`` has it count as another. Right where
      data and model share one list of classes, as validation parts do.
    - ``'images'``: the same, and images of classes that the model lacks are left out. Right for uncertainties that are
      compared with those of the model's own data.
    - ``'drop'``: classes that one side lacks are left out of the other one, too: images of them, or scores of them.
    - ``'error'``: raises where one side lacks a class.

    Args:
        dataset: Data set, or its config.
        evaluator: Metrics, as in MMEngine's ``Evaluator``.
        model_classes: Classes of the model in the order of its outputs; empty where they are unknown.
        missing: See above.
        class_map: Name of a class, of the data or of the model -> name of the class that it counts as.
        where: What errors call the data, such as ``'val_dataloader'``.

    Attributes:
        dataset: The data set to load from.
        evaluator: The evaluator to use.
        rule: What was mapped and left out, in words; None where nothing was.

    Raises:
        ValueError: If the classes cannot be matched by name.
    """

    def __init__(
        self,
        dataset: Any,
        evaluator: Any,
        model_classes: Sequence[str],
        missing: str = 'keep',
        class_map: Mapping[str, str] | None = None,
        where: str = 'test_dataloader',
    ) -> None:
        if missing not in MISSING:
            raise ValueError(f'missing={missing!r} must be one of {", ".join(map(repr, MISSING))}')
        with DefaultScope.overwrite_default_scope('mmfer'):
            self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.evaluator, self.rule = evaluator, None
        model, data = tuple(map(str, model_classes)), classes_of(self.dataset)
        if not model or not data:
            if class_map:
                raise ValueError(
                    f'{"The model" if data else where} does not name its classes, so class_map cannot be applied. '
                    'Set metainfo=dict(classes=(...)) in the data set.'
                )
            return
        if same_names(model, data) and not class_map:
            return
        counts_as = {class_key(a): class_key(b) for a, b in (class_map or {}).items()}
        if missing in ('keep', 'images'):
            self._keep(model, data, missing, counts_as, where)
        else:
            self._translate(model, data, missing, counts_as, where)

    def _keep(
        self, model: tuple[str, ...], data: tuple[str, ...], missing: str, counts_as: Mapping[str, str], where: str
    ) -> None:
        names = {class_key(name): name for name in model}
        if counts_as:
            plan_classes(tuple(names), tuple(map(class_key, data)), counts_as)  # which knows wrong names
        merged = [name for key, name in names.items() if key in counts_as]
        if merged:
            raise ValueError(
                f"class_map would change the model's answers of {', '.join(merged)}, which missing={missing!r} keeps. "
                "Set missing='drop' (--missing drop)."
            )
        targets = {name: counts_as.get(class_key(name), class_key(name)) for name in data}
        lost = [name for name, key in targets.items() if key not in names]
        if lost and (missing == 'keep' or len(lost) == len(data)):
            raise ValueError(
                f'{where} has {_listed(data)}, of which the model with {_listed(model)} lacks {", ".join(lost)}. Map '
                "them or leave them out with MapClasses, or set missing='drop' (--missing drop) to leave them out. "
                '(mmfer explain class-names)'
            )
        mapping = {name: names[key] for name, key in targets.items() if key in names}
        self.dataset = self._mapped(model, mapping, where)
        self.rule = f'labels mapped by name from {", ".join(mapping)} to {", ".join(model)}'
        self.rule += ''.join(f'; {a} counts as {b}' for a, b in counts_as.items())
        if lost:
            self.rule += f'; images of {", ".join(lost)} are left out'
        absent = [name for key, name in names.items() if key not in targets.values()]
        if absent:
            self.rule += f'; the data have no {", ".join(absent)}, which mean class accuracy and macro F1 leave out'

    def _translate(
        self, model: tuple[str, ...], data: tuple[str, ...], missing: str, counts_as: Mapping[str, str], where: str
    ) -> None:
        model, theirs = tuple(map(class_key, model)), tuple(map(class_key, data))
        plan = plan_classes(model, theirs, counts_as, missing)
        labels = {name: counts_as.get(key, key) for name, key in zip(data, theirs)}
        self.dataset = self._mapped(plan.evaluated, labels, where)
        with DefaultScope.overwrite_default_scope('mmfer'):
            self.evaluator = ClassMapEvaluator(self.evaluator, model, counts_as)
        self.rule = str(plan)

    def _mapped(self, classes: tuple[str, ...], mapping: Mapping[str, str], where: str) -> MapClasses:
        mapping = {name: target for name, target in mapping.items() if name != target}
        try:
            return MapClasses(self.dataset, classes, mapping)
        except TypeError as error:
            raise ValueError(
                f'{where} has {_listed(classes_of(self.dataset))} and the model {_listed(classes)}, which must be '
                f'matched by name, but {error}.'
            ) from None


# ---- checkpoints -----------------------------------------------------------------------------------------------------
def class_axes(head: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Where the tensors of a head have their classes.

    Found by comparing the shapes of the head with those of the same head for one class more.

    Args:
        head: Config of the head.

    Returns:
        Name of a parameter or buffer -> (axis, M, R): the axis has M * K * R entries, as of an array (M, K, R). R is
        more than 1 for those that the head lists in ``class_major``.
    """
    number = head['num_classes']
    with torch.random.fork_rng(devices=[]), DefaultScope.overwrite_default_scope('mmfer'):
        built = [MODELS.build(dict(head, num_classes=k)) for k in (number, number + 1)]
    own, more = ({name: tuple(value.shape) for name, value in each.state_dict().items()} for each in built)
    found = {}
    for name, shape in own.items():
        axes = [i for i, (a, b) in enumerate(zip(shape, more.get(name, shape))) if a != b]
        if len(axes) == 1:
            each = more[name][axes[0]] - shape[axes[0]]
            found[name] = (axes[0], *((1, each) if name in getattr(built[0], 'class_major', ()) else (each, 1)))
    return found


def match_rows(
    state: dict[str, Tensor], own: Mapping[str, Tensor], head: Mapping[str, Any], old: Sequence[str], new: Sequence[str]
) -> list[str]:
    """Put the classes of the head's tensors in ``state`` into the order of another model, by name.

    Rows of classes that ``state`` lacks are those of the model as it was initialised.

    Args:
        state: Weights of a checkpoint; changed in place.
        own: Weights of the model.
        head: Config of its head.
        old: Classes of the checkpoint, in the order of its outputs.
        new: Those of the model.

    Returns:
        Names of the tensors that were changed.
    """
    places = {class_key(name): i for i, name in enumerate(old)}
    pairs = [(k, places[class_key(name)]) for k, name in enumerate(new) if class_key(name) in places]
    targets, sources = (torch.tensor(column, dtype=torch.long) for column in zip(*pairs)) if pairs else (None, None)
    changed = []
    for name, (axis, before, after) in class_axes(head).items():
        name = f'head.{name}'
        if name not in state or name not in own:
            continue
        there, here = state[name], own[name].detach().cpu().clone()
        shape = list(here.shape)
        shape[axis] = before * len(old) * after
        if list(there.shape) != shape:  # of another network: MMEngine leaves it out and warns
            continue
        if pairs:
            rows = there.unflatten(axis, (before, len(old), after)).index_select(axis + 1, sources)
            here = here.unflatten(axis, (before, len(new), after)).index_copy(axis + 1, targets, rows.to(here))
            here = here.flatten(axis, axis + 2)
        state[name] = here
        changed.append(name)
    return changed


def describe_rows(old: Sequence[str], new: Sequence[str]) -> str:
    """What :func:`match_rows` does, in words."""
    known = set(map(class_key, old))
    kept = [name for name in new if class_key(name) in known]
    fresh = [name for name in new if class_key(name) not in known]
    text = f'its head is taken by name for {", ".join(kept)}' if kept else 'its head has none of the classes'
    return text + (f' and starts anew for {", ".join(fresh)}' if fresh else '')
