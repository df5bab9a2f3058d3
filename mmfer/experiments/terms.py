"""Whether the methods of a comparison were trained on equal terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmfer.structures.run_record import MARKER

from .results import Run

# What should be equal for all methods of a seed -> settings that it follows from.
FACTS = {
    'initial backbone': ('model.backbone.',),
    'initial neck': ('model.backbone.', 'model.neck.'),
    'first batch': ('train_dataloader.',),
    'augmentation of the first batch': ('train_dataloader.',),
}
SHOWN = 6  # settings of a method that are printed


def terms_of(groups: Mapping[str, Sequence[Run]]) -> list[str]:
    """Sentences on what the methods had in common in their trainings.

    Args:
        groups: Condition of training -> runs; the first is the baseline.
    """
    lines = []
    for i, (condition, runs) in enumerate(groups.items()):
        known = {(run.method, run.seed): run.finished for run in runs if run.finished is not None}
        equal, unequal = check_terms(known)
        unknown = [run.name for run in runs if run.finished is None]
        unequal += [f'how {", ".join(unknown)} began is unknown: no {MARKER} beside the predictions'] if unknown else []
        where = f'{condition}: ' if i else ''
        lines += [f'{where}In every seed all methods had the same {", ".join(equal)}.'] if equal else []
        lines += [f'WARNING: {where}{line}' for line in unequal]
        if not i:
            own = other_settings({method: finished['settings'] for (method, _), finished in known.items()})
            for method, settings in own.items():
                more = f' and {len(settings) - SHOWN} more' if len(settings) > SHOWN else ''
                lines.append(f'{method} also sets {", ".join(settings[:SHOWN])}{more}')
    return lines + _tested([run for runs in groups.values() for run in runs])


def _tested(runs: Sequence[Run]) -> list[str]:
    """Which checkpoints were tested; a warning where some were chosen by validation and some not."""
    best: dict[bool, list[str]] = {}
    for run in runs:
        name = Path(run.checkpoint).name
        if name:
            best.setdefault(name.startswith('best_'), []).append(run.name)
    text = 'chosen by validation, which flatters it where the validation images are the test images'
    if len(best) > 1:
        few, many = sorted(best.values(), key=len)
        kind = 'best' if few is best[True] else 'last'
        shown = ', '.join(dict.fromkeys(few))
        return [f'WARNING: mixed checkpoints: the {kind} of {shown}, the other of the rest. The best one is {text}.']
    if True in best:
        return [f'Tested: the best checkpoint of each training, {text}.']
    return ['Tested: the last checkpoint of each training.'] if best and all(run.checkpoint for run in runs) else []


def run_facts(finished: Mapping[str, Any]) -> dict[str, str]:
    """What ``finished.json`` knows of how a training began: a hash for each of ``FACTS`` that it has."""
    weights, batch = finished.get('initial_weights') or {}, finished.get('first_batch') or {}
    parts = (weights.get(part, 'none' if weights else None) for part in ('backbone', 'neck'))
    found = (*parts, batch.get('samples'), batch.get('inputs'))
    return {name: value for name, value in zip(FACTS, found) if value}


def check_terms(runs: Mapping[tuple[str, int], Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """Compare how trainings with the same seed began.

    Args:
        runs: Method and seed -> content of ``finished.json``.

    Returns:
        What was equal for all methods in all seeds, and a line for each thing that was not, or is unknown.
    """
    facts = {key: run_facts(finished) for key, finished in runs.items()}
    every = [seed for _, seed in runs]
    seeds = [seed for seed in dict.fromkeys(every) if every.count(seed) > 1]
    equal, lines = [], []
    for name, prefixes in FACTS.items():
        found: dict[str, list] = {}
        for seed in seeds:
            groups: dict[str | None, list[str]] = {}
            for method, own in runs:
                if own == seed:
                    groups.setdefault(facts[method, seed].get(name), []).append(method)
            unknown = groups.pop(None, [])
            if unknown:
                found.setdefault(f'the {name} of {", ".join(unknown)} is unknown', []).append(seed)
            if len(groups) > 1:
                text = f'the {name} is not the same: {"; ".join(map(", ".join, groups.values()))}'
                settings = [_settings(runs[methods[0], seed], prefixes) for methods in groups.values()]
                same = any(settings.count(own) > 1 for own in settings)
                text += ', although their settings are' if same else ', as their settings differ'
                found.setdefault(text, []).append(seed)
        lines += [f'seed{"s" * (len(at) > 1)} {", ".join(map(str, at))}: {text}' for text, at in found.items()]
        equal += [name] if seeds and not found else []
    for name, what in dict(git='states of the source code', versions='versions of packages').items():
        states = {str(finished.get(name)) for finished in runs.values()}
        lines += [f'the runs were made with {len(states)} {what}'] if len(states) > 1 else []
    return equal, lines


def _settings(finished: Mapping[str, Any], prefixes: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in finished.get('settings', {}).items() if name.startswith(prefixes)}


def other_settings(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Settings beside ``model.head`` that are not the same for all methods: method -> names.

    Args:
        settings: Method -> its settings. What most methods have counts as usual.
    """
    names = sorted({name for own in settings.values() for name in own if not name.startswith('model.head.')})
    result: dict[str, list[str]] = {}
    for name in names:
        values = [repr(own.get(name, '(not set)')) for own in settings.values()]
        usual = max(values, key=values.count)
        for method, value in zip(settings, values):
            if value != usual:
                result.setdefault(method, []).append(f'{name}={value}')
    return result
