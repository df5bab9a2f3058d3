"""From finished comparisons to the report on robustness, as ``tools/analysis/robustness.py`` makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .occlusion import occlusions, run_occluded
from .page import shown_path
from .results import Run, align_runs, read_runs
from .robustness import CLEAN, assess, noise_conditions, noise_name
from .robustness_page import robustness_verdict, terminal_tables, write_robustness
from .run import training_commands


def report_robustness(
    dirs: Sequence[str | Path],
    out_dir: str | Path,
    shares: Sequence[float] = (),
    regions: Sequence[str] = (),
    seed: int = 0,
    methods: Sequence[str] | None = None,
    level: float = 0.95,
    reference: str | None = None,
    command: str = '',
    say: Callable[[str], Any] = partial(print, flush=True),  # noqa: B008
) -> int:
    """Test finished runs where that is asked for, and write the report.

    Args:
        dirs: Folders of comparisons, of methods or of runs.
        out_dir: Folder of the report.
        shares: Shares of the face that a block covers; with ``regions``, what to test on. Without any, trainings with
            other label noise are compared.
        regions: Names of ``mmfer.datasets.transforms.occlude.REGIONS``.
        seed: Of the places of the blocks.
        methods: Only these.
        level: Of the intervals.
        reference: Method that the others are tested against.
        command: What the user called, for the report.
        say: Prints a line.

    Returns:
        0.

    Raises:
        FileNotFoundError: If there are no runs, or a config or checkpoint to test is gone.
        ValueError: If the runs or options do not fit together.
    """
    wanted = occlusions(shares, regions, seed)
    runs = _chosen(read_runs(dirs), methods)
    groups = noise_conditions(runs)
    rates = ', '.join(f'{100 * rate:g}' for rate in groups)
    terms = [f'Trained and tested by `{line}`.' for line in training_commands(dirs)]
    if wanted:
        if len(groups) > 1:
            raise ValueError(
                f'these runs were trained with {len(groups)} rates of label noise ({rates} %): name the folders of one '
                'of them to test it on covered faces'
            )
        kind, own = 'occlusion', align_runs(runs)
        conditions = {CLEAN: own, **run_occluded(own, wanted, say)}
        measures = {CLEAN: 0.0, **{name: options.get('share') for name, options in wanted.items()}}
        noise = next(iter(groups))
        terms += [f'Trained with {100 * noise:g} % wrong labels.'] if noise else []
        terms.append(f'The blocks follow from the seed {seed} and the name of each image.' if shares else '')
    else:
        kind = 'label noise'
        conditions = {noise_name(rate): own for rate, own in groups.items()}
        measures = {noise_name(rate): rate for rate in groups}
    result = assess(kind, conditions, measures, level, reference)
    terms.append(f'Reported by `{command}`.' if command else '')
    files = write_robustness(result, out_dir, [line for line in terms if line])
    say(f'\n{terminal_tables(result)}\n')
    for line in robustness_verdict(result):
        say(f'- {line}')
    say(f'\n{shown_path(files["robustness.md"])}, robustness.json, robustness.png')
    return 0


def _chosen(runs: Sequence[Run], methods: Sequence[str] | None) -> list[Run]:
    known = list(dict.fromkeys(run.method for run in runs))
    unknown = [name for name in methods or () if name not in known]
    if unknown:
        raise ValueError(f'no runs of {", ".join(unknown)}; there are: {", ".join(known)}')
    return [run for run in runs if not methods or run.method in methods]
