"""A data set in the classes of another one, by name."""

from collections.abc import Mapping, Sequence
from typing import Optional, Union

import numpy as np
from mmengine.dataset import BaseDataset

from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS, find_class

from .base import DatasetWrapper


@DATASETS.register_module()
class MapClasses(DatasetWrapper):
    """A data set with its labels in another order, by class name; samples of other classes are left out.

    A synonym of an expression is the same name (see ``mmfer.structures.expressions``), and case does not matter.

    Use it to train on several data sets whose classes differ (each mapped to the same ones, then ``ConcatDataset``,
    which by itself maps other orders and subsets), or to test on the classes that a model knows, as
    ``mmfer test --data`` does.

    Soft labels follow: classes that count as the same one are added, and what is left is scaled to the former sum; a
    sample whose soft label has nothing left in ``classes`` loses it. ``votes`` are added likewise, but not scaled. A
    label that had the most votes follows them: of 4 votes for neutral and 3 each for anger and fear, which both count
    as negative, negative is the label. Of equal ones the label stays. Other keys of an entry stay.

    Args:
        dataset: The data set, or its config.
        classes: Classes in the wanted label order.
        mapping: Name of a class of the data set -> the one of ``classes`` that it counts as. Others keep their name.
            Expressions that the data set or ``classes`` lack may be in it.
        lazy_init: Do not read the list before it is needed.

    Raises:
        ValueError: ``classes`` has a name twice, ``mapping`` has an unknown one, or nothing is left.

    Examples:
        >>> MapClasses(dict(type='SynthFER', num_samples=50), ('anger', 'fear')).classes
        ('anger', 'fear')
    """

    def __init__(
        self,
        dataset: Union[Mapping, BaseDataset],
        classes: Sequence,
        mapping: Optional[Mapping] = None,
        lazy_init: bool = False,
    ):
        if isinstance(classes, str) or len({find_class(name, classes) for name in classes}) < len(classes):
            raise ValueError(f'MapClasses: classes={classes!r} must be a sequence of different names')
        self.wanted = tuple(classes)
        self.mapping = dict(mapping or {})
        self._left_out: dict = {}
        self._reordered = False
        super().__init__(dataset, lazy_init=lazy_init)

    @property
    def classes(self) -> tuple:
        """The classes in the wanted label order."""
        return self.wanted

    @property
    def metainfo(self) -> dict:
        """Meta information; SynthFER's Bayes-optimal accuracy only where nothing but order and spelling changed."""
        meta = dict(super().metainfo, classes=self.wanted)
        if self._fully_initialized and (self.mapping or not self._reordered):
            meta.pop('observer_accuracy', None)
        return meta

    def apply(self) -> None:
        """Translate the labels."""
        source = self.dataset.classes
        self.mapping = self._matched(source)
        number, known = len(self.wanted), (*source, *self.wanted)  # the last one is found
        targets = [find_class(self.mapping.get(name, name), known) or name for name in source]
        names = tuple(dict.fromkeys((*self.wanted, *targets)))  # those that are left out come last
        places = [names.index(name) for name in targets]
        self._reordered = len(names) == number and len(set(places)) == len(places)
        matrix = np.eye(len(names), dtype=np.int64)[places]
        kept = matrix[:, :number].astype(np.float32)
        entries, lost = [], np.zeros(len(names), dtype=np.int64)
        for entry in (self.dataset.entry(i) for i in range(len(self.dataset))):
            label = places[entry['gt_label']]
            if entry.get('votes') is not None:
                votes = np.asarray(entry['votes'], dtype=np.int64)
                added = votes @ matrix
                if votes[entry['gt_label']] == votes.max() and added[label] < added.max():
                    label = int(added.argmax())
                entry['votes'] = added[:number]
                if not entry['votes'].any():
                    entry.pop('votes')
            if label >= number:
                lost[label] += 1
                continue
            entry['gt_label'] = label
            if entry.get('clean_label') is not None:
                clean = places[entry['clean_label']]
                entry['clean_label'] = clean if clean < number else None
            if entry.get('gt_score') is not None:
                score = np.asarray(entry['gt_score'], dtype=np.float32)
                mapped = score @ kept
                if mapped.sum() > 0:
                    # where classes were left out, what remains is a distribution again
                    entry['gt_score'] = mapped if self._reordered else mapped * (score.sum() / mapped.sum())
                else:
                    entry.pop('gt_score')
            entries.append(entry)
        self._left_out = {name: count for name, count in zip(names, lost.tolist()) if count}
        if not entries:
            raise ValueError(
                f'MapClasses: no samples are left: the data set has {", ".join(source)}, wanted are '
                f'{", ".join(self.wanted)}'
            )
        self.dataset.set_entries(entries, self.wanted)

    def _matched(self, source: tuple) -> dict:
        """``mapping`` with the names as the data set spells them, without those that it lacks."""
        known = (*source, *self.wanted, *EXPRESSIONS)
        unknown = [str(name) for pair in self.mapping.items() for name in pair if find_class(name, known) is None]
        if unknown:
            raise ValueError(
                f'MapClasses: mapping names {", ".join(unknown)}, which neither the data set ({", ".join(source)}) nor '
                f'classes ({", ".join(self.wanted)}) have. Correct the spelling'
            )
        named = {find_class(name, source): target for name, target in self.mapping.items()}
        return {name: target for name, target in named.items() if name and find_class(target, (name,)) is None}

    def describe(self) -> str:
        """The rule, and what is left out once the labels are read."""
        text = f'in the classes {", ".join(self.wanted)}'
        text += ''.join(f', {a} counts as {b}' for a, b in self.mapping.items())
        if self._left_out:
            counts = ', '.join(f'{count} of {name}' for name, count in self._left_out.items())
            text += f', left out: {counts}'
        return text
