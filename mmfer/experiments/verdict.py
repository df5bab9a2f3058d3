"""Sentences on a comparison, built from templates, that claim nothing its tests do not support.

What is said of *these trained models* comes from images drawn by chance, what is said of *the methods* from seeds and
images drawn by chance. The word method is not used for the former.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .changes import Changes
from .figures import FIGURES
from .ood import OODTest
from .plan import seeds_for
from .statistics import ALL, Comparison, PairedTest

TOPICS = dict(
    accuracy='the highest accuracy',
    nll='the lowest NLL',
    skce='the lowest calibration error (SKCE)',
    aurc='the lowest AURC (selective prediction)',
    kl='the lowest divergence from the true distributions (KL)',
)
COMPARED = {
    'better': 'better',
    'worse': 'worse',
    'not shown': 'no difference shown',
    'too few': 'cannot be told, too few images are answered differently',
    'not tested': 'not tested',
}
KEPT = {'better': 'more is kept', 'worse': 'less is kept'}
MOVED = {'better': 'rises', 'worse': 'falls', 'not shown': 'no change shown'}
RANKED = {'better': 'yes', 'worse': 'no, it falls', 'not shown': 'not shown', 'not tested': 'no, it is constant'}
LIMITS = (
    'That no difference was shown does not mean that there is none: the intervals of the differences say how large it '
    'may be. How often such statements are false: docs/error_rates.md of mmfer.'
)


def verdict(result: Comparison, changes: Sequence[Changes] = (), ood: Sequence[OODTest] = ()) -> list[str]:
    """The sentences, a topic each."""
    lines = [_tested(result), *_left_out(result), *_few(result)]
    names = [name for name in TOPICS if all(name in own for own in result.summaries.values())]
    for name in sorted(names, key=lambda name: name != result.primary):
        lines += _topic(result, name)
    lines += _seeds(result)
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
    return [*lines, *[LIMITS] * bool(result.pairs)]


def grouped(
    tests: Iterable[PairedTest], alpha: float, words: dict[str, str], better: int = 1, statement: str = 'images'
) -> str:
    """``'worse: a, b (noise 20 %); no difference shown: c'``."""
    found: dict[str, dict[str, list[str]]] = {}
    for test in tests:
        conditions = found.setdefault(test.standing(alpha, better, statement), {}).setdefault(test.first, [])
        conditions += [test.condition] * bool(test.condition)
    parts = []
    for kind, text in words.items():
        names = [f'{name} ({", ".join(own)})' if own else name for name, own in found.get(kind, {}).items()]
        parts += [f'{text}: {", ".join(names)}'] if names else []
    return '; '.join(parts)


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"s" * (number != 1)}'


def _holm(tests: int, alpha: float) -> str:
    return f'Holm over {_count(tests, "test")}, {100 * alpha:g} %'


def _tested(result: Comparison) -> str:
    if len(set(result.seeds.values())) == 1:
        seeds = next(iter(result.seeds.values()))
        text = f'{result.images:,} test images; {_count(len(seeds), "seed")}'
    else:
        text = f'{result.images:,} test images; no seed is common to all, each pair is tested on the seeds of both'
    if not result.pairs:
        return f'{text}.'
    name = next(iter(result.tests)) if result.primary == ALL else result.primary
    primary = f'Primary is the {FIGURES[name].title.rstrip(" %")}, the rest is exploratory'
    how = _holm(result.tests[name][0].tests, result.alpha)
    return (
        f'{text}. {"No figure is primary" if result.primary == ALL else primary}. Trained models are compared with '
        f'images drawn by chance, methods with seeds and images drawn by chance ({how} for each).'
    )


def _left_out(result: Comparison) -> list[str]:
    if not result.left_out:
        return []
    names = '; '.join(f'{method} {" ".join(map(str, seeds))}' for method, seeds in result.left_out.items())
    return [f'Left out are seeds that not all methods have: {names}.']


def _few(result: Comparison) -> list[str]:
    if not result.few:
        return []
    return [f'Too few images for intervals and tests of other figures than the accuracy: {result.few}.']


def _topic(result: Comparison, name: str) -> list[str]:
    _, better, digits, _ = FIGURES[name]
    unit = ' %' * FIGURES[name].title.endswith('%')
    means = {m: own[name].mean for m, own in result.summaries.items() if not math.isnan(own[name].mean)}
    if not means:
        return [f'{FIGURES[name].title} is undefined for all methods.']
    top = max(means.values(), key=lambda value: value * better)
    best = [method for method, value in means.items() if math.isclose(value, top)]
    own, value = result.summaries[best[0]][name], f'{top:.{digits}f}{unit}'
    if len(best) == 1 and not math.isnan(own.low):
        value += f' ({100 * result.level:g} % interval {own.low:.{digits}f} to {own.high:.{digits}f})'
    if not result.pairs:
        return [f'{best[0]}: {TOPICS[name].split(" ", 2)[2]} {value}.']
    exploratory = '' if result.primary in (name, ALL) else 'Exploratory: '
    text = f'{exploratory}{", ".join(best)} {"has" if len(best) == 1 else "share"} {TOPICS[name]}, {value}'
    against = result.reference or best[0]
    others = [m for m in result.methods if m != against and (result.reference or m not in best)]
    tests = [test for m in others if (test := result.test(name, m, against)) is not None]
    if not tests:
        return [f'{text}.']
    text += '' if against in best else ', a rank that is not tested itself'
    models = grouped(tests, result.alpha, COMPARED, better)
    if max(len(test.seeds) for test in tests) < 2:
        methods = 'not tested, which takes two seeds or more'
    else:
        methods = grouped(tests, result.alpha, COMPARED, better, 'methods')
    return [f'{text}. These trained models against {against}: {models}. The methods: {methods}.']


def _seeds(result: Comparison) -> list[str]:
    """How many seeds it takes to tell methods that differ as much as these."""
    tests = [t for t in result.tests.get('accuracy', ()) if len(t.seeds) > 1]
    open_tests = [t for t in tests if t.standing(result.alpha, statement='methods') == 'not shown']
    open_tests = [t for t in open_tests if abs(t.methods.value) > 1e-9]  # equal ones are told apart by nothing
    told = []
    for test in sorted(open_tests, key=lambda t: -abs(t.methods.value))[:3]:
        number = seeds_for(test, result.images, result.alpha)
        name = f'{test.first} - {test.second} ({test.methods.value:+.2f} points)'
        told.append(f'{name}: {f"{number} seeds" if number else "more test images, as no number of seeds suffices"}')
    text = f'To show such a difference of methods in 80 of 100 comparisons takes about: {"; ".join(told)}.'
    return [text] * bool(told)


def _deviation(result: Comparison) -> list[str]:
    tests = [test for test in result.ambiguity if test.what == 'deviation']
    count = _count(tests[0].tests if tests else 0, 'test')
    entropy = {test.first: test.images.value for test in result.ambiguity if test.what == 'uncertainty'}
    parts = []
    for test in tests:
        value, low, high, _ = test.images
        text = f'{test.first}: {RANKED[test.standing(result.alpha)]}'
        if not math.isnan(test.images_adjusted):
            text += f', {value:.3f} ({low:.3f} to {high:.3f}), where its uncertainty has {entropy[test.first]:.3f}'
        parts.append(text)
    against = f'Spearman with the entropy of the true distribution against 0, Holm over {count}'
    text = f'Does the latent deviation rank the images by their true ambiguity ({against})? {"; ".join(parts)}.'
    return [text] * bool(parts)


def _changes(result: Changes) -> list[str]:
    base, lines = result.conditions[0], []
    for condition in result.conditions[1:]:
        own = [test for test in result.changes if (test.what, test.condition) == ('accuracy', condition)]
        told = ', '.join(f'{t.first} {t.images.value:+.2f}' for t in sorted(own, key=lambda t: -t.images.value))
        lines += [f'{condition}: points of accuracy gained or lost from {base}: {told}.'] if told else []
    if result.margins:
        told = grouped(result.margins, result.alpha, KEPT)
        told = f'{told}; no other difference is shown' if told else 'no difference is shown'
        how = _holm(result.margins[0].tests, result.alpha)
        lines.append(
            f'Exploratory: {result.kind}, what these trained models keep of the accuracy against {result.reference}: '
            f'{told} ({how}).'
        )
    for what, name in dict(uncertainty='mean uncertainty', deviation='mean latent deviation').items():
        told = grouped((test for test in result.changes if test.what == what), result.alpha, MOVED)
        lines += [f'Exploratory: {result.kind}, the {name} of these trained models: {told}.'] if told else []
    if result.kind == 'label noise':
        lines.append('Each rate of label noise is another training: a change may be that of the training as well.')
    return lines
