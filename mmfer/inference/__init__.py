"""Using a model: inference on photos and videos with uncertainty, export and calibration.

Exported models need neither PyTorch nor MMEngine.
"""
