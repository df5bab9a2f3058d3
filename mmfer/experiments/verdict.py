"""Sentences on a comparison, built from templates, that claim nothing its tests do not support.

A method is called better or worse only if the paired bootstrap over images is significant after Holm's correction *and*
the difference has the same sign in every common seed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .changes import Changes
from .figures import FIGURES
from .ood import OODTest
from .statistics import Comparison, PairedTest

TOPICS = dict(
    accuracy='the highest accuracy',
    nll='the lowest NLL',
    ece='the lowest ECE',
    aurc='the lowest AURC (selective prediction)',
    kl='the lowest divergence from the true distributions (KL)',
)
COMPARED = {
    'better': 'significantly better',
    'worse': 'significantly worse',
    'not significant': 'no significant difference',
    'unsteady': 'significant on these images, but not of one sign in all seeds',
    'not tested': 'not tested (no common seed)',
}
KEPT = {'better': 'significantly more is kept', 'worse': 'significantly less is kept'}
MOVED = {
    'better': 'rises',
    'worse': 'falls',
    'not significant': 'no change shown',
    'unsteady': 'not of one sign in all seeds',
}
RANKED = {
    'better': 'yes',
    'worse': 'no, it falls',
    'not significant': 'not shown',
    'unsteady': 'not of one sign in all seeds',
    'not tested': 'no, it is the same for all images in at least one seed',
}
LIMITS = (
    'These tests take the images as drawn by chance and the trained models as they are. That no difference was found '
    'does not mean that there is none: the intervals of the differences say how large it may be.'
)


def verdict(result: Comparison, changes: Sequence[Changes] = (), ood: Sequence[OODTest] = ()) -> list[str]:
    """The sentences, a topic each."""
    lines = [_tested(result)]
    lines += [_topic(result, name) for name in TOPICS if all(name in own for own in result.summaries.values())]
    if not math.isnan(result.observer):
        lines.append(
            f'The Bayes-optimal accuracy on these labels is {result.observer:.2f} %: no method can expect more, and '
            'what exceeds it is chance.'
        )
    lines += _deviation(result)
    for each in changes:
        lines += _changes(each)
    for data in dict.fromkeys(test.data for test in ood):
        own = (test for test in ood if (test.data, test.what) == (data, 'uncertainty'))
        told = ', '.join(f'{t.method} {t.mean:.2f} % ({t.low:.2f} to {t.high:.2f})' for t in own)
        lines.append(f'Does the uncertainty tell the images of {data} (AUROC, chance is 50 %)? {told}.')
    return [*lines, *_limits(result)]


def grouped(tests: Iterable[PairedTest], alpha: float, words: dict[str, str], better: int = 1) -> str:
    """``'significantly worse: a, b (noise 20 %); no significant difference: c'``."""
    found: dict[str, dict[str, list[str]]] = {}
    for test in tests:
        conditions = found.setdefault(test.standing(alpha, better), {}).setdefault(test.first, [])
        conditions += [test.condition] * bool(test.condition)
    parts = []
    for kind, text in words.items():
        names = [f'{name} ({", ".join(own)})' if own else name for name, own in found.get(kind, {}).items()]
        parts += [f'{text}: {", ".join(names)}'] if names else []
    return '; '.join(parts)


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"s" * (number != 1)}'


def _how(tests: str, alpha: float) -> str:
    return f'paired bootstrap over images, Holm over {tests}, {100 * alpha:g} %'


def _tested(result: Comparison) -> str:
    if len(set(result.seeds.values())) == 1:
        seeds = next(iter(result.seeds.values()))
        return f'{result.images:,} test images; {_count(len(seeds), "seed")}.'
    seeds = '; '.join(f'{method} {" ".join(map(str, own))}' for method, own in result.seeds.items())
    return f'{result.images:,} test images; other seeds ({seeds}), of which each pair is tested on the common ones.'


def _topic(result: Comparison, name: str) -> str:
    _, better, digits, _ = FIGURES[name]
    unit = ' %' * FIGURES[name].title.endswith('%')
    means = {m: own[name].mean for m, own in result.summaries.items() if not math.isnan(own[name].mean)}
    if not means:
        return f'{FIGURES[name].title} is undefined for all methods.'
    top = max(means.values(), key=lambda value: value * better)
    best = [method for method, value in means.items() if value == top]
    own, value = result.summaries[best[0]][name], f'{top:.{digits}f}{unit}'
    if len(best) == 1 and name != 'ece' and not math.isnan(own.low):  # that of the ECE may lie above it
        value += f' ({100 * result.level:g} % interval {own.low:.{digits}f} to {own.high:.{digits}f})'
    if not result.pairs:
        return f'{best[0]}: {TOPICS[name].split(" ", 2)[2]} {value}.'
    against = result.reference or best[0]
    others = [m for m in result.methods if m != against and (result.reference or m not in best)]
    told = grouped((result.test(name, m, against) for m in others), result.alpha, COMPARED, better)
    text = f'{", ".join(best)} {"has" if len(best) == 1 else "share"} {TOPICS[name]}, {value}'
    text += '' if against in best else ', a rank that is not tested itself'
    how = _how(_count(len(result.pairs), 'pair'), result.alpha)
    return f'{text}. Against {against}: {told} ({how}).' if told else f'{text}.'


def _deviation(result: Comparison) -> list[str]:
    tests = [test for test in result.ambiguity if test.what == 'deviation']
    entropy = {test.first: test.difference.value for test in result.ambiguity if test.what == 'uncertainty'}
    parts = []
    for test in tests:
        value, low, high, _ = test.difference
        text = f'{test.first}: {RANKED[test.standing(result.alpha)]}'
        if not math.isnan(test.adjusted):
            text += f', {value:.3f} ({low:.3f} to {high:.3f}), where its uncertainty has {entropy[test.first]:.3f}'
        parts.append(text)
    against = f'Spearman with the entropy of the true distribution against 0, Holm over {_count(len(tests), "method")}'
    text = f'Does the latent deviation rank the images by their true ambiguity ({against})? {"; ".join(parts)}.'
    lines = [text] * bool(parts)
    if result.kl_effect is not None:
        test = result.kl_effect
        value, low, high, _ = test.difference
        told = COMPARED[test.standing(result.alpha)]
        lines.append(f'{test.first} minus {test.second} in that: {value:+.3f} ({low:+.3f} to {high:+.3f}), {told}.')
    return lines


def _changes(result: Changes) -> list[str]:
    base, lines = result.conditions[0], []
    for condition in result.conditions[1:]:
        own = [test for test in result.changes if (test.what, test.condition) == ('accuracy', condition)]
        told = ', '.join(f'{t.first} {t.difference.value:+.2f}' for t in sorted(own, key=lambda t: -t.difference.value))
        lines += [f'{condition}: points of accuracy gained or lost from {base}: {told}.'] if told else []
    if result.margins:
        told = grouped(result.margins, result.alpha, KEPT)
        told = f'{told}; no other difference is significant' if told else 'no significant difference was found'
        how = _how(_count(len(result.margins), 'test'), result.alpha)
        lines.append(f'{result.kind}, what is kept of the accuracy against {result.reference}: {told} ({how}).')
    for what, name in dict(uncertainty='mean uncertainty', deviation='mean latent deviation').items():
        told = grouped((test for test in result.changes if test.what == what), result.alpha, MOVED)
        lines += [f'{result.kind}, the {name}: {told}.'] if told else []
    if result.kind == 'label noise':
        lines.append('Each rate of label noise is another training: a change may be that of the training as well.')
    return lines


def _limits(result: Comparison) -> list[str]:
    lines = [LIMITS] * bool(result.pairs)
    common = min((len(test.seeds) for tests in result.tests.values() for test in tests), default=0)
    if result.pairs and common < result.seeds_needed:
        stds = [own['accuracy'].std for own in result.summaries.values() if not math.isnan(own['accuracy'].std)]
        spread = f' (standard deviation of the accuracy over the seeds: up to {max(stds):.2f} points)' if stds else ''
        lines.append(
            f'What another training would give is not tested: for {_count(len(result.pairs), "pair")} that takes '
            f'{result.seeds_needed} common seeds, and there {"is" if common == 1 else "are"} {common}{spread}.'
        )
    return lines
