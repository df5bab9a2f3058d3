"""Preparing a data set from beginning to end."""

import os
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from mmfer.utils.progress import track
from mmfer.utils.tables import render_table

from .output import Output, check_folders, check_linked, free_space, human, size_on_disk
from .plan import Plan, folder_links, make_plan
from .raw import RawData, in_reading_order
from .recipes import RECIPES


class Job(NamedTuple):
    """What the ``build`` of a layout works on.

    Attributes:
        inputs (dict): Target of the rules with ``keep=False`` -> Source.
        output (Output): OUT_DIR.
        options (dict): Those of the layout.
        workers (int): Threads.
    """

    inputs: dict
    output: Output
    options: dict
    workers: int


class Todo(NamedTuple):
    """What is left to do: path below OUT_DIR -> what a link points at, -> Source to be written; files finished."""

    links: dict
    copies: dict
    finished: int


def prepare(
    dataset: str,
    raw_dir: str,
    out_dir: str,
    copy: bool = False,
    dry_run: bool = False,
    workers: int = 2,
    say: Callable = print,
    **options: Any,
) -> None:
    """Bring a data set, as its authors hand it out, into the tree that its class reads, and count it.

    Files of an extracted tree are linked by absolute symbolic links, whole folders where that is possible; members of
    archives are written. RAW_DIR is only read. A run that was stopped goes on where it was.

    Args:
        dataset (str): One of ``RECIPES``.
        raw_dir (str): Folder with the archives, or with the extracted tree; or one archive.
        out_dir (str): Folder to write: new, empty, or from an earlier run.
        copy (bool): Copy files instead of linking them. Defaults to False.
        dry_run (bool): Only say what would be done. Defaults to False.
        workers (int): Threads that make new images. Defaults to 2.
        say (Callable): Called with each piece of the report, a str. Defaults to print.
        options: Those of the layout found, such as ``margin`` and ``max_size`` of AffectNet's crops; None: default.

    Raises:
        ValueError: The raw data have another layout, are damaged, encrypted or unsafe; OUT_DIR cannot be used; or the
            prepared data set is not as its class expects it.
        OSError: A file cannot be read or written, or the disk is too small.
    """
    if dataset not in RECIPES:
        raise ValueError(f'unknown data set {dataset!r}; known are {", ".join(RECIPES)}')
    if workers < 1:
        raise ValueError(f'workers={workers} must be at least 1')
    raw_path, out = (Path(os.path.expanduser(path)) for path in (raw_dir, out_dir))
    check_folders(raw_path, out)
    with RawData(raw_path) as raw:
        check_linked(raw_path, out, raw.folders)
        plan = make_plan(RECIPES[dataset], raw)
        settings = _settings(plan, options)
        output = Output(out, _made_from(dataset, plan, raw, settings))
        output.check()
        todo = _todo(plan, raw, output, copy)
        say(_describe(plan, todo, raw_path, out))
        needed = sum(size_on_disk(source.size) for source in todo.copies.values())
        if plan.layout.estimate is not None:
            needed += plan.layout.estimate(Job(plan.inputs, output, settings, workers))
        free = free_space(out)
        say(f'  space needed: about {human(needed)}, free: {human(free)}')
        if needed > free:
            raise OSError(
                f'the disk of {out} is too small: about {human(needed)} are needed, {human(free)} are free. Free some '
                'space or name a folder on another disk; nothing was written'
            )
        if dry_run:
            say('Nothing was written (dry run).')
            return
        with output:
            _bring(todo, output)
            if plan.layout.build is not None:
                for note in plan.layout.build(Job(plan.inputs, output, settings, workers)):
                    say(f'  {note}')
    say('\n'.join(['', *count(plan, out)]))


def _settings(plan: Plan, options: Mapping) -> dict:
    given = {name: value for name, value in options.items() if value is not None}
    unknown = [name for name in given if name not in plan.layout.options]
    if unknown:
        raise ValueError(
            f'{", ".join(unknown)} cannot be set for {plan.recipe.name}, layout "{plan.layout.name}"; '
            f'its options: {", ".join(plan.layout.options) or "none"}'
        )
    settings = {**plan.layout.options, **given}
    if plan.layout.check_options is not None:
        plan.layout.check_options(settings)
    return settings


def _made_from(dataset: str, plan: Plan, raw: RawData, settings: dict) -> dict:
    """What the content of OUT_DIR depends on; files that are linked or copied one by one are compared by themselves."""
    used = {raw.origin[source.archive] for source in [*plan.files.values(), *plan.inputs.values()] if source.archive}
    used.update(source for source in plan.single_inputs() if source.file is not None)
    stamps = {}
    for source in sorted(used, key=lambda source: source.path):
        found = source.file.stat()
        stamps[source.path] = [found.st_size, found.st_mtime_ns]
    fixed = {name: value for name, value in settings.items() if name not in plan.layout.loose}
    return dict(dataset=dataset, layout=plan.layout.name, options=fixed, files=stamps)


def _todo(plan: Plan, raw: RawData, output: Output, copy: bool) -> Todo:
    links, copies, finished = {}, {}, 0
    folders = {} if copy else folder_links(plan, raw)
    for target, folder in list(folders.items()):
        path = output.root / target
        if path.is_dir() and not path.is_symlink():  # from a run with --copy: look at its files
            del folders[target]
        elif not output.has_link(target, folder):
            links[target] = folder
    for target, source in plan.files.items():
        within = next((above for above in accumulate(target.split('/')[:-1], '{}/{}'.format) if above in folders), '')
        if within:
            finished += within not in links
        elif source.file is not None and not copy:
            if output.has_link(target, source.file) or output.has_copy(target, source):
                finished += 1
            else:
                links[target] = source.file
        elif output.has_copy(target, source):
            finished += 1
        else:
            copies[target] = source
    return Todo(links, copies, finished)


def _describe(plan: Plan, todo: Todo, raw: Path, out: Path) -> str:
    lines = [f'{plan.recipe.name} from {raw} (layout "{plan.layout.name}") to {out}']
    files = [f'{len(plan.files)} files', f'{todo.finished} of them finished before'] if todo.finished else []
    files += [f'{len(todo.copies)} to write'] if todo.copies else []
    files += [f'{len(todo.links)} links to make'] if todo.links else []
    files += [f'{len(plan.inputs)} files to read and convert'] if plan.inputs else []
    return '\n'.join([*lines, f'  {", ".join(files)}'])


def _bring(todo: Todo, output: Output) -> None:
    for target, path in track(todo.links.items(), len(todo.links), 'Linking'):
        output.link(target, path)
    targets: dict = {}
    for target, source in todo.copies.items():
        targets.setdefault(source, []).append(target)
    for source in track(in_reading_order(list(targets)), len(targets), 'Writing files'):
        for target in targets[source]:
            output.bring(target, source)


def count(plan: Plan, out: Path) -> list:
    """Build each part of the data set and set its counts beside the published ones.

    Args:
        plan (Plan): Of the data set.
        out (Path): Its folder.

    Returns:
        list: Lines of text.

    Raises:
        ValueError: The class of the data set finds something wrong, such as images that are not there.
    """
    cls = plan.recipe.dataset
    columns, differing, calls = [], [], []
    for options in plan.checks():
        dataset = cls(data_root=str(out), **options)
        options = {key: value for key, value in options.items() if value != ''}
        shown = [value if key == 'split' else f'{key}={value}' for key, value in options.items() if key != 'ann_file']
        name = ', '.join(shown) or 'images'
        counts, published = dataset.class_counts(), dataset.published_counts()
        beside = {}
        if isinstance(published, int):
            beside = dict(all=published)
        elif published is not None:
            beside = dict(zip(dataset.classes, published), all=sum(published))
        counts['all'] = len(dataset)
        if any(counts[key] != value for key, value in beside.items()):
            differing.append(name)
        columns += [(name, counts), ('published', beside)]
        arguments = ', '.join(f'{key}={value!r}' for key, value in dict(data_root=str(out), **options).items())
        calls.append(f'  {cls.__name__}({arguments})')
    rows = list(dict.fromkeys(key for _, values in columns for key in values if key != 'all'))
    table = render_table(
        ('class', *(name for name, _ in columns)),
        [(row, *(values.get(row, '') for _, values in columns)) for row in (*rows, 'all')],
    )
    lines = [table.rstrip('\n'), '']
    if differing:
        lines.append(f'Counts differ from the published ones: {", ".join(differing)}.')
    elif any(values for name, values in columns if name == 'published'):
        lines.append('All counts are those published.')
    return [*lines, 'Read it with', *calls]
