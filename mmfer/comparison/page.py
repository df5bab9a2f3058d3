"""The page of a comparison: tables of figures and tests, and how each row can be made again."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.structures.run_record import versions
from mmfer.utils.tables import render_table

from .figures import COVERAGES, FIGURES
from .foreign import HEADER as FOREIGN_HEADER
from .foreign import foreign_rows
from .results import Run
from .statistics import Comparison, Summary
from .verdict import standing

GROUPS = {
    'Right answers': ('accuracy', 'mean_class_accuracy', 'macro_f1', 'share_of_observer'),
    'Probabilities': ('nll', 'brier', 'ece', 'adaptive_ece', 'overconfidence'),
    'Ranking the answers by uncertainty': ('error_auroc', 'error_aupr', 'fpr95', 'aurc', 'e_aurc'),
    'Answering only the most certain images': tuple(f'accuracy_at_{percent}' for percent in COVERAGES),
    'Distance from the true label distributions': ('kl', 'js'),
    'What ranks the images by their true ambiguity': (
        'uncertainty_spearman',
        'deviation_spearman',
        'aleatoric_spearman',
        'epistemic_spearman',
        'deviation',
    ),
}
"""Tables of the report: title and figures."""
SHORT = dict(accuracy='accuracy %', mean_class_accuracy='UAR %', nll='NLL', ece='ECE %', aurc='AURC %')
SHORT.update(error_auroc='AUROC %', kl='KL', deviation_spearman='dev. ρ')
"""Columns of the table for a terminal."""
PLOTS = dict(
    accuracy='Accuracy of each method with its interval',
    reliability='Reliability diagrams: accuracy over confidence, with the number of answers in each bin',
    risk_coverage='Risk-coverage curves: share of wrong answers over the share of images answered',
    confusion='Confusion matrices, in % of each true class',
    uncertainty='Uncertainty of right and wrong answers',
)
NOTES = """\
- *mean ± sd* is over the seeds (sample standard deviation); the range in brackets is the {level} % bootstrap interval
  of the mean over resampled test images ({replicates:,} replicates, the models as they are). The calibration error is
  biased upwards in small samples and more so in replicates, so its interval can lie above it.
- *p* is of the paired bootstrap, which draws the same images for both methods and averages over their common seeds;
  *Holm* is p after Holm's correction over the pairs of that figure. A method is called better or worse where Holm's p
  is at most {alpha} and the difference has one sign in all common seeds; *up* counts those where it is above 0.
- The *latent deviation* of an image is the mean of `pred_std` over the classes. The *true ambiguity* is the entropy of
  the image's true label distribution (of the votes, where people voted).
- Reliability diagrams, confusion matrices and histograms put the answers of all seeds of a method together; the ECE
  that is written into a diagram, and the risk-coverage curves, are means over the seeds.
"""


def _number(name: str, value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.{FIGURES[name].digits}f}'


def _cell(name: str, summary: Summary | None, short: bool = False) -> str:
    if summary is None or math.isnan(summary.mean):
        return '-'
    text = _number(name, summary.mean)
    if short:
        return text
    if not math.isnan(summary.std):
        text += f' ± {_number(name, summary.std)}'
    if not math.isnan(summary.low):
        text += f' [{_number(name, summary.low)}, {_number(name, summary.high)}]'
    return text


def _there(result: Comparison, names: Sequence[str]) -> list[str]:
    return [name for name in names if any(name in own for own in result.summaries.values())]


def by_accuracy(result: Comparison) -> list[str]:
    """Methods by their accuracy, the highest first."""
    return sorted(result.methods, key=lambda method: -result.summaries[method]['accuracy'].mean)


def terminal_table(result: Comparison) -> str:
    """The table for a terminal, with the lines that say what it shows."""
    names, methods = _there(result, SHORT), by_accuracy(result)
    against = result.reference or methods[0]
    header = ['method', 'seeds', *(SHORT[name] for name in names)]
    rows = [
        [
            method,
            len(result.seeds[method]),
            *(_cell(name, result.summaries[method].get(name), short=name != 'accuracy') for name in names),
        ]
        for method in methods
    ]
    if result.pairs:
        header.append(f'against {against}')
        for row in rows:
            test = result.test('accuracy', row[0], against)
            row.append('' if row[0] == against else standing(test, 1, result.alpha))
    notes = [
        f'accuracy: mean ± standard deviation over seeds [{100 * result.level:g} % bootstrap interval over images]; '
        'all other figures: mean over seeds'
    ]
    if result.pairs:
        notes.append(
            f'against {against}: accuracy, paired bootstrap, Holm, {100 * result.alpha:g} %, one sign in all seeds'
        )
    return '\n'.join([render_table(header, rows).rstrip('\n'), *notes])


def markdown_table(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A table in Markdown: first column to the left, the others to the right."""

    def line(cells: Sequence) -> str:
        return '| ' + ' | '.join(str(cell).replace('|', '\\|') for cell in cells) + ' |'

    return '\n'.join([line(header), line([':---', *['---:'] * (len(header) - 1)]), *map(line, rows)])


def page(runs: Sequence[Run], result: Comparison, lines: Sequence[str], terms: Sequence[str] = ()) -> str:
    """The report in Markdown; ``lines`` are the verdict, ``terms`` say what the trainings had in common."""
    first = runs[0]
    counts = np.bincount(first.labels, minlength=len(first.classes))
    notes = NOTES.format(
        level=f'{100 * result.level:g}', replicates=result.replicates, alpha=f'{result.alpha:g}'
    ).rstrip()
    number = len(result.methods)
    parts = [
        f'# Comparison of {number} methods' if number > 1 else f'# Results of {first.method}',
        '\n'.join(f'- {line}' for line in lines),
        '## What was tested',
        f'{first.protocol or "The data set did not name itself"}; {len(first.labels):,} images: '
        + ', '.join(f'{name} {count:,}' for name, count in zip(first.classes, counts))
        + '.',
        _figure('accuracy'),
    ]
    pictures = {'Right answers': 'confusion', 'Probabilities': 'reliability'}
    pictures.update({'Ranking the answers by uncertainty': 'uncertainty'})
    pictures.update({'Answering only the most certain images': 'risk_coverage'})
    for title, group in GROUPS.items():
        names = _there(result, group)
        if not names:
            continue
        header = ['method', 'seeds', *(f'{FIGURES[name].title}{_arrow(name)}' for name in names)]
        rows = [
            [m, len(result.seeds[m]), *(_cell(name, result.summaries[m].get(name)) for name in names)]
            for m in by_accuracy(result)
        ]
        meanings = '\n'.join(f'- {FIGURES[name].title}: {FIGURES[name].meaning}' for name in names)
        parts += [f'## {title}', markdown_table(header, rows), meanings]
        if title in pictures:
            parts.append(_figure(pictures[title]))
    parts += _foreign(result)
    parts += _tests(result)
    if terms:
        parts += ['## Terms of the comparison', '\n'.join(f'- {line}' for line in terms)]
    parts += ['## How to read it', notes, '## How each row came about', *_origins(runs)]
    return '\n\n'.join(parts) + '\n'


def _arrow(name: str) -> str:
    return {1: ' ↑', -1: ' ↓', 0: ''}[FIGURES[name].better]


def _figure(name: str) -> str:
    return f'![{PLOTS[name]}]({name}.png)'


def _foreign(result: Comparison) -> list[str]:
    if not result.foreign:
        return []
    told = (
        'Each method is also shown images of another data set, which it was not trained for. A score that is '
        'higher for them tells them apart: AUROC, foreign images positive, chance is 50 % '
        '([Hendrycks & Gimpel](https://arxiv.org/abs/1610.02136)); below 50 % the method is surer of foreign images '
        'than of its own. FPR95: own images that are refused where 95 % of the foreign ones are.'
    )
    return ['## Telling foreign images', told, markdown_table(FOREIGN_HEADER, foreign_rows(result.foreign))]


def _p(value: float) -> str:
    return '-' if math.isnan(value) else '< 0.0001' if value < 1e-4 else f'{value:.4f}'


def _tests(result: Comparison) -> list[str]:
    if not result.pairs:
        return []
    pairs = len(result.pairs)
    what = (
        f'Each method is tested against `{result.reference}`' if result.reference else 'Every pair of methods is tested'
    )
    parts = ['## Tests', f'{what}: {pairs} pair{"s" * (pairs > 1)}. Differences are the first minus the second method.']
    for name, tests in result.tests.items():
        rows = []
        for test in tests:
            d = test.difference
            seeds = f'{len(test.seeds)} ({sum(value > 0 for value in test.by_seed)} up)'
            cells = [f'{value:+.{FIGURES[name].digits}f}' if not math.isnan(value) else '-' for value in d[:3]]
            told = standing(test, FIGURES[name].better, result.alpha).replace('unsteady', 'not in every seed')
            rows.append(
                [f'{test.first} - {test.second}', cells[0], ' to '.join(cells[1:]), _p(d.p_value), _p(test.adjusted)]
                + [seeds, told]
            )
        level = f'{100 * result.level:g} % interval'
        header = ['pair', 'difference', level, 'p', 'Holm', 'common seeds', 'the first is']
        parts += [
            f'### {FIGURES[name].title}{_arrow(name)}: paired bootstrap over images',
            markdown_table(header, rows),
        ]
    parts += _mcnemar_table(result)
    return parts + _seeds_table(result)


def _mcnemar_table(result: Comparison) -> list[str]:
    tests = result.mcnemar
    if not tests:
        return []
    count = f'{len(tests)} test{"s" * (len(tests) > 1)}'
    rows = [
        [f'{t.first} - {t.second}', t.seed, t.result.first, t.result.second, _p(t.result.p_value), _p(t.adjusted)]
        for t in tests
    ]
    header = ['pair', 'seed', 'only the first right', 'only the second right', 'p', 'Holm']
    return [f"### Right answers of each seed: McNemar's exact test, Holm over {count}", markdown_table(header, rows)]


def _seeds_table(result: Comparison) -> list[str]:
    title = '### Over seeds: sign and Wilcoxon'
    rows = [
        [FIGURES[name].title, f'{t.first} - {t.second}', len(t.seeds), f'{t.sign.first} : {t.sign.second}']
        + [_p(t.sign.p_value), _p(t.wilcoxon.p_value), _p(t.wilcoxon_adjusted)]
        for name, tests in result.tests.items()
        for t in tests
        if t.wilcoxon is not None
    ]
    needed = f'{result.seeds_needed} common seeds are needed for any outcome to be significant at {result.alpha:g}'
    needed += f" after Holm's correction over {len(result.pairs)} pair{'s' * (len(result.pairs) > 1)}"
    if not rows:
        return [title, f'Not tested: {needed}.']
    header = ['figure', 'pair', 'seeds', 'up : down', 'sign p', 'Wilcoxon p', 'Wilcoxon Holm']
    return [title, f'Pairs with fewer seeds are left out: {needed}.', markdown_table(header, rows)]


def shown_path(path: str | Path) -> str:
    """A path below the working directory relative to it, any other as it is."""
    if not str(path):
        return '-'
    relative = os.path.relpath(path)
    return str(path) if relative.startswith('..') else Path(relative).as_posix()


def commands(run: Run) -> list[str]:
    """The commands that train and test a run again, into folders of their own, as far as it says where it came from."""
    if run.facts.get('command'):
        command = run.facts['command']
        return [command] if isinstance(command, str) else [shlex.join(map(str, command))]
    if not run.config:
        return []
    config, folder = shown_path(run.config), str(Path('again', run.method, f'seed_{run.seed or 0}'))
    seed = [] if run.seed is None else ['--seed', str(run.seed)]
    train = ['python', 'tools/train.py', config, *seed, '--work-dir', folder]
    if not run.checkpoint:
        return [shlex.join(train)]
    test = ['python', 'tools/test.py', config, f'{folder}/{Path(run.checkpoint).name}']
    return [shlex.join(train), shlex.join([*test, '--out', f'{folder}/predictions.json'])]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return '-'
    return f'{seconds / 60:.1f} min' if seconds < 3600 else f'{seconds / 3600:.2f} h'


def _origins(runs: Sequence[Run]) -> list[str]:
    rows = []
    for run in runs:
        facts = run.facts
        parameters = facts.get('parameters')
        rows.append(
            [run.method, '-' if run.seed is None else run.seed, _number('accuracy', _accuracy(run))]
            + [f'`{shown_path(run.config)}`' if run.config else '-', facts.get('config_hash', '-')]
            + [f'`{Path(run.checkpoint).name}`' if run.checkpoint else '-', facts.get('epochs', '-')]
            + ['-' if parameters is None else f'{parameters:,}', _duration(facts.get('seconds'))]
            + [facts.get('finished', '-')]
        )
    header = ['method', 'seed', 'accuracy %', 'config', 'config hash', 'checkpoint', 'epochs', 'parameters', 'time']
    parts = [markdown_table([*header, 'finished'], rows)]
    listed = [line for run in runs for line in [f'# {run.name}', *commands(run)] if commands(run)]
    if listed:
        parts += ['```bash\n' + '\n'.join(listed) + '\n```']
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(_software(run), []).append(run.name)
    groups.pop('', None)
    for software, names in groups.items():
        parts.append(f'Trained with {software}: {"all runs" if len(names) == len(runs) else "; ".join(names)}.')
    return [*parts, 'This report was made with ' + ', '.join(f'{k} {v}' for k, v in versions().items()) + '.']


def _software(run: Run) -> str:
    record = run.facts.get('provenance') or {}
    found = run.facts.get('versions') or record.get('versions') or {}
    git = run.facts.get('git') or record.get('git')
    return ', '.join([*(f'{name} {version}' for name, version in found.items()), *([f'git {git}'] if git else [])])


def _accuracy(run: Run) -> float:
    return 100 * float(F.top_label(run.scores, run.labels)[1].mean())
