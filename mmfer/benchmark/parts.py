"""How long the parts of a model take in one step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .machine_peak import synchronize

PARTS = ('data_preprocessor', 'backbone.landmark', 'backbone.image', 'backbone', 'neck', 'head')


class PartTimes:
    """Milliseconds that the parts of a classifier take, by the hooks of its modules.

    A part's time is that of its forward passes, all of them in a step of SAM, and of the backward passes. When a
    backward pass leaves a part is known from the gradients that arrive at its inputs; where both streams of a backbone
    are trained, theirs is the image stream's. What is left of the step is the optimizer's.

    Args:
        model: The classifier.
        device: Where it runs.
        wrapper: The optimizer wrapper that trains it; None in inference.
    """

    def __init__(self, model: nn.Module, device: torch.device, wrapper: Any = None) -> None:
        self.device, self.wrapper = device, wrapper
        parts = {name: _part(model, name) for name in PARTS}
        if parts['backbone.image'] is not None:
            parts.pop('backbone')
        self.parts = {name: module for name, module in parts.items() if module is not None}
        self.model = model
        self.forward: dict[str, float] = {}
        self.backward: dict[str, float] = {}
        self._stamps: dict[str, float] = {}

    def measure(self, step: Callable, steps: int) -> list[dict]:
        """Run a step several times; ``name``, ``forward_ms``, ``backward_ms`` of each part, medians."""
        found = []
        for _ in range(steps):
            self.forward = dict.fromkeys(self.parts, 0.0)
            self.backward = dict.fromkeys(self.parts, 0.0)
            with self._hooked():
                start = self._time()
                step()
                total = self._time() - start
            row = {name: (self.forward[name], self.backward[name]) for name in self.parts}
            rest = total - sum(map(sum, row.values()))
            row['optimizer and the rest' if self.wrapper is not None else 'the rest'] = (rest, 0.0)
            found.append(row)
        return [
            dict(
                name=name,
                forward_ms=1e3 * statistics.median(row[name][0] for row in found),
                backward_ms=1e3 * statistics.median(row[name][1] for row in found),
            )
            for name in found[0]
        ]

    def _time(self) -> float:
        synchronize(self.device)
        return time.perf_counter()

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        handles = []
        for name, module in self.parts.items():
            handles += self._watch(name, module)
        # heads are called by other methods than forward
        methods = {name: getattr(self.model.head, name) for name in ('loss', 'forward')}
        for name, method in methods.items():
            setattr(self.model.head, name, self._timed(method))
        backward = self._watched_backward() if self.wrapper is not None else nullcontext()
        try:
            with backward:
                yield
        finally:
            for name in methods:
                delattr(self.model.head, name)
            for handle in handles:
                handle.remove()

    def _watch(self, name: str, module: nn.Module) -> list:
        if name == 'head':
            return []
        started = []

        def before(*_: Any) -> None:
            started.append(self._time())

        follower = 'head' if name == 'neck' or 'neck' not in self.parts else 'neck'

        def after(module: nn.Module, inputs: Any, output: Any) -> None:
            self.forward[name] += self._time() - started.pop()
            if self.wrapper is not None and name in ('backbone', 'backbone.image', 'neck'):
                self._mark(follower, output)

        return [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    def _mark(self, name: str, output: Any) -> None:
        """Remember when the backward pass leaves the part ``name``, whose inputs these are."""
        for tensor in output if isinstance(output, (tuple, list)) else (output,):
            if isinstance(tensor, Tensor) and tensor.requires_grad:
                # the first to arrive: of the others more of the backbone's backward pass is behind them
                tensor.register_hook(lambda grad: self._stamps.setdefault(name, self._time()) and None)

    def _timed(self, method: Callable) -> Callable:
        inside = []

        def call(*args: Any, **kwargs: Any) -> Any:
            if inside:  # loss calls forward
                return method(*args, **kwargs)
            inside.append(True)
            start = self._time()
            try:
                return method(*args, **kwargs)
            finally:
                self.forward['head'] += self._time() - start
                inside.pop()

        return call

    @contextmanager
    def _watched_backward(self) -> Iterator[None]:
        whole = torch.Tensor.backward

        def backward(tensor: Tensor, *args: Any, **kwargs: Any) -> None:
            self._stamps = {}
            start = self._time()
            whole(tensor, *args, **kwargs)
            end = self._time()
            trunk = 'backbone.image' if 'backbone.image' in self.parts else 'backbone'
            for name in ('head', 'neck'):
                if name in self.parts and name in self._stamps:
                    self.backward[name] += self._stamps[name] - start
                    start = self._stamps[name]
            self.backward[trunk] += end - start

        torch.Tensor.backward = backward
        try:
            yield
        finally:
            torch.Tensor.backward = whole


def _part(model: nn.Module, name: str) -> nn.Module | None:
    for piece in name.split('.'):
        model = getattr(model, piece, None)
        if model is None:
            return None
    return model
