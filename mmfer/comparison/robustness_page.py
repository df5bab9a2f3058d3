"""The report on robustness: its page, its numbers for machines, its plot."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mmfer.structures.run_record import versions
from mmfer.utils.files import write_json, write_text
from mmfer.utils.tables import render_table

from .figures import FIGURES
from .page import markdown_table
from .report import plain
from .robustness import Change, Robustness
from .statistics import Summary
from .verdict import listed, standing

TABLES = dict(accuracy='Accuracy (%)', ece='Calibration error (ECE, %)', aurc='Selective prediction (AURC, %)')
MEAN_TABLES = dict(uncertainty='Mean uncertainty (nats)', deviation='Mean latent deviation (units of the logits)')
DIGITS = dict(accuracy=2, ece=2, aurc=3, uncertainty=3, deviation=3)
WHAT = {
    'label noise': 'Share of the training labels that were replaced, each by one of the other classes; the test labels '
    'are clean. A column is other trainings, tested on the same images.',
    'occlusion': 'Part of each test face that is covered; the trainings are the same in all columns, and the same part '
    'of an image is covered for all methods.',
}
AXES = {'label noise': 'wrong training labels (%)', 'occlusion': 'share of the face that is covered (%)'}
NOTES = """\
- *mean ± sd* is over the seeds; the range in brackets is the {level} % bootstrap interval of the mean over resampled
  test images, the models as they are. The calibration error is biased upwards in replicates, so it has none.
- Changes compare the answers to the same images, with the same seeds. Those in **bold** are significant: p of the
  paired bootstrap at most {alpha} after Holm's correction over methods and conditions, with one sign in all seeds.
- Differences to `{reference}` within a condition are those of `compare_heads.py`: paired bootstrap over images, Holm's
  correction over the pairs of that condition and figure; bold as above.
- *Uncertainty* is the entropy of the prediction, or what the method gives for it; the *latent deviation* is the mean of
  `pred_std` over the classes.
"""
FILES = ('robustness.md', 'robustness.json', 'robustness.png')


def write_robustness(result: Robustness, out_dir: str | Path, terms: Sequence[str] = ()) -> dict[str, Path]:
    """Write ``robustness.md``, ``robustness.json`` and ``robustness.png``.

    Args:
        result: Of :func:`mmfer.comparison.robustness.assess`.
        out_dir: Folder; made if it is not there. Files of an earlier report are replaced.
        terms: Sentences on how the runs were made.

    Returns:
        Name -> file.
    """
    from mmfer.visualization.curves import save_figure  # matplotlib takes long to import
    from mmfer.visualization.robustness import draw_robustness

    files = {name: Path(out_dir, name) for name in FILES}
    text = page(result, terms)
    content = dict(asdict(result), verdict=robustness_verdict(result), terms=list(terms), versions=versions())
    points = _points(result)
    figure = draw_robustness(points, result.conditions, list(result.shares.values()), AXES[result.kind])
    Path(out_dir).mkdir(parents=True, exist_ok=True)
    save_figure(figure, files['robustness.png'])
    write_text(files['robustness.md'], text)
    write_json(files['robustness.json'], plain(content))
    return files


def _points(result: Robustness) -> dict[str, dict[str, list[tuple]]]:
    titles = {**TABLES, 'uncertainty': MEAN_TABLES['uncertainty']}
    points: dict[str, dict[str, list[tuple]]] = {}
    for name, title in titles.items():
        for method in result.methods:
            own = [_summary(result, name, method, condition) for condition in result.conditions]
            ends = [(math.nan, math.nan) if s is None or name == 'ece' else (s.low, s.high) for s in own]
            points.setdefault(title, {})[method] = [
                (math.nan if summary is None else summary.mean, *pair) for summary, pair in zip(own, ends)
            ]
    return points


def _summary(result: Robustness, name: str, method: str, condition: str) -> Summary | None:
    if name in MEAN_TABLES:
        return result.means[condition].get(method, {}).get(name)
    return result.comparisons[condition].summaries.get(method, {}).get(name)


def terminal_tables(result: Robustness) -> str:
    """Accuracy and mean uncertainty of each method under each condition, for a terminal."""
    parts = []
    for name, title in (('accuracy', TABLES['accuracy']), ('uncertainty', MEAN_TABLES['uncertainty'])):
        rows = [
            [method, *(_short(name, _summary(result, name, method, condition)) for condition in result.conditions)]
            for method in result.methods
        ]
        parts.append(render_table([title, *result.conditions], rows).rstrip('\n'))
    return '\n\n'.join(parts)


def _short(name: str, summary: Summary | None) -> str:
    return '-' if summary is None else f'{summary.mean:.{DIGITS[name]}f}'


def _cell(name: str, summary: Summary | None) -> str:
    if summary is None or math.isnan(summary.mean):
        return '-'
    digits = DIGITS[name]
    text = f'{summary.mean:.{digits}f}'
    if not math.isnan(summary.std):
        text += f' ± {summary.std:.{digits}f}'
    if not math.isnan(summary.low) and name != 'ece':
        text += f' [{summary.low:.{digits}f}, {summary.high:.{digits}f}]'
    return text


def _signed(value: float, low: float, high: float, digits: int, bold: bool) -> str:
    if math.isnan(value):
        return '-'
    text = f'{value:+.{digits}f}'
    text = f'**{text}**' if bold else text
    return text if math.isnan(low) else f'{text} [{low:+.{digits}f}, {high:+.{digits}f}]'


def page(result: Robustness, terms: Sequence[str] = ()) -> str:
    """The report in Markdown."""
    base, others = result.conditions[0], result.conditions[1:]
    parts = [
        f'# Robustness: {result.kind}',
        '\n'.join(f'- {line}' for line in robustness_verdict(result)),
        f'{result.images:,} test images. {WHAT[result.kind]}',
        '![Figures of the methods under each condition](robustness.png)',
    ]
    for name, title in {**TABLES, **MEAN_TABLES}.items():
        rows = [[m, *(_cell(name, _summary(result, name, m, c)) for c in result.conditions)] for m in result.methods]
        rows = [row for row in rows if any(cell != '-' for cell in row[1:])]
        if rows:
            parts += [f'## {title}', markdown_table(['method', *result.conditions], rows)]
        changes = {(c.method, c.condition): c for c in result.changes if c.what == name}
        if changes:
            parts += [f'Change from {base}:', _change_table(result, changes, others, name)]
        if name == 'accuracy' and result.margins:
            margins = {(change.method, change.condition): change for change in result.margins}
            text = (
                f'How much more, or less, accuracy changes than that of `{result.reference}` (below 0: it loses more):'
            )
            parts += [text, _change_table(result, margins, others, name)]
        if name in TABLES:
            parts += _differences(result, name)
    notes = NOTES.format(level=f'{100 * result.level:g}', alpha=f'{result.alpha:g}', reference=result.reference)
    parts += ['## How to read this', notes.rstrip()]
    if terms:
        parts += ['## How it was made', '\n'.join(f'- {line}' for line in terms)]
    parts.append('This report was made with ' + ', '.join(f'{k} {v}' for k, v in versions().items()) + '.')
    return '\n\n'.join(parts) + '\n'


def _change_table(result: Robustness, changes: Mapping[tuple, Change], others: Sequence[str], name: str) -> str:
    rows = []
    for method in result.methods:
        own = [changes.get((method, condition)) for condition in others]
        if any(change is not None for change in own):
            rows.append([method, *('-' if c is None else _change_cell(c, name, result.alpha) for c in own)])
    return markdown_table(['method', *others], rows)


def _change_cell(change: Change, name: str, alpha: float) -> str:
    bold = change.standing(alpha) in ('rises', 'falls')
    return _signed(*change.difference[:3], DIGITS[name], bold)


def _differences(result: Robustness, name: str) -> list[str]:
    """Table of the differences to the reference within each condition; nothing without another method."""
    rows = []
    for method in result.methods:
        if method == result.reference:
            continue
        cells = []
        for condition in result.conditions:
            test = result.comparisons[condition].test(name, method, result.reference)
            bold = standing(test, FIGURES[name].better, result.alpha) in ('better', 'worse')
            cells.append('-' if test is None else _signed(*test.difference[:3], DIGITS[name], bold))
        rows.append([method, *cells])
    text = f'Difference to `{result.reference}` within each column:'
    return [text, markdown_table(['method', *result.conditions], rows)] if rows else []


# ---- the verdict -----------------------------------------------------------------------------------------------------
def robustness_verdict(result: Robustness) -> list[str]:
    """Sentences that claim nothing the tests do not support."""
    lines = [_losses(result, condition) for condition in result.conditions[1:]]
    lines = [line for line in lines if line]
    if result.margins:
        lines.append(_against_reference(result))
    for what, name in (('uncertainty', 'mean uncertainty'), ('deviation', 'mean latent deviation')):
        own = [change for change in result.changes if change.what == what]
        if own:
            lines.append(_rises(result, own, name))
    seeds = {len(comparison.seeds[m]) for comparison in result.comparisons.values() for m in comparison.methods}
    if min(seeds) == 1:
        lines.append('There is one seed of at least one method: how much another training would differ is unknown.')
    limits = 'The tests take the images as drawn by chance and the trained models as they are; that no difference was '
    limits += 'found does not mean that there is none.'
    if result.kind == 'label noise':
        limits += ' Each rate is another training: a change may be that of the training as well.'
    lines.append(limits)
    return lines


def _losses(result: Robustness, condition: str) -> str:
    own = sorted(
        (change for change in result.changes if change.what == 'accuracy' and change.condition == condition),
        key=lambda change: -change.difference.value,
    )
    if not own:
        return ''
    told = [f'{change.method} {change.difference.value:+.2f}' for change in own]
    return f'{condition}: points of accuracy gained or lost from {result.conditions[0]}, best first: {", ".join(told)}.'


def _against_reference(result: Robustness) -> str:
    words = dict(rises='keeps significantly more', falls='keeps significantly less')
    parts, tested = [], []
    for method in result.methods:
        own = [change for change in result.margins if change.method == method]
        tested += [method] if own else []
        for kind, text in words.items():
            names = [change.condition for change in own if change.standing(result.alpha) == kind]
            if names:
                parts.append(f'{method} {text} with {listed(names)}')
    found = '; '.join(parts) if parts else f'no significant difference was found for {listed(tested)}'
    rest = '; no other difference is significant' if parts else ''
    tests = f'{len(result.margins)} test{"s" * (len(result.margins) > 1)}'
    how = f'paired bootstrap over images, Holm over {tests}, {100 * result.alpha:g} %'
    return f'Of its accuracy under {result.conditions[0]}, against {result.reference}: {found}{rest} ({how}).'


def _rises(result: Robustness, changes: Sequence[Change], name: str) -> str:
    parts = []
    for method in result.methods:
        groups: dict[str, list[str]] = {}
        for change in (change for change in changes if change.method == method):
            groups.setdefault(change.standing(result.alpha), []).append(change.condition)
        told = [
            f'{word} with {listed(groups[kind])}'
            for kind, word in (
                ('rises', 'rises'),
                ('falls', 'falls'),
                ('unsteady', 'differs in sign between the seeds'),
                ('not significant', 'no change shown'),
            )
            if kind in groups
        ]
        if told:
            parts.append(f'{method}: {", ".join(told)}')
    return f'Does the {name} change? {"; ".join(parts)}.'
