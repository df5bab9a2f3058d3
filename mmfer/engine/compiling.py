"""Training with the network compiled by ``torch.compile``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MethodType
from typing import Any

import torch
from torch import nn

from .activation_checkpointing import is_checkpointed


def compile_features(model: nn.Module, options: Mapping | bool | None) -> None:
    """Compile what a model computes up to the head's features, for its training steps.

    Backbone and neck become one graph, which is compiled at the first step, in a minute or two for a full network, and
    again for another size of the batch or another precision. Heads, losses and the optimizer stay as they are. Where
    no gradients are wanted, in validations and tests, nothing is compiled. Numbers differ from the usual training in
    rounding, and in what dropout draws.

    MMEngine compiles the whole ``train_step``, in which lists of samples and the optimizer break the graph, and the
    steps of validations and tests for each size of a batch.

    On the CPU it takes a C++ compiler.

    Args:
        model: Changed in place; a copy of it is compiled as well.
        options: Arguments of ``torch.compile``, such as ``dict(mode='max-autotune')``; True for its defaults, and False
            or None to leave the model alone. Unlike there ``dynamic`` is False.

    Raises:
        TypeError: If ``options`` is none of these.
        ValueError: If the model has no ``extract_feat``, or parts with checkpointed activations, which
            ``torch.compile`` cannot trace.
    """
    if options is None or options is False:
        return
    if not isinstance(options, (bool, Mapping)):
        raise TypeError(f"compile={options!r}: True, False, or a dict of torch.compile's arguments")
    plain = getattr(type(model), 'extract_feat', None)
    if plain is None:
        raise ValueError(f'compile: {type(model).__name__} has no extract_feat() that could be compiled')
    if any(is_checkpointed(module) for module in model.modules()):
        raise ValueError('compile and checkpoint_activations do not go together: leave one of them out')
    compiled = torch.compile(plain, **dict(dict(dynamic=False), **({} if options is True else options)))

    def extract_feat(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        chosen = compiled if self.training and torch.is_grad_enabled() else plain
        return chosen(self, *args, **kwargs)

    model.extract_feat = MethodType(extract_feat, model)  # a bound method, which a deep copy binds to the copy
