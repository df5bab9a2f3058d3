"""Testing the finished runs of a comparison on covered faces."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.datasets import AlignFace, CropFace, LoadImageFromFile, Occlude
from mmfer.engine.evaluate import evaluate
from mmfer.registry import TRANSFORMS
from mmfer.utils.config_options import load_config
from mmfer.utils.finished import write_json
from mmfer.utils.nesting import leaves

from .methods import CONFIG
from .page import shown_path
from .report import plain
from .results import OCCLUDED, Run, read_run

FACE_STEPS = (LoadImageFromFile, CropFace, AlignFace, Occlude)
"""Steps of a pipeline after which there is a face as the data set has it."""


def occlusions(shares: Sequence[float], regions: Sequence[str], seed: int = 0) -> dict[str, dict]:
    """Name -> options of ``Occlude``: a block of each share, then each region.

    Raises:
        ValueError: If one of them is out of range, unknown or there twice.
    """
    options = [dict(region='block', share=float(share), seed=seed) for share in shares]
    options += [dict(region=region) for region in regions]
    found = {}
    for own in options:
        Occlude(**own)  # refuses what is wrong
        if own.get('share') == 0:
            raise ValueError('a block of 0 % covers nothing: the test without it is always in the report')
        name = f'block {100 * own["share"]:g} %' if 'share' in own else own['region']
        if name in found:
            raise ValueError(f'{name} is there twice')
        found[name] = own
    return found


def occluded_file(folder: str | Path, options: Mapping[str, Any]) -> Path:
    """Where the predictions of the run in ``folder`` on covered faces lie."""
    parts = [options['region']]
    if 'share' in options:
        parts += [f'{100 * options["share"]:g}', *([f'seed_{options["seed"]}'] if options['seed'] else [])]
    return Path(folder, f'{OCCLUDED}{"_".join(parts)}.json')


def run_occluded(
    runs: Sequence[Run],
    wanted: Mapping[str, Mapping],
    say: Callable[[str], Any] = partial(print, flush=True),  # noqa: B008
) -> dict[str, list[Run]]:
    """The runs on covered faces, tested where that has not been done yet.

    The predictions lie beside those of the run, as ``occluded_<region>_<percent>.json``.

    Args:
        runs: Of :func:`mmfer.comparison.load_runs`.
        wanted: Of :func:`occlusions`.
        say: Prints a line.

    Returns:
        Name of the occlusion -> its runs.

    Raises:
        FileNotFoundError: If the config or the checkpoint of a run is not there; all of them are named.
    """
    todo = [(run, name) for run in runs for name in wanted if not _is_tested(run, wanted[name])]
    sources = {id(run): _sources(run) for run, _ in todo}
    lacking = [line for own in sources.values() for line in own if isinstance(line, str)]
    if lacking:
        raise FileNotFoundError('\n'.join(lacking))
    if todo:
        say(f'{len(todo)} tests on covered faces')
    for i, (run, name) in enumerate(todo):
        accuracy = _test(run, *sources[id(run)], wanted[name])
        say(f'[{i + 1}/{len(todo)}] {run.name}, {name}: accuracy {accuracy:.2f}')
    return {name: [read_run(occluded_file(run.folder, own)) for run in runs] for name, own in wanted.items()}


def occlude_test(config: Config, options: Mapping[str, Any]) -> None:
    """Cover a part of each test face of ``config``, in place: after loading and cropping, before all else."""
    for each in leaves(config.test_dataloader.dataset):
        steps = each['pipeline']
        with DefaultScope.overwrite_default_scope('mmfer'):
            kinds = [TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type'] for step in steps]
        place = max((i + 1 for i, kind in enumerate(kinds) if kind in FACE_STEPS), default=0)
        each['pipeline'] = [*steps[:place], dict(type=Occlude, **options), *steps[place:]]


def _is_tested(run: Run, options: Mapping[str, Any]) -> bool:
    try:
        content = json.loads(occluded_file(run.folder, options).read_text())
        same = Path(content['checkpoint']).name == Path(run.checkpoint).name
        return same and content['occlusion'] == options and len(content['predictions']) == len(run.labels)
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return False


def _sources(run: Run) -> list[Path | str]:
    """Config and checkpoint of a run; instead of one that is missing, a line that says so."""
    found: list[Path | str] = []
    for what, own in (
        ('config', (run.folder.resolve().parent / CONFIG, Path(run.config or '-'))),
        ('checkpoint', (run.folder / Path(run.checkpoint or '-').name, Path(run.checkpoint or '-'))),
    ):
        file = next((path for path in own if path.is_file()), None)
        found.append(file or f'{run.name}: the {what} is not there: {" and ".join(shown_path(path) for path in own)}')
    return found


def _test(run: Run, config: Path, checkpoint: Path, options: Mapping[str, Any]) -> float:
    settings = load_config(config)
    occlude_test(settings, options)
    settings.log_level = 'WARNING'  # a log of each test would bury what the tool says
    settings.experiment_name = f'{run.method}_{run.seed}_{occluded_file("", options).stem}'
    seed = {} if run.seed is None else {'randomness.seed': run.seed}
    target = occluded_file(run.folder, options)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, 'predictions.json')
        metrics = evaluate(settings, checkpoint, out=out, work_dir=Path(folder, 'test'), cfg_options=seed)
        content = json.loads(out.read_text())
    content.update(occlusion=dict(options), protocol=f'{content["protocol"]}, {Occlude(**options).describe()}')
    predictions = content.pop('predictions')
    write_json(target, dict(**plain(content), predictions=predictions))
    return metrics.get('accuracy', float('nan'))
