"""Functions of PyTorch that its ONNX exporter lacks, made of those that it has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

TINY = torch.finfo(torch.float32).tiny


def entr(x: Tensor) -> Tensor:
    """``torch.special.entr`` for x >= 0: -x log x, and 0 at 0."""
    return -x * x.clamp(min=TINY).log()


def digamma(x: Tensor) -> Tensor:
    r"""``torch.digamma`` for x > 0.

    .. math::
        \psi(x) = \psi(x + 6) - \sum_{i=0}^{5} \frac{1}{x + i}, \quad
        \psi(y) \approx \log y - \frac{1}{2 y} - \frac{1}{12 y^2} + \frac{1}{120 y^4} - \frac{1}{252 y^6}
    """
    y = x + 6
    inverse = 1 / (y * y)
    series = y.log() - 0.5 / y - inverse * (1 / 12 - inverse * (1 / 120 - inverse / 252))
    return series - sum(1 / (x + i) for i in range(6))


def clamp(x: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """``torch.clamp`` with bounds that are both of floating point, where x is."""
    bounds = (float(bound) if isinstance(bound, int) and x.is_floating_point() else bound for bound in (min, max))
    return torch.Tensor.clamp(x, *bounds)


class ExportableOperations(TorchFunctionMode):
    """Within this context the functions above take the place of PyTorch's."""

    REPLACED = {
        torch.special.entr: entr,
        torch.digamma: digamma,
        torch.Tensor.digamma: digamma,
        torch.special.digamma: digamma,
        torch.clamp: clamp,
        torch.Tensor.clamp: clamp,
    }

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        # While this runs the mode is off, so the replacements may call what they replace.
        return self.REPLACED.get(func, func)(*args, **(kwargs or {}))
