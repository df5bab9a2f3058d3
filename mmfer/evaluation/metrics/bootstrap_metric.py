from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmfer.utils.tables import render_table

from ..functional.bootstrap import bootstrap_intervals

Statistics = Callable[..., dict[str, np.ndarray]]


def stacked(data_samples: Sequence[dict], name: str) -> np.ndarray:
    """A field of a batch of samples as float64 (B, ...), copied from the device in one step.

    Raises:
        ValueError: If a sample lacks it.
    """
    lacking = [sample for sample in data_samples if sample.get(name) is None]
    if lacking:
        path = lacking[0].get('img_path') or 'a sample'
        raise ValueError(f'{path} has no {name}; it has {", ".join(sorted(lacking[0]))}')
    return torch.stack([torch.as_tensor(sample[name]) for sample in data_samples]).detach().cpu().double().numpy()


class BootstrapMetric(BaseMetric):
    """Base class of metrics with bootstrap intervals and a table in the log.

    A subclass implements ``process`` and ``statistics``, and describes its values in ``UNITS``.

    Args:
        bootstrap: Replicates for 95 % bootstrap intervals; adds ``<name>_low`` and ``<name>_high``. 0 is none.
        seed: Seed of the replicates; metrics with the same seed and samples see the same ones.
        table: Whether the table goes to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.
    """

    default_prefix = ''  # MMEngine warns about None
    UNITS: dict[str, str] = {}

    def __init__(
        self,
        bootstrap: int = 0,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if bootstrap < 0:
            raise ValueError(f'bootstrap={bootstrap}: the number of replicates, or 0 for no intervals')
        self.bootstrap = bootstrap
        self.seed = seed
        self.table = table

    @abstractmethod
    def statistics(self, results: list) -> Statistics:
        """A function of ``weights`` (..., N) or None that returns the values by name, floats or arrays (...)."""

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The figures over all samples.

        Raises:
            ValueError: If there are no samples.
        """
        if not results:
            raise ValueError(f'{type(self).__name__}: there are no predictions to evaluate')
        statistics = self.statistics(results)
        values = {name: float(value) for name, value in statistics(None).items()}
        intervals = {}
        if self.bootstrap:
            intervals = bootstrap_intervals(statistics, len(results), self.bootstrap, self.seed)
        if self.table:
            MMLogger.get_current_instance().info('\n' + self.describe(values, intervals))
        metrics = {}
        for name, value in values.items():
            metrics[name] = value
            if name in intervals:
                metrics[f'{name}_low'], metrics[f'{name}_high'] = intervals[name]
        return metrics

    def describe(self, values: dict[str, float], intervals: dict[str, tuple[float, float]]) -> str:
        """The table for the log."""
        rows = []
        for name, value in values.items():
            row = [name, f'{value:.4g}' if abs(value) < 10 else f'{value:.2f}']
            if intervals:
                row.append('{:.4g} .. {:.4g}'.format(*intervals[name]) if name in intervals else '')
            rows.append([*row, self.UNITS.get(name, '')])
        header = ['figure', 'value', *(['95 % interval'] if intervals else []), 'unit']
        return render_table(header, rows)
