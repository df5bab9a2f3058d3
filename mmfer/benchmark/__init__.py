"""Measurements of speed and memory, for ``tools/analysis/benchmark.py``."""
