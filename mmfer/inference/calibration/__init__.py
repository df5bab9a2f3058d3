"""Calibrates the probabilities of a trained model on validation images."""
