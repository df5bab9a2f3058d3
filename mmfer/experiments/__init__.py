"""Several trainings: (method, seed, condition) -> predictions -> statistics -> report."""

from .report import Report, write_report
from .results import Run, load_table
from .statistics import Comparison, compare

__all__ = ['Comparison', 'Report', 'Run', 'compare', 'load_table', 'write_report']
