"""The report of a comparison: its page, its numbers for machines, and its plots."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.calibration import CalibrationBins
from mmfer.structures.run_record import versions
from mmfer.utils.files import write_json, write_text

from .figures import BINS, FIGURES
from .page import by_accuracy, commands, page, shown_path, terminal_table
from .results import Run, methods_of
from .statistics import Comparison, compare
from .verdict import verdict


@dataclass
class Report:
    """What :func:`write_report` made.

    Args:
        table: For a terminal.
        verdict: Sentences, a topic each.
        comparison: All figures and tests.
        files: Name -> path of what was written: ``report.md``, ``report.json`` and the plots.
    """

    table: str
    verdict: list[str]
    comparison: Comparison
    files: dict[str, Path] = field(default_factory=dict)


def write_report(
    runs: Sequence[Run],
    out_dir: str | Path,
    level: float = 0.95,
    reference: str | None = None,
    terms: Sequence[str] = (),
) -> Report:
    """Compare runs and write ``report.md``, ``report.json`` and the plots.

    Args:
        runs: Of :func:`load_runs`.
        out_dir: Folder of the report; made if it is not there. Files of an earlier report are replaced.
        level: Of the intervals; tests are at ``1 - level``.
        reference: See :func:`compare`.
        terms: Sentences on what the methods had in common in their trainings.

    Raises:
        ValueError: See :func:`compare`.
    """
    result = compare(runs, level, reference)
    lines = verdict(result, len(runs[0].labels))
    report = Report(terminal_table(result), lines, result)
    markdown, content = page(runs, result, lines, terms), _content(runs, result, lines, terms)
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    report.files = _draw(runs, result, out_dir)
    write_text(out_dir / 'report.md', markdown)
    write_json(out_dir / 'report.json', content)
    report.files.update({name: out_dir / name for name in ('report.md', 'report.json')})
    return report


def _content(runs: Sequence[Run], result: Comparison, lines: Sequence[str], terms: Sequence[str]) -> dict[str, Any]:
    first = runs[0]
    content = dict(
        verdict=list(lines),
        terms=list(terms),
        protocol=first.protocol,
        images=len(first.labels),
        classes=list(first.classes),
        class_counts=np.bincount(first.labels, minlength=len(first.classes)),
        figures={name: dict(figure._asdict()) for name, figure in FIGURES.items()},
        runs=[
            dict(
                method=run.method,
                seed=run.seed,
                folder=shown_path(run.folder),
                config=shown_path(run.config),
                checkpoint=shown_path(run.checkpoint),
                commands=commands(run),
                facts=dict(run.facts),
                metrics=dict(run.metrics),
                confusion_matrix=_confusion([run]),
                bins=_bins([run])._asdict(),
            )
            for run in runs
        ],
        versions=versions(),
        **{name: getattr(result, name) for name in result.__dataclass_fields__},
    )
    return plain(content)


def plain(value: Any) -> Any:
    """``value`` as JSON has it: dataclasses and named tuples become objects, what is not finite null."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain({name: getattr(value, name) for name in value.__dataclass_fields__})
    if hasattr(value, '_asdict'):
        return plain(value._asdict())
    if isinstance(value, dict):
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


def _draw(runs: Sequence[Run], result: Comparison, out_dir: Path) -> dict[str, Path]:
    # matplotlib takes long to import
    from mmfer.visualization.comparison import Dot, draw_dots, draw_risk_coverage
    from mmfer.visualization.comparison_panels import draw_confusions, draw_reliability, draw_uncertainties
    from mmfer.visualization.curves import save_figure

    found = methods_of(runs)
    methods = {method: found[method] for method in by_accuracy(result)}
    accuracy = {method: result.summaries[method]['accuracy'] for method in methods}
    dots = [Dot(m, own.mean, own.low, own.high, tuple(own.values.values())) for m, own in accuracy.items()]
    plots: dict[str, Callable[[], Any]] = dict(
        accuracy=lambda: draw_dots(dots, 'accuracy (%)', result.level, result.observer, 'perfect observer'),
        reliability=lambda: draw_reliability(
            {method: _bins(own) for method, own in methods.items()},
            {method: result.summaries[method]['ece'].mean for method in methods},
        ),
        risk_coverage=lambda: draw_risk_coverage(
            {
                method: [F.risk_coverage(F.rank_samples(run.uncertainty, _wrong(run))) for run in own]
                for method, own in methods.items()
            }
        ),
        confusion=lambda: draw_confusions(
            {method: _confusion(own) for method, own in methods.items()}, runs[0].classes
        ),
        uncertainty=lambda: draw_uncertainties(
            {method: _split(own) for method, own in methods.items()}, len(runs[0].classes)
        ),
    )
    files = {}
    for name, draw in plots.items():
        files[f'{name}.png'] = out_dir / f'{name}.png'
        save_figure(draw(), files[f'{name}.png'])
    return files


def _wrong(run: Run) -> np.ndarray:
    return ~F.top_label(run.scores, run.labels)[1]


def _split(runs: Sequence[Run]) -> tuple[np.ndarray, np.ndarray]:
    """Uncertainty of the right and of the wrong answers."""
    uncertainty = np.concatenate([run.uncertainty for run in runs])
    wrong = np.concatenate([_wrong(run) for run in runs])
    return uncertainty[~wrong], uncertainty[wrong]
