"""Fitting the probabilities of a trained model to validation images."""
