"""Counts of what a data set's source holds and its list leaves out, said in one line."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from mmengine.logging import print_log

_REASONS = 10  # shown


class LeftOut:
    """What is left out while a list is read: of each reason, the number and the first example.

    Args:
        what: What is counted, with the word before its source, such as 'rows of'.
        level: Of the log.
    """

    def __init__(self, what: str = 'image files under', level: int = logging.WARNING) -> None:
        self.what, self.level = what, level
        self._reasons: dict = {}

    @property
    def counts(self) -> dict:
        """Reason -> number."""
        return {reason: count for reason, (count, _) in self._reasons.items()}

    def add(self, reason: str, example: str) -> None:
        """Count one more; ``reason`` completes the phrase '3 image files ...', e.g. 'in hidden folders'."""
        count, first = self._reasons.get(reason, (0, example))
        self._reasons[reason] = count + 1, first

    def add_all(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Count each pair of a reason and an example."""
        for reason, example in pairs:
            self.add(reason, example)

    def describe(self, source: str) -> str:
        """One line: how many are left out, and of each reason the number and an example; '' if there are none."""
        if not self._reasons:
            return ''
        total = sum(self.counts.values())
        shown = [f'{count} {reason} ({first})' for reason, (count, first) in list(self._reasons.items())[:_REASONS]]
        more = len(self._reasons) - len(shown)
        shown += [f'... ({more} more reasons)'] if more else []
        return f'{total} {self.what} {source} were left out: {", ".join(shown)}'

    def log(self, owner: str, source: str) -> None:
        """Log that line, if there is any."""
        text = self.describe(source)
        if text:
            print_log(f'{owner}: {text}', logger='current', level=self.level)
