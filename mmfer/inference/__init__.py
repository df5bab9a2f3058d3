"""Using a model: from photos and videos to expressions with their uncertainty, export, calibration.

An exported file is used without PyTorch and MMEngine.
"""
