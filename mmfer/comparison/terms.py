"""Whether the methods of a comparison were trained on equal terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What should be equal for all methods of a seed -> settings that it follows from.
FACTS = {
    'initial backbone': ('model.backbone.',),
    'initial neck': ('model.backbone.', 'model.neck.'),
    'first batch': ('train_dataloader.',),
    'augmentation of the first batch': ('train_dataloader.',),
}


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
    seeds = [seed for seed in dict.fromkeys(seed for _, seed in runs) if sum(s == seed for _, s in runs) > 1]
    equal, lines = [], []
    for name, prefixes in FACTS.items():
        found: dict[str, list[int]] = {}
        for seed in seeds:
            values = {method: facts[method, s].get(name) for method, s in runs if s == seed}
            if set(values.values()) == {None}:
                found.setdefault(f'the {name} is unknown', []).append(seed)
                continue
            if len(set(values.values())) > 1:
                found.setdefault(_difference(name, values, runs, seed, prefixes), []).append(seed)
        for text, where in found.items():
            lines.append(f'seed{"s" * (len(where) > 1)} {", ".join(map(str, where))}: {text}')
        known = any(name in own for own in facts.values())
        if seeds and known and not found:
            equal.append(name)
    for name in ('git', 'versions'):
        states = {str(finished.get(name)) for finished in runs.values()}
        if len(states) > 1:
            what = 'states of the source code' if name == 'git' else 'versions of packages'
            lines.append(f'the runs were made with {len(states)} {what}')
    return equal, lines


def _difference(name: str, values: Mapping[str, Any], runs: Mapping, seed: int, prefixes: tuple[str, ...]) -> str:
    groups: dict[Any, list[str]] = {}
    for method, value in values.items():
        groups.setdefault(value, []).append(method)
    unknown = groups.pop(None, [])
    texts = [', '.join(methods) for methods in groups.values()]
    if len(groups) < 2:
        return f'the {name} of {", ".join(unknown)} is unknown'
    first = next(iter(groups.values()))[0]
    settings = {m: _settings(runs[m, seed], prefixes) for m in values}
    unexplained = [m for others in list(groups.values())[1:] for m in others if settings[m] == settings[first]]
    text = f'the {name} is not the same: {"; ".join(texts)}'
    if unexplained:
        return f'{text}, although {", ".join(unexplained)} and {first} have the same settings of it'
    return f'{text}, as their settings differ'


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
