"""The report of a comparison: its page, its numbers for machines, and its plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.calibration import CalibrationBins
from mmfer.structures.run_record import versions
from mmfer.utils.files import write_json, write_text

from .changes import Changes, assess
from .conditions import Condition
from .figures import BINS, FIGURES
from .groups import GroupTest, compare_by, group_verdict
from .ood import OODTest, tell_apart
from .page import CONDITION_TABLES, CONDITIONS, by_accuracy, page, shown_path, terminal_table
from .results import Run, methods_of
from .statistics import ALL, Comparison, common_seeds, compare, default_reference
from .verdict import verdict

AXES = {'label noise': 'wrong training labels (%)', 'occlusion': 'share of the face that is covered (%)'}


@dataclass
class Report:
    """What :func:`write_report` made.

    Args:
        table: For a terminal.
        verdict: Sentences, a topic each.
        comparison: All figures and tests of the baseline.
        changes: What each kind of condition does.
        ood: How the methods tell out-of-distribution images.
        groups: Figures of the methods by group of faces.
        files: Name -> path of what was written: ``report.md``, ``report.json`` and the plots.
    """

    table: str
    verdict: list[str]
    comparison: Comparison
    changes: list[Changes]
    ood: list[OODTest]
    groups: list[GroupTest] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)


def write_report(
    table: Mapping[Condition, Sequence[Run]],
    out_dir: str | Path,
    level: float = 0.95,
    reference: str | None = None,
    terms: Sequence[str] = (),
    primary: str = 'accuracy',
    by: Sequence[str] = (),
) -> Report:
    """Compare runs and write ``report.md``, ``report.json`` and the plots.

    Args:
        table: Of :func:`load_table`.
        out_dir: Folder of the report; made if it is not there. Files of an earlier report are replaced.
        level: Of the intervals; tests are at ``1 - level``.
        reference: As ``primary``: see :func:`compare`. With several conditions there always is a reference.
        terms: Sentences on what the methods had in common in their trainings; warnings also stand in the verdict.
        by: Columns of the predictions to group the faces by, see :func:`mmfer.experiments.groups.compare_by`.

    Raises:
        ValueError: See :func:`compare`, :func:`assess` and :func:`compare_by`.
    """
    baseline = next(iter(table.values()))
    runs, _ = common_seeds(baseline)
    kinds = [kind for kind in CONDITIONS if any(condition.kind == kind for condition in list(table)[1:])]
    if kinds and reference is None:
        reference = default_reference(list(methods_of(runs)))
    result = compare(baseline, level, reference, primary)
    changes = [assess(table, kind, result) for kind in kinds]
    ood = tell_apart(runs, {each.name: own for each, own in table.items() if each.kind == 'ood'}, level)
    names = dict.fromkeys(['accuracy' if primary == ALL else primary, 'selective_risk'])
    groups = compare_by(runs, by, level, list(names))
    told = [*verdict(result, changes, ood), *group_verdict(groups, result.alpha)]
    lines = [*told, *(line for line in terms if line.startswith('WARNING'))]
    report = Report(terminal_table(result, changes, groups), lines, result, changes, ood, groups)
    trained = [run for each, own in table.items() if each.kind == 'label noise' for run in own]
    markdown = page(trained, result, lines, terms, changes, ood, groups)
    content = _content(trained, report, terms)
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    report.files = _draw(runs, report, out_dir)
    write_text(out_dir / 'report.md', markdown)
    write_json(out_dir / 'report.json', content)
    report.files.update({name: out_dir / name for name in ('report.md', 'report.json')})
    return report


def _content(runs: Sequence[Run], report: Report, terms: Sequence[str]) -> dict[str, Any]:
    first = runs[0]
    described = [
        dict(
            method=run.method,
            seed=run.seed,
            folder=shown_path(run.folder),
            config=shown_path(run.config),
            checkpoint=shown_path(run.checkpoint),
            facts=run.facts,
            metrics=run.metrics,
            confusion_matrix=_confusion([run]),
            bins=_bins([run]),
        )
        for run in runs
    ]
    content = dict(
        verdict=report.verdict,
        terms=terms,
        protocol=first.protocol,
        classes=first.classes,
        class_counts=np.bincount(first.labels, minlength=len(first.classes)),
        figures=FIGURES,
        runs=described,
        versions=versions(),
        **{name: getattr(report.comparison, name) for name in report.comparison.__dataclass_fields__},
        conditions={each.kind: each for each in report.changes},
        ood=report.ood,
        groups=report.groups,
    )
    return plain(content)


def plain(value: Any) -> Any:
    """``value`` as JSON has it: dataclasses and named tuples become objects, what is not finite null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain({name: getattr(value, name) for name in value.__dataclass_fields__})
    if hasattr(value, '_asdict'):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, (list, tuple, set)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _confusion(runs: Sequence[Run]) -> np.ndarray:
    size = len(runs[0].classes)
    return np.sum([F.confusion_matrix(run.scores.argmax(1), run.labels, size) for run in runs], axis=0)


def _bins(runs: Sequence[Run]) -> CalibrationBins:
    pairs = [F.top_label(run.scores, run.labels) for run in runs]
    confidence, correct = (np.concatenate(values) for values in zip(*pairs))
    return F.calibration_bins(confidence, correct, BINS)


def _wrong(run: Run) -> np.ndarray:
    return ~F.top_label(run.scores, run.labels)[1]


def _split(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty of the right and of the wrong answers."""
    uncertainty = np.concatenate([run.uncertainty for run in runs])
    wrong = np.concatenate([_wrong(run) for run in runs])
    return uncertainty[~wrong], uncertainty[wrong]


def _points(result: Changes) -> dict[str, dict[str, list[tuple]]]:
    """Figure -> method -> mean and interval under each condition."""
    points: dict[str, dict[str, list[tuple]]] = {}
    for name in ('accuracy', 'skce', 'aurc', 'uncertainty'):
        for method in result.methods:
            found = [result.summary(name, method, condition) for condition in result.conditions]
            points.setdefault(CONDITION_TABLES[name], {})[method] = [
                (math.nan,) * 3 if s is None else (s.mean, s.low, s.high) for s in found
            ]
    return points


def _draw(runs: Sequence[Run], report: Report, out_dir: Path) -> dict[str, Path]:
    from mmfer.visualization import comparison as draw  # matplotlib takes long to import
    from mmfer.visualization.curves import save_figure

    result, found = report.comparison, methods_of(runs)
    own = {method: found[method] for method in by_accuracy(result)}
    accuracy = {method: result.summaries[method]['accuracy'] for method in own}
    ece = {method: result.summaries[method]['ece'].mean for method in own}
    dots = [draw.Dot(m, s.mean, s.low, s.high, tuple(s.values.values())) for m, s in accuracy.items()]
    curves = {m: [F.risk_coverage(F.rank_samples(r.uncertainty, _wrong(r))) for r in each] for m, each in own.items()}
    classes = runs[0].classes
    plots: dict[str, Callable[[], Any]] = dict(
        accuracy=lambda: draw.draw_dots(dots, 'accuracy (%)', result.level, result.observer, 'Bayes-optimal accuracy'),
        reliability=lambda: draw.draw_reliability({method: _bins(each) for method, each in own.items()}, ece),
        risk_coverage=lambda: draw.draw_risk_coverage(curves),
        confusion=lambda: draw.draw_confusions({method: _confusion(each) for method, each in own.items()}, classes),
        uncertainty=lambda: draw.draw_uncertainties({m: _split(each) for m, each in own.items()}, len(classes)),
    )
    for each in report.changes:
        names = (_points(each), each.conditions, list(each.shares.values()), AXES[each.kind])
        plots[each.kind.replace(' ', '_')] = lambda names=names: draw.draw_conditions(*names)
    files = {}
    for name, make in plots.items():
        files[f'{name}.png'] = out_dir / f'{name}.png'
        save_figure(make(), files[f'{name}.png'])
    return files
