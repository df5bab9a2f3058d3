"""Label noise on purpose, to see what methods make of it."""

import logging
import numbers
from collections.abc import Mapping
from typing import Optional

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.structures.expressions import class_or_expression

from ..arguments import check_choice, check_integer
from .base import DatasetWrapper


def largest_remainder(quotas: np.ndarray) -> np.ndarray:
    """Integers near ``quotas`` whose sum is the rounded sum of ``quotas``; each is rounded up or down.

    Examples:
        >>> largest_remainder(np.array([1.4, 2.5, 0.2])).tolist()
        [1, 3, 0]
    """
    whole = np.floor(quotas + 1e-9).astype(np.int64)
    left = int(np.floor(quotas.sum() + 0.5)) - int(whole.sum())
    whole[np.argsort(whole - quotas, kind='stable')[: max(left, 0)]] += 1
    return whole


def flip_evenly(labels: np.ndarray, num_classes: int, rate: float, exact: bool, seed: int) -> np.ndarray:
    """Labels (N,) of which a share ``rate`` is replaced by one of the other classes, each as likely.

    ``exact`` replaces round(rate N) labels, spread over the classes by size; else each has that probability.
    """
    rng = np.random.default_rng(seed)
    lot, target = rng.random(len(labels)), rng.random(len(labels))
    flipped = lot < rate
    if exact:
        flipped[:] = False
        wanted = largest_remainder(rate * np.bincount(labels, minlength=num_classes))
        for label, number in enumerate(wanted):
            members = np.flatnonzero(labels == label)
            flipped[members[np.argsort(lot[members], kind='stable')[:number]]] = True
    others = (labels + 1 + np.floor(target * (num_classes - 1)).astype(np.int64)) % num_classes
    return np.where(flipped, others, labels)


def flip_by_matrix(labels: np.ndarray, matrix: np.ndarray, exact: bool, seed: int) -> np.ndarray:
    """Labels (N,) drawn by a matrix (K, K): the probability that label i (row) becomes label j (column).

    ``exact`` takes as many of each class as the probabilities say, rounded; else each label is drawn.
    """
    lot = np.random.default_rng(seed).random(len(labels))
    noisy = labels.copy()
    for label, row in enumerate(matrix):
        members = np.flatnonzero(labels == label)
        if exact:
            members = members[np.argsort(lot[members], kind='stable')]
            noisy[members] = np.repeat(np.arange(len(row)), largest_remainder(row * len(members)))
        else:
            drawn = np.searchsorted(np.cumsum(row), lot[members], side='right')
            noisy[members] = np.minimum(drawn, np.flatnonzero(row)[-1])
    return noisy


@DATASETS.register_module()
class NoisyLabels(DatasetWrapper):
    """A data set with label noise, for training parts.

    Symmetric noise replaces a share ``rate`` of the labels by one of the other classes, each as likely. This is the
    protocol of SCN (https://arxiv.org/abs/2002.10392), RUL (NeurIPS 2021,
    https://github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning) and EAC (https://arxiv.org/abs/2207.10299) at 10, 20
    and 30 %. SCN's script flips each label with that probability, which ``exact=False`` does; the default flips
    exactly that share, so that small data sets get it too. EAC publishes its noisy lists, noise01.txt to noise03.txt:
    for the very same labels read them with ``RAFDB(ann_file=...)`` instead.

    Noise that depends on the class follows the probabilities of ``transitions``.

    The noise follows from the seed and the labels alone, so it is the same in every process and every run. Each entry
    has the ``clean_label`` that the data set had, for measuring how well noise is found. Soft labels (``gt_score``)
    and ``votes`` are dropped, as they would tell the clean label; other keys of an entry stay as they were.

    Args:
        dataset: The data set, or its config.
        rate: Share of labels to replace, in [0, 1], of symmetric noise.
        kind: 'symmetric', or 'asymmetric' for noise that depends on the class.
        transitions: For asymmetric noise: class -> (class -> probability) by name, such as ``{'fear': {'surprise':
            0.3}}``.
        seed: Another seed gives other noise.
        exact: Replace exactly round(rate N) labels and of each class its share (asymmetric: of each pair of classes its
            share, rounded); else each label with its probability.
        lazy_init: Do not read the list before it is needed.

    Attributes:
        flip_rate (float): The share of labels, in [0, 1], that this wrapper did change.

    Raises:
        ValueError: An argument is out of range, or transitions name unknown classes or are no probabilities.

    Examples:
        >>> dataset = NoisyLabels(dict(type='SynthFER', num_samples=50), rate=0.2)
        >>> dataset.protocol
        'SynthFER train, 20 % symmetric label noise (seed 0, 20.0 % flipped)'
    """

    def __init__(
        self,
        dataset: BaseDataset,
        rate: Optional[float] = None,
        kind: str = 'symmetric',
        transitions: Optional[Mapping] = None,
        seed: int = 0,
        exact: bool = True,
        lazy_init: bool = False,
    ):
        self.kind = check_choice(self, 'kind', kind, ('symmetric', 'asymmetric'))
        if (kind == 'asymmetric') != (transitions is not None) or (kind == 'symmetric') != (rate is not None):
            raise ValueError(
                f'NoisyLabels: kind={kind!r}, rate={rate!r} and transitions={transitions!r} do not fit: symmetric '
                'noise needs the rate, asymmetric noise the transitions'
            )
        if rate is not None and (isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not 0 <= rate <= 1):
            raise ValueError(f'NoisyLabels: rate={rate!r} must be a share in [0, 1]')
        self.rate = rate
        self.transitions = transitions
        self.seed = check_integer(self, 'seed', seed, 0)
        self.exact = exact
        self._flip_rate: Optional[float] = None
        super().__init__(dataset, lazy_init=lazy_init)

    @property
    def flip_rate(self) -> float:
        """Share of labels, in [0, 1], that this wrapper did change."""
        self.full_init()
        return self._flip_rate

    @property
    def metainfo(self) -> dict:
        """Meta information of the data set, without the Bayes-optimal accuracy on SynthFER's clean labels."""
        meta = super().metainfo
        meta.pop('observer_accuracy', None)
        return meta

    def published_counts(self) -> Optional[int]:
        """Published number of samples in all, which noise does not change."""
        counts = self.dataset.published_counts()
        return counts if counts is None else int(np.sum(counts))

    def apply(self) -> None:
        """Draw the noise."""
        labels = self.dataset.get_gt_labels()
        if self.num_classes < 2:
            raise ValueError('NoisyLabels: the data set has only one class')
        if self.kind == 'symmetric':
            noisy = flip_evenly(labels, self.num_classes, self.rate, self.exact, self.seed)
        else:
            noisy = flip_by_matrix(labels, self._matrix(), self.exact, self.seed)
        soft, voted = (sum(each is not None for each in self.dataset.column(key)) for key in ('gt_score', 'votes'))
        self.dataset.relabel(noisy)
        self._flip_rate = float(np.mean(noisy != labels))
        dropped = f'; {soft} soft labels are dropped' if soft else ''
        dropped += f'; the votes on {voted} samples are dropped' if voted else ''
        text = f'{self.protocol}: {int(np.sum(noisy != labels))} of {len(labels)} labels changed{dropped}'
        print_log(text, logger='current', level=logging.INFO)

    def describe(self) -> str:
        """Kind and share of the noise, seed, and the share flipped once the labels are read."""
        rate = '' if self.rate is None else f'{100 * self.rate:g} % '
        kind = 'symmetric' if self.kind == 'symmetric' else 'class-dependent'
        details = [] if self.exact else ['each label by chance']
        details += self._pairs() + [f'seed {self.seed}']
        if self._flip_rate is not None:
            details.append(f'{100 * self._flip_rate:.1f} % flipped')
        return f'{rate}{kind} label noise ({", ".join(details)})'

    def _pairs(self) -> list:
        return [f'{a} to {b} {p:g}' for a, targets in (self.transitions or {}).items() for b, p in targets.items()]

    def _label(self, name: str) -> int:
        known = class_or_expression(name, self.classes)
        if known not in self.classes:
            raise ValueError(f'{name!r} is no class of the data set ({", ".join(self.classes)})')
        return self.classes.index(known)

    def _matrix(self) -> np.ndarray:
        """The transition matrix (K, K)."""
        matrix = np.zeros((self.num_classes, self.num_classes))
        try:
            for name, targets in self.transitions.items():
                for target, probability in targets.items():
                    matrix[self._label(name), self._label(target)] = probability
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f'NoisyLabels: transitions={self.transitions!r} cannot be read: {error}') from None
        np.fill_diagonal(matrix, 0)
        sums = matrix.sum(axis=1)
        bad = ~(matrix >= 0).all(axis=1) | ~(sums <= 1 + 1e-6)  # NaN is neither
        if bad.any():
            names = ', '.join(self.classes[i] for i in np.flatnonzero(bad))
            raise ValueError(f'NoisyLabels: transitions from {names} are no probabilities that sum to at most one')
        np.fill_diagonal(matrix, np.maximum(1 - sums, 0))
        return matrix
