"""Training with less memory: activations that are computed again in the backward pass instead of being kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


def checkpoint_activations(model: nn.Module, names: Sequence[str]) -> None:
    """Let parts of a model keep only their inputs for the backward pass, and compute the rest again there.

    Loss, gradients and buffers are those of the usual training: dropout draws the same again, and batch normalisation
    records a batch once. It costs a forward pass of these parts. Each name is a piece that is computed again as a
    whole, so several small ones need less memory than one large one. In evaluation nothing changes.

    MMEngine's ``activation_checkpointing`` has the same aim, but records statistics twice and gives no gradients to a
    part whose input, such as the images, has none.

    Args:
        model: Changed in place; a copy of it does the same.
        names: Submodules in dotted notation, such as ``'backbone.image.stages.0'``.

    Raises:
        TypeError: If ``names`` is a string.
        ValueError: If there is no such submodule, or one lies inside another.
    """
    if isinstance(names, str):
        raise TypeError(f'checkpoint_activations={names!r}: give a list of names of submodules')
    modules = dict(model.named_modules())
    for name in names:
        if not name or name not in modules:
            parent = max((p for p in modules if name.startswith(f'{p}.')), key=len, default='')
            children = [child for child, _ in modules[parent].named_children()]
            there = f'{parent or "the model"} has {", ".join(children)}'
            raise ValueError(f'checkpoint_activations: no submodule {name!r}; {there}')
        outer = [other for other in names if name.startswith(f'{other}.')]
        if outer:
            raise ValueError(f'checkpoint_activations: {name!r} lies inside {outer[0]!r}; name one of them')
    for name in names:
        module = modules[name]
        module.forward = MethodType(_forward, module)  # a bound method, which a deep copy binds to the copy


def is_checkpointed(module: nn.Module) -> bool:
    """Whether :func:`checkpoint_activations` named the module."""
    return getattr(module.forward, '__func__', None) is _forward


def _forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    def forward(*inputs: Any) -> Any:
        return type(self).forward(self, *inputs, **kwargs)

    if not (self.training and torch.is_grad_enabled()):
        return forward(*args)
    layers = [m for m in self.modules() if isinstance(m, _NormBase) and m.training]
    contexts = nullcontext(), _as_recorded([(layer, layer.track_running_stats) for layer in layers])
    return checkpoint(forward, *args, use_reentrant=False, context_fn=lambda: contexts)


@contextmanager
def _as_recorded(layers: list[tuple[_NormBase, bool]]) -> Iterator[None]:
    """Normalisation layers run as they did in the forward pass, SAM's second one too, but record nothing."""
    before = [(layer.momentum, layer.track_running_stats) for layer, _ in layers]
    counters = [layer.num_batches_tracked for layer, _ in layers]
    counts = [None if counter is None else counter.clone() for counter in counters]
    for layer, tracked in layers:
        layer.momentum, layer.track_running_stats = 0.0, tracked  # without tracking other tensors would be kept
    try:
        yield
    finally:
        for (layer, _), values in zip(layers, before):
            layer.momentum, layer.track_running_stats = values
        for counter, count in zip(counters, counts):
            if counter is not None:
                counter.copy_(count)
