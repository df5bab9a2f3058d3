"""The report in Markdown and for a terminal: tables of figures and tests, and how each row came about."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.structures.run_record import versions
from mmfer.utils.tables import render_table

from .changes import Changes
from .figures import COVERAGES, FIGURES
from .groups import GroupTest, by_table, group_table
from .ood import OODTest
from .results import Run
from .statistics import STATEMENTS, Comparison, PairedTest, Summary

GROUPS = {
    'Right answers': ('accuracy', 'mean_class_accuracy', 'macro_f1', 'share_of_observer'),
    'Probabilities': ('nll', 'brier', 'skce', 'ece', 'adaptive_ece', 'overconfidence'),
    'Ranking the answers by uncertainty': ('error_auroc', 'error_aupr', 'fpr95', 'aurc', 'e_aurc'),
    'Answering only the most certain images': tuple(f'accuracy_at_{percent}' for percent in COVERAGES),
    'Distance from the true label distributions': ('kl', 'js'),
    'What ranks the images by their true ambiguity': (
        *(f'{what}_spearman' for what in ('uncertainty', 'deviation', 'aleatoric', 'epistemic')),
        'deviation',
    ),
}
"""Tables of the report: title and figures."""
SHORT = dict(accuracy='accuracy %', mean_class_accuracy='UAR %', nll='NLL', skce='SKCE', ece='ECE %', aurc='AURC %')
SHORT.update(error_auroc='AUROC %', kl='KL', deviation_spearman='dev. ρ')
"""Columns of the table for a terminal."""
PLOTS = {
    'What was tested': ('accuracy', 'Accuracy of each method with its interval'),
    'Right answers': ('confusion', 'Confusion matrices, in % of each true class'),
    'Probabilities': ('reliability', 'Reliability diagrams, with the number of answers in each bin'),
    'Ranking the answers by uncertainty': ('uncertainty', 'Uncertainty of right and wrong answers'),
    'Answering only the most certain images': ('risk_coverage', 'Share of wrong answers over the share answered'),
    'Label noise': ('label_noise', 'Figures of the methods under each condition, with intervals'),
    'Occlusion': ('occlusion', 'Figures of the methods under each condition, with intervals'),
}
"""Section -> its plot, and what that shows."""
CONDITIONS = {
    'label noise': 'Share of the training labels that were replaced, each by one of the other classes; the test labels '
    'are clean. A column is other trainings, tested on the same images.',
    'occlusion': 'Part of each test face that is covered; the trainings are the same in all columns, and the same part '
    'of an image is covered for all methods.',
}
CONDITION_TABLES = dict(
    accuracy='accuracy (%)',
    skce='calibration error (SKCE, %²)',
    aurc='selective prediction (AURC, %)',
    uncertainty='mean uncertainty (nats)',
    deviation='mean latent deviation (units of the logits)',
)
OOD = (
    'Each method also answers images of other data. A score that is higher for them tells them apart: AUROC, these '
    'images positive, chance is 50 % ([Hendrycks & Gimpel](https://arxiv.org/abs/1610.02136)); below 50 % the method '
    'is surer of them than of its own. FPR95: own images that are refused where 95 % of the others are.'
)
BY_GROUP = (
    "Intervals of shares are Clopper and Pearson's, others bootstrap ones; that of the gap holds for all pairs of "
    'groups at once. *By chance* is the mean of the largest gap where faces are dealt out to the groups at random, *p* '
    'that of the permutation test of the groups ([DiCiccio et al.](https://arxiv.org/abs/2007.05124)), *within '
    'classes* the same where faces change groups within their class alone: a gap that is gone there is one of '
    'expressions. Holm: over the methods, for one column and figure. Selective risk: wrong answers among the 90 % of '
    'all faces of which a model is surest.'
)
NOTES = """\
- *mean ± sd* is over the seeds (sample standard deviation); the range in brackets is the {level} % interval of the
  mean with other test images, the models as they are: Clopper and Pearson's for the accuracy, else a t interval
  corrected for skewness, from the influence of each image on the figure. Those of differences are plain t intervals.
- Two statements are tested. *Trained models*: the images are drawn by chance, the models are these. For accuracies the
  test is the exact one of random signs, with one seed McNemar's. *Methods*: seeds and images are drawn by chance, each
  with its own quantile of t (Banerjee); it takes two seeds.
- *Holm* is p after Holm's correction over the pairs of a figure, or over all figures where all are primary; *better*
  and *worse* are said where it is at most {alpha}. Figures that are not primary are exploratory: take them for what to
  test next. A change under a condition is **bold** where it is shown for these trained models.
- The ECE grows with chance, and more for unsure models: it is described and never tested. The SKCE has no such bias.
- The *uncertainty* is the entropy of the prediction, or what the method gives for it. The *latent deviation* of an
  image is the mean of `pred_std` over the classes. The *true ambiguity* is the entropy of the image's true label
  distribution (of the votes, where people voted).
- Reliability diagrams, confusion matrices and histograms put the answers of all seeds of a method together; the ECE
  that is written into a diagram, and the risk-coverage curves, are means over the seeds.
"""


# ---- cells -----------------------------------------------------------------------------------------------------------
def _number(name: str, value: float, sign: str = '') -> str:
    digits = 3 if name == 'uncertainty' else FIGURES[name].digits
    return '-' if math.isnan(value) else f'{value:{sign}.{digits}f}'


def _cell(name: str, summary: Summary | None, short: bool = False) -> str:
    if summary is None or math.isnan(summary.mean):
        return '-'
    text = _number(name, summary.mean)
    if not short and not math.isnan(summary.std):
        text += f' ± {_number(name, summary.std)}'
    if not short and not math.isnan(summary.low):
        text += f' [{_number(name, summary.low)}, {_number(name, summary.high)}]'
    return text


def _difference(test: PairedTest | None, alpha: float) -> str:
    """A difference with its interval, in bold where it is shown for these trained models."""
    if test is None or math.isnan(test.images.value):
        return '-'
    value, low, high = (_number(test.what, number, '+') for number in test.images[:3])
    bold = '**' * (test.standing(alpha) in ('better', 'worse'))
    return f'{bold}{value}{bold} [{low}, {high}]'


def _p(value: float) -> str:
    return '-' if math.isnan(value) else '< 0.0001' if value < 1e-4 else f'{value:.4f}'


def _title(name: str) -> str:
    return FIGURES[name].title + {1: ' ↑', -1: ' ↓', 0: ''}[FIGURES[name].better]


def shown_path(path: str | Path) -> str:
    """A path below the working directory relative to it, any other as it is."""
    if not str(path):
        return '-'
    relative = os.path.relpath(path)
    return str(path) if relative.startswith('..') else Path(relative).as_posix()


def markdown_table(header: Sequence[str], rows: Iterable[Sequence]) -> str:
    """A table in Markdown: first column to the left, the others to the right."""

    def line(cells: Sequence) -> str:
        return '| ' + ' | '.join(str(cell).replace('|', '\\|') for cell in cells) + ' |'

    return '\n'.join([line(header), line([':---', *['---:'] * (len(header) - 1)]), *map(line, rows)])


def _listed(lines: Iterable[str]) -> str:
    return '\n'.join(f'- {line}' for line in lines)


def by_accuracy(result: Comparison) -> list[str]:
    """Methods by their accuracy, the highest first."""
    return sorted(result.methods, key=lambda method: -result.summaries[method]['accuracy'].mean)


def _there(result: Comparison, names: Iterable[str]) -> list[str]:
    return [name for name in names if any(name in own for own in result.summaries.values())]


# ---- the terminal ----------------------------------------------------------------------------------------------------
def terminal_table(result: Comparison, changes: Sequence[Changes] = (), groups: Sequence[GroupTest] = ()) -> str:
    """The tables for a terminal: figures of each method, its accuracy under each condition, and figures by group."""
    names, methods = _there(result, SHORT), by_accuracy(result)
    against = result.reference or methods[0]
    header = ['method', 'seeds', *(SHORT[name] for name in names)]
    header += [f'models against {against}', 'methods'] * bool(result.pairs)
    rows = []
    for method in methods:
        own, test = result.summaries[method], result.test('accuracy', method, against)
        row = [method, len(result.seeds[method]), *(_cell(n, own.get(n), n != 'accuracy') for n in names)]
        told = [] if test is None else [test.standing(result.alpha, statement=each) for each in STATEMENTS]
        rows.append(row + (told or ['', '']) * bool(result.pairs))
    tables = [render_table(header, rows)]
    for each in changes:
        rows = [
            [m, *(_cell('accuracy', each.summary('accuracy', m, c), True) for c in each.conditions)] for m in methods
        ]
        tables.append(render_table([f'{each.kind}: accuracy %', *each.conditions], rows))
    for (by, name), own in by_table(groups).items():
        header, rows = group_table(own)
        tables.append(render_table([f'{name} ({own[0].found.unit}) by {by}', *header[1:]], rows))
    return '\n\n'.join(table.rstrip('\n') for table in tables)


# ---- the page --------------------------------------------------------------------------------------------------------
def page(
    runs: Sequence[Run],
    result: Comparison,
    lines: Sequence[str],
    terms: Sequence[str] = (),
    changes: Sequence[Changes] = (),
    ood: Sequence[OODTest] = (),
    groups: Sequence[GroupTest] = (),
) -> str:
    """The report in Markdown.

    Args:
        runs: All that were trained, those of the baseline first.
        result: Figures and tests of the baseline.
        lines: The verdict.
        terms: Sentences on what the trainings had in common.
        changes: What each kind of condition does.
        ood: How the methods tell other images.
        groups: Figures by group of faces.
    """
    first, number = runs[0], len(result.methods)
    counts = np.bincount(first.labels, minlength=len(first.classes))
    classes = ', '.join(f'{name} {count:,}' for name, count in zip(first.classes, counts))
    protocol = first.protocol or 'The data set did not name itself'
    parts = [f'# Comparison of {number} methods' if number > 1 else f'# Results of {first.method}', _listed(lines)]
    parts += _section('What was tested', f'{protocol}; {len(first.labels):,} images: {classes}.')
    for title, group in GROUPS.items():
        names = _there(result, group)
        rows = [
            [method, len(result.seeds[method]), *(_cell(name, result.summaries[method].get(name)) for name in names)]
            for method in by_accuracy(result)
        ]
        meanings = _listed(f'{FIGURES[name].title}: {FIGURES[name].meaning}' for name in names)
        if names:
            parts += _section(title, markdown_table(['method', 'seeds', *map(_title, names)], rows), meanings)
    for each in changes:
        parts += _section(each.kind.capitalize(), CONDITIONS[each.kind]) + _conditions(each)
    if ood:
        header = ['method', 'other images', 'ranked by', 'AUROC %', 'FPR95 %']
        parts += _section('Out-of-distribution images', OOD, markdown_table(header, map(_ood_row, ood)))
    parts += _section('Groups', BY_GROUP, *_groups(groups)) if groups else []
    parts += _section('Tests', *_tests(result)) if result.pairs else []
    parts += _section('Terms of the comparison', _listed(terms)) if terms else []
    values = dict(level=f'{100 * result.level:g}', alpha=f'{result.alpha:g}')
    parts += _section('How to read it', NOTES.format(**values).rstrip())
    parts += _section('How each row came about', *_origins(runs))
    return '\n\n'.join(parts) + '\n'


def _section(title: str, *parts: str) -> list[str]:
    plot, shows = PLOTS.get(title, ('', ''))
    return [f'## {title}', *parts, *([f'![{shows}]({plot}.png)'] if plot else [])]


def _conditions(result: Changes) -> list[str]:
    """A table a figure with a column a condition, then its changes and its differences to the reference."""
    base, *others = result.conditions
    alpha, reference = result.alpha, result.reference

    def table(cell: Callable[[str, str], str], columns: Sequence[str], text: str) -> list[str]:
        rows = [[method, *(cell(method, column) for column in columns)] for method in result.methods]
        rows = [row for row in rows if set(row[1:]) != {'-'}]
        return [text, markdown_table(['method', *columns], rows)] if rows else []

    def changes(tests: Sequence[PairedTest], text: str) -> list[str]:
        found = {(test.first, test.condition): test for test in tests}
        return table(lambda *key: _difference(found.get(key), alpha), others, text)

    parts = []
    for name, title in CONDITION_TABLES.items():
        own = {(m, c): _cell(name, result.summary(name, m, c)) for m in result.methods for c in result.conditions}
        tests = {(m, c): result.comparisons[c].test(name, m, reference) for m, c in own}
        cells = {key: _difference(test, alpha) for key, test in tests.items()}
        parts += table(lambda *key, own=own: own[key], [base, *others], f'### {result.kind.capitalize()}: {title}')
        parts += changes([test for test in result.changes if test.what == name], f'Change from {base}:')
        if name == 'accuracy':
            parts += changes(result.margins, f'That change less that of `{reference}` (below 0: more is lost):')
        text = f'Difference to `{reference}` within each column:'
        parts += table(lambda *key, cells=cells: cells[key], [base, *others], text)
    return parts


def _groups(tests: Sequence[GroupTest]) -> list[str]:
    parts = []
    for (by, name), own in by_table(tests).items():
        notes = dict.fromkeys(note for test in own for note in test.notes)
        parts += [f'### {name} ({own[0].found.unit}) by {by}', markdown_table(*group_table(own))]
        parts += [_listed(notes)] if notes else []
    return parts


def _ood_row(test: OODTest) -> list[str]:
    std = np.std(list(test.by_seed.values()), ddof=1) if len(test.by_seed) > 1 else math.nan
    spread = '' if math.isnan(std) else f' ± {std:.2f}'
    value = f'{test.mean:.2f}{spread} [{test.low:.2f}, {test.high:.2f}]'
    return [test.method, f'{test.data} ({test.images:,})', test.what, value, f'{test.fpr95:.2f}']


def _tests(result: Comparison) -> list[str]:
    """The pairs, by figure."""
    against = f'Each method is tested against `{result.reference}`' if result.reference else 'Every pair is tested'
    text = f'{against}: {len(result.pairs)} pair{"s" * (len(result.pairs) > 1)}. Differences are the first minus the '
    text += 'second method; *only* counts the images that one of both gets right more often.'
    rows = []
    for name, tests in result.tests.items():
        for test in tests:
            row = [_title(name), f'{test.first} - {test.second}', _number(name, test.images.value, '+')]
            row += ['-' if test.discordant is None else '{} : {}'.format(*test.discordant)]
            for statement in STATEMENTS:
                own, adjusted = getattr(test, statement), getattr(test, f'{statement}_adjusted')
                low, high = (_number(name, end, '+') for end in own[1:3])
                told = test.standing(result.alpha, FIGURES[name].better, statement)
                row += [f'{low} to {high}' if low != '-' else '-', _p(own.p_value), _p(adjusted), told]
            rows.append(row)
    header = ['figure', 'pair', 'difference', 'only']
    for kind in ('trained models', 'methods'):
        header += [f'{kind}: {100 * result.level:g} % interval', 'p', 'Holm', 'the first is']
    return [text, markdown_table(header, rows)]


def _origins(runs: Sequence[Run]) -> list[str]:
    rows, groups = [], {}
    for run in runs:
        facts, seconds = run.facts, run.facts.get('seconds')
        accuracy = 100 * float(F.top_label(run.scores, run.labels)[1].mean())
        rows.append(
            [run.method, '-' if run.seed is None else run.seed, _number('accuracy', accuracy)]
            + [f'`{shown_path(run.config)}`' if run.config else '-', facts.get('config_hash', '-')]
            + [f'`{Path(run.checkpoint).name}`' if run.checkpoint else '-', facts.get('epochs', '-')]
            + [f'{facts["parameters"]:,}' if 'parameters' in facts else '-']
            + ['-' if seconds is None else f'{seconds / 60:.1f} min', facts.get('finished', '-')]
        )
        software = [f'{name} {version}' for name, version in facts.get('versions', {}).items()]
        software += [f'git {facts["git"]}'] if 'git' in facts else []
        groups.setdefault(', '.join(software), []).append(run.name)
    header = ['method', 'seed', 'accuracy %', 'config', 'config hash', 'checkpoint', 'epochs', 'parameters', 'time']
    parts = [markdown_table([*header, 'finished'], rows)]
    for software, names in groups.items():
        every = 'all runs' if len(names) == len(runs) else '; '.join(names)
        parts += [f'Trained with {software}: {every}.'] if software else []
    return [*parts, 'This report was made with ' + ', '.join(f'{k} {v}' for k, v in versions().items()) + '.']
