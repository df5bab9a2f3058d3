"""What synthetic faces express, and how simulated annotators label them."""

from __future__ import annotations

import math

import numpy as np

_STRONG, _WEAK = 0.48, 0.22  # shares of faces with one strong and one weak expression; the others blend two


def sample_intensities(rng: np.random.Generator, num_classes: int) -> np.ndarray:
    """Draw the intensities of a face, float32 (K,) in [0, 1].

    There is one strong or weak expression, a blend of two, or nearly none. Class 0 is neutral, whose intensity is what
    the others leave of 1. Weak expressions below one half count as neutral, so faces meant as neutral are drawn less
    often to keep the classes balanced.
    """
    kind, other, amount, ratio, which = rng.random(5).tolist()
    intensities = np.zeros(num_classes, np.float32)
    calm = 1.0 / num_classes - 0.055
    target = 0 if which < calm else 1 + int((which - calm) / (1.0 - calm) * (num_classes - 1))
    if target == 0:
        if kind < 0.5:
            intensities[1 + int(other * (num_classes - 1))] = 0.4 * amount
    elif kind < _STRONG:
        intensities[target] = 0.75 + 0.25 * amount
    elif kind < _STRONG + _WEAK:
        intensities[target] = 0.38 + 0.37 * amount
    else:
        second = 1 + int(other * (num_classes - 2))
        second += second >= target
        intensities[target] = 0.5 + 0.3 * amount
        intensities[second] = (0.5 + 0.5 * ratio) * intensities[target]
    intensities[0] = max(0.0, 1.0 - float(intensities.sum()))
    return intensities


def label_distribution(intensities: np.ndarray, temperature: float) -> np.ndarray:
    """True label distribution ``softmax(intensities / temperature)``, float64 (K,).

    The higher the temperature, above 0, the less the annotators agree.

    Examples:
        >>> label_distribution(np.array([0.0, 1.0]), 0.5).round(3).tolist()
        [0.119, 0.881]
    """
    # Plain floats are faster than arrays for so few classes.
    top = float(intensities.max())
    weights = [math.exp((value - top) / temperature) for value in intensities.tolist()]
    return np.array(weights) / math.fsum(weights)


def majority(votes: np.ndarray, distribution: np.ndarray) -> int:
    """Class with the most votes; among equals the likelier one, then the first.

    Examples:
        >>> majority(np.array([2, 4, 4]), np.array([0.5, 0.2, 0.3]))
        2
    """
    return int(np.argmax(votes + 0.5 * distribution))
