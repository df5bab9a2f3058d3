"""How long the parts of a model take in one step."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from machine import now
from torch import Tensor, nn
from torch.autograd import Variable

PARTS = ('data_preprocessor', 'backbone.landmark', 'backbone.image', 'backbone', 'neck', 'head')
REST = 'the rest'  # in training above all the optimizer


class PartTimes:
    """Milliseconds that the parts of a classifier take.

    The time between two events belongs to the part that was at work: a forward pass enters and leaves a part, a
    backward pass begins, leaves a part (gradients arrive at its inputs), and ends. Where both streams of a backbone are
    trained, their backward pass is the image stream's. The passes of a step of SAM are added.

    Args:
        model: The classifier.
        device: Where it runs.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.model, self.device = model, device
        modules = dict(model.named_modules())
        self.parts = {name: modules[name] for name in PARTS if name in modules}
        if 'backbone.image' in self.parts:
            self.parts.pop('backbone')
        self.trunk = 'backbone.image' if 'backbone.image' in self.parts else 'backbone'
        self._spent: dict[str, list[float]] = {}
        self._last = 0.0
        self._behind: str | None = None  # the part whose backward pass is going on

    def measure(self, step: Callable, steps: int) -> list[dict]:
        """Run a step several times; ``name``, ``forward_ms``, ``backward_ms`` of each part, medians."""
        found = []
        with self._watched():
            for _ in range(steps):
                self._spent = {name: [0.0, 0.0] for name in (*self.parts, REST)}
                self._behind, self._last = None, now(self.device)
                step()
                self._charge(REST)
                found.append(self._spent)
        medians = {name: [1e3 * statistics.median(x) for x in zip(*(row[name] for row in found))] for name in found[0]}
        return [dict(name=name, forward_ms=ms[0], backward_ms=ms[1]) for name, ms in medians.items()]

    def _charge(self, name: str, backward: bool = False) -> None:
        time = now(self.device)
        self._spent[name][backward] += time - self._last
        self._last = time

    @contextmanager
    def _watched(self) -> Iterator[None]:
        # heads are called by other methods than forward: theirs is what is left of the model's
        handles = [self.model.register_forward_hook(self._leave_model)]
        for name, module in self.parts.items():
            if name != 'head':
                handles.append(module.register_forward_pre_hook(lambda *_: self._charge(REST)))
                handles.append(module.register_forward_hook(self._leave(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self, name: str) -> Callable:
        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            self._charge(name)
            if name in (self.trunk, 'neck'):
                for tensor in output if isinstance(output, (tuple, list)) else (output,):
                    if isinstance(tensor, Tensor) and tensor.requires_grad:
                        tensor.register_hook(lambda grad: self._backward_enters(name))

        return leave

    def _leave_model(self, module: nn.Module, inputs: Any, output: Any) -> None:
        self._charge('head')
        for loss in output.values() if isinstance(output, dict) else ():
            if isinstance(loss, Tensor) and loss.requires_grad:
                loss.register_hook(lambda grad: self._backward_begins())

    def _backward_begins(self) -> None:
        if self._behind is None:
            self._charge(REST)
            self._behind = 'head'
            Variable._execution_engine.queue_callback(self._backward_ends)

    def _backward_enters(self, name: str) -> None:
        # the first gradient to arrive: of the others more of the part's own backward pass is behind them
        if self._behind not in (None, name, self.trunk):
            self._charge(self._behind, backward=True)
            self._behind = name

    def _backward_ends(self) -> None:
        self._charge(self._behind, backward=True)
        self._behind = None
