"""Sentences on a comparison that claim nothing its tests do not support.

A method is called better or worse only if the paired bootstrap over images is significant after Holm's correction *and*
the difference has the same sign in every common seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .figures import FIGURES
from .statistics import FIXED_PAIR, Comparison, PairTest, RankTest

TOPICS = dict(
    accuracy='the highest accuracy',
    nll='the lowest NLL',
    ece='the lowest ECE',
    aurc='the lowest AURC (selective prediction)',
    kl='the lowest divergence from the true distributions (KL)',
)


def verdict(result: Comparison, images: int) -> list[str]:
    """The sentences, a topic each."""
    methods = result.methods
    lines = []
    for name in TOPICS:
        if all(name in result.summaries[method] for method in methods):
            lines.append(_topic(result, name, images if name == 'accuracy' else None))
    lines += [*_observer(result), *_deviation(result), *_kl_effect(result)]
    return [*lines, *_limits(result)]


def standing(test: PairTest | None, better: int, alpha: float) -> str:
    """What a test says of its first method: 'better', 'worse', 'unsteady' (not in every seed), 'not significant', or
    'not tested'."""
    if test is None or math.isnan(test.adjusted):
        return 'not tested'
    if test.adjusted > alpha:
        return 'not significant'
    if not test.steady:
        return 'unsteady'
    return 'better' if test.difference.value * better > 0 else 'worse'


def listed(names: Sequence[str], last: str = 'and') -> str:
    """
    >>> listed(['a', 'b', 'c'])
    'a, b and c'
    """
    names = list(names)
    return names[0] if len(names) == 1 else f'{", ".join(names[:-1])} {last} {names[-1]}' if names else ''


def shown(name: str, value: float) -> str:
    """A figure with its unit."""
    if math.isnan(value):
        return 'undefined'
    figure = FIGURES[name]
    return f'{value:.{figure.digits}f}' + (' %' if figure.title.endswith('%') else '')


def _interval(result: Comparison, name: str, low: float, high: float) -> str:
    if math.isnan(low) or name == 'ece':  # whose interval may lie above it, which the report explains
        return ''
    digits = FIGURES[name].digits
    return f' ({100 * result.level:g} % interval {low:.{digits}f} to {high:.{digits}f})'


def _groups(result: Comparison, name: str, others: Sequence[str], against: str) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for method in others:
        test = result.test(name, method, against)
        groups.setdefault(standing(test, FIGURES[name].better, result.alpha), []).append(method)
    return groups


def _groups_text(result: Comparison, name: str, groups: dict[str, list[str]]) -> str:
    def are(names: list[str]) -> str:
        return 'is' if len(names) == 1 else 'are'

    parts = []
    for kind in ('worse', 'better'):
        if kind in groups:
            parts.append(f'{listed(groups[kind])} {are(groups[kind])} significantly {kind}')
    if 'not significant' in groups:
        parts.append(f'for {listed(groups["not significant"])} no significant difference was found')
    if 'unsteady' in groups:
        parts.append(
            f'that of {listed(groups["unsteady"])} is significant on these images, but not of one sign in all seeds'
        )
    if 'not tested' in groups:
        parts.append(f'{listed(groups["not tested"])} could not be tested (no common seed)')
    return '; '.join(parts)


def _how(result: Comparison) -> str:
    pairs = len(result.pairs)
    return f'paired bootstrap over images, Holm over {pairs} pair{"s" * (pairs > 1)}, {100 * result.alpha:g} %'


def _topic(result: Comparison, name: str, images: int | None) -> str:
    better = FIGURES[name].better
    means = {m: own[name].mean for m, own in result.summaries.items() if not math.isnan(own[name].mean)}
    if not means:
        return f'{FIGURES[name].title} is undefined for all methods.'
    top = max(means.values(), key=lambda value: value * better)
    best = [method for method, value in means.items() if value == top]
    own = result.summaries[best[0]][name]
    where = f'On {images:,} test images and {_seeds(result)}, ' if images else ''
    value = shown(name, top) + _interval(result, name, own.low, own.high)
    if len(result.methods) == 1:
        return (
            f'{where}{best[0]}: {TOPICS[name].split(" ", 2)[2]} {value}; there is no other method to compare it with.'
        )
    many = len(best) > 1
    value = shown(name, top) if many else value
    text = f'{where}{listed(best)} {"share" if many else "has"} {TOPICS[name]}, {value}'
    if result.reference is None:
        others = [method for method in result.methods if method not in best]
        told = _groups_text(result, name, _groups(result, name, others, best[0]))
        text += f'; {told} ({_how(result)}).' if told else '.'
    else:
        reference = result.reference
        others = [method for method in result.methods if method != reference]
        told = _groups_text(result, name, _groups(result, name, others, reference))
        rank = '' if best == [reference] else ', a rank that is not tested itself'
        mean = result.summaries[reference][name].mean
        text += f'{rank}. Against {reference} ({shown(name, mean)}): {told} ({_how(result)}).'
    return text


def _seeds(result: Comparison) -> str:
    counts = sorted({len(seeds) for seeds in result.seeds.values()})
    if len(counts) > 1:
        return f'{counts[0]} to {counts[-1]} seeds a method'
    return f'{counts[0]} seed{"s" * (counts[0] > 1)}'


def _observer(result: Comparison) -> list[str]:
    if math.isnan(result.observer):
        return []
    return [
        f'A perfect observer, who knows the true distribution of each image, has {result.observer:.2f} % accuracy on '
        'these labels; no method can expect more, and what exceeds it is chance.'
    ]


def _deviation(result: Comparison) -> list[str]:
    tests = [test for test in result.ambiguity if test.what == 'deviation']
    if not tests:
        return []
    by_entropy = {test.method: test for test in result.ambiguity if test.what == 'uncertainty'}
    lines = [f'{test.method}: {_ranks(result, test, by_entropy.get(test.method))}' for test in tests]
    lacking = [method for method in result.methods if method not in {test.method for test in tests}]
    end = f' No latent deviation: {listed(lacking)}.' if lacking else ''
    count = f'{len(tests)} method{"s" * (len(tests) > 1)}'
    return [
        'Does the latent deviation rank the images by their true ambiguity (Spearman with the entropy of the true '
        f'distribution against 0, bootstrap over images, Holm over {count})? ' + '; '.join(lines) + '.' + end
    ]


def rank_standing(test: RankTest, alpha: float) -> str:
    """'constant', 'rises', 'falls', 'unsteady' (not in every seed) or 'not significant'."""
    if math.isnan(test.adjusted):
        return 'constant'
    if test.adjusted > alpha:
        return 'not significant'
    if not test.steady:
        return 'unsteady'
    return 'rises' if test.difference.value > 0 else 'falls'


def _ranks(result: Comparison, test: RankTest, entropy: RankTest | None) -> str:
    standing = rank_standing(test, result.alpha)
    if standing == 'constant':
        return 'no, it is the same for all images in at least one seed'
    value = f'{test.difference.value:.3f}' + _interval(
        result, 'deviation_spearman', test.difference.low, test.difference.high
    )
    text = {
        'rises': f'yes, {value}',
        'falls': f'it falls with the ambiguity, {value}',
        'not significant': f'not shown, {value}',
        'unsteady': f'not shown, {value}, as its sign differs between seeds',
    }[standing]
    if entropy is not None and not math.isnan(entropy.difference.value):
        text += f', where the entropy of its scores has {entropy.difference.value:.3f}'
    return text


def _kl_effect(result: Comparison) -> list[str]:
    with_kl, without = FIXED_PAIR
    if not set(FIXED_PAIR) <= set(result.methods):
        return []
    parts = []
    for name in result.tests:
        test = result.test(name, with_kl, without)
        title = FIGURES[name].title.replace(' %', '')
        kind = standing(test, FIGURES[name].better, result.alpha)
        kind = dict(unsteady='significant, but not of one sign in all seeds').get(kind, kind)
        if kind in ('better', 'worse'):
            kind = f'significantly {kind}'
        value = '' if test is None or math.isnan(test.difference.value) else f' ({_signed(name, test)})'
        parts.append(f'{title} {kind}{value}')
    lines = [f'{with_kl} minus {without}: {", ".join(parts)}.'] if parts else []
    effect = result.kl_effect
    if effect is not None:
        means = [result.summaries[method]['deviation'].mean for method in FIXED_PAIR]
        text = f'The mean deviation is {means[0]:.4g} with {with_kl} and {means[1]:.4g} with {without}'
        kind = standing(effect, 1, result.alpha)
        if kind == 'not tested':
            text += '; whether their deviations rank the ambiguity differently cannot be tested.'
        else:
            told = dict(
                better=f'that of {with_kl} ranks the true ambiguity significantly better',
                worse=f'that of {with_kl} ranks the true ambiguity significantly worse',
                unsteady='which ranks the true ambiguity better differs between seeds',
            ).get(kind, 'no significant difference in how they rank the true ambiguity was found')
            text += f'; {told} (difference of Spearman {_signed("deviation_spearman", effect)}).'
        lines.append(text)
    return [' '.join(lines)] if lines else []


def _signed(name: str, test: PairTest) -> str:
    digits = FIGURES[name].digits
    d = test.difference
    return f'{d.value:+.{digits}f}, {d.low:+.{digits}f} to {d.high:+.{digits}f}'


def _limits(result: Comparison) -> list[str]:
    lines = []
    common = {len(test.seeds) for tests in result.tests.values() for test in tests}
    if result.pairs:
        text = (
            'These tests take the images as drawn by chance and the trained models as they are. That no difference was '
            'found does not mean that there is none: the intervals of the differences say how large it may be.'
        )
        if min(common, default=0) < result.seeds_needed:
            have = f'{min(common)}' if len(common) == 1 else f'{min(common)} to {max(common)}'
            text += (
                f' What another training would give is not tested: over seeds that takes {result.seeds_needed} common '
                f'seeds for {len(result.pairs)} pair{"s" * (len(result.pairs) > 1)}, and there are {have}'
            )
            stds = [own['accuracy'].std for own in result.summaries.values() if not math.isnan(own['accuracy'].std)]
            text += (
                f' (standard deviation of the accuracy over the seeds: up to {max(stds):.2f} points).' if stds else '.'
            )
        lines.append(text)
    if len(set(result.seeds.values())) > 1:
        sets = '; '.join(f'{m}: {" ".join(map(str, seeds))}' for m, seeds in result.seeds.items())
        lines.append(f'The methods have different seeds ({sets}): each pair is tested on its common seeds alone.')
    if any(len(seeds) == 1 for seeds in result.seeds.values()):
        one = [method for method, seeds in result.seeds.items() if len(seeds) == 1]
        lines.append(f'One seed alone: {listed(one)}; how much another training would differ is unknown.')
    return lines
