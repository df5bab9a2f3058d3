"""Matches the classes of a model and of a data set by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ClassPlan:
    """The match of the classes of a model and of a data set.

    Args:
        model: Classes of the model, in the order of its outputs.
        data: Classes of the data set, in the order of its labels.
        mapping: Name of a class of either side -> name of the class that it counts as.
        evaluated: Classes that are evaluated, in the order of the data set.
    """

    model: tuple[str, ...]
    data: tuple[str, ...]
    mapping: dict[str, str]
    evaluated: tuple[str, ...]

    @property
    def left_out_of_data(self) -> tuple[str, ...]:
        """Classes of the data set whose samples are left out, because the model lacks them."""
        return tuple(name for name in self.data if self.mapping.get(name, name) not in self.evaluated)

    @property
    def left_out_of_model(self) -> tuple[str, ...]:
        """Classes of the model whose scores are left out, because the data set lacks them."""
        return tuple(name for name in self.model if self.mapping.get(name, name) not in self.evaluated)

    def __str__(self) -> str:
        text = f'classes by name: {", ".join(self.evaluated)}'
        if self.mapping:
            text += '; ' + ', '.join(f'{a} counts as {b}' for a, b in self.mapping.items())
        if self.left_out_of_data:
            text += f'; images of {", ".join(self.left_out_of_data)} are left out, as the model has no such class'
        if self.left_out_of_model:
            names = ', '.join(self.left_out_of_model)
            text += f"; the model's scores of {names} are left out, as the data have no such label"
        return text


def plan_classes(
    model: Sequence[str], data: Sequence[str], mapping: Mapping[str, str] | None = None, missing: str = 'drop'
) -> ClassPlan:
    """Match the classes of a model and of a data set by name.

    Args:
        model: Classes of the model.
        data: Classes of the data set.
        mapping: Name of a class of either side -> name of the class that it counts as.
        missing: What to do if one side lacks a class: ``'drop'`` removes it from the other side as well, ``'error'``
            raises.

    Raises:
        ValueError: If no class is shared, ``mapping`` names a class that neither side has, or, with
            ``missing='error'``, a class is missing.

    >>> plan = plan_classes(('neutral', 'anger'), ('anger', 'contempt', 'neutral'))
    >>> plan.evaluated, plan.left_out_of_data
    (('anger', 'neutral'), ('contempt',))
    """
    if missing not in ('drop', 'error'):
        raise ValueError(f"missing={missing!r} must be 'drop' or 'error'")
    mapping = dict(mapping or {})
    for name in (*mapping, *mapping.values()):
        if name not in (*model, *data):
            raise ValueError(
                f'class_map names {name!r}, but the model has {", ".join(model)} and the data have {", ".join(data)}'
            )
    chained = [name for name in mapping.values() if mapping.get(name, name) != name]
    if chained:
        raise ValueError(f'class_map maps onto {", ".join(chained)}, which it maps to something else itself')
    answers = {mapping.get(name, name) for name in model}
    labels = dict.fromkeys(mapping.get(name, name) for name in data)
    plan = ClassPlan(tuple(model), tuple(data), mapping, tuple(name for name in labels if name in answers))
    if len(plan.evaluated) < 2:
        raise ValueError(
            f'the model ({", ".join(model)}) and the data ({", ".join(data)}) share '
            f'{"only " + plan.evaluated[0] if plan.evaluated else "no class"}; class_map can map names onto others'
        )
    if missing == 'error' and (plan.left_out_of_data or plan.left_out_of_model):
        raise ValueError(f"missing='error': {plan}")
    return plan
