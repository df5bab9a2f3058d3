"""Comparison of methods: the results of their trainings, the tests of the differences, and the report."""

from .report import Report, write_report
from .results import Run, load_runs
from .statistics import Comparison, compare

__all__ = ['Comparison', 'Report', 'Run', 'compare', 'load_runs', 'write_report']
