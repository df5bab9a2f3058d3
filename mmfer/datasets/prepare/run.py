"""Preparing a data set from beginning to end."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.utils.progress import track
from mmfer.utils.tables import render_table

from .raw import FOREIGN, RawData, RawFile
from .recipes import RECIPES, Layout, Recipe
from .staging import Job, check_folders, check_linked, new_folder, put_in_place

UNPACKED = '.unpacked'


class Plan(NamedTuple):
    """The layout found; path below OUT_DIR -> file that is brought there; name -> file that its ``build`` reads."""

    layout: Layout
    files: dict[str, RawFile]
    inputs: dict[str, RawFile]


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

    Files of an extracted tree are linked by absolute symbolic links. Archives are unpacked beside OUT_DIR, and RAW_DIR
    is only read. OUT_DIR is there once all is done and counted; a run that was stopped leaves nothing and begins anew.

    Args:
        dataset: One of ``RECIPES``.
        raw_dir: Folder with the archives, or with the extracted tree; or one archive.
        out_dir: Folder to write, new or empty.
        copy: Copy files instead of linking them.
        dry_run: Say what would be done, and leave nothing.
        workers: Threads that make new images.
        say: Called with each piece of the report.
        options: Those of the layout found, such as ``margin`` and ``max_size`` of AffectNet's crops; None: default.

    Raises:
        ValueError: The raw data have another layout, are damaged, encrypted or unsafe; OUT_DIR cannot be used; or the
            prepared data set is not as its class expects it.
        OSError: A file cannot be read or written, or the disk is full.
    """
    if dataset not in RECIPES:
        raise ValueError(f'unknown data set {dataset!r}; known are {", ".join(RECIPES)}')
    recipe = RECIPES[dataset]
    raw_path, out = (Path(os.path.expanduser(path)) for path in (raw_dir, out_dir))
    check_folders(raw_path, out)
    with new_folder(out) as folder:
        raw = RawData(raw_path, folder / UNPACKED)
        check_linked(raw_path, out, raw.folders)
        plan = make_plan(recipe, raw)
        settings = _settings(recipe, plan.layout, options)
        links = sum(not (copy or source.unpacked) for source in plan.files.values())
        say(
            f'{recipe.dataset.__name__} from {raw_path} (layout "{plan.layout.name}") to {out}\n'
            f'  {links} links to make, {len(plan.files) - links} files to write, {len(plan.inputs)} files to convert'
        )
        if dry_run:
            say('Nothing is left of this dry run.')
            return
        for target, source in track(plan.files.items(), len(plan.files), 'Bringing files'):
            _bring(source, folder / target, copy)
        if plan.layout.build is not None:
            for note in plan.layout.build(Job(plan.inputs, folder, settings, workers)):
                say(f'  {note}')
        shutil.rmtree(folder / UNPACKED, ignore_errors=True)
        try:
            report = count(recipe, plan, folder)
        except (OSError, ValueError) as error:  # which names the files where they are now
            raise ValueError(str(error).replace(str(folder), str(out))) from None
        put_in_place(folder, out)
    say('\n'.join(['', *report]).replace(str(folder), str(out)))


def make_plan(recipe: Recipe, raw: RawData) -> Plan:
    """Find the layout that ``raw`` has.

    Raises:
        ValueError: It has none, or different files for one place; with what was expected and found.
    """
    skipped = {name.lower() for name in recipe.skip}
    sources = [(file.key, file) for file in raw.files]
    sources = [pair for pair in sources if not skipped.intersection(pair[0].lower().split('/'))]
    missing = {}
    for layout in recipe.layouts:
        plan, clashes, matched = Plan(layout, {}, {}), [], set()
        patterns = [(rule, re.compile(f'(?:^|.*?/){rule.pattern}', re.IGNORECASE)) for rule in layout.rules]
        for key, source in sources:
            for rule, pattern in patterns:
                if match := pattern.fullmatch(key):
                    matched.add(rule)
                    target = match.expand(rule.target)
                    other = (plan.files if rule.keep else plan.inputs).setdefault(target, source)
                    if _size(other) != _size(source):
                        both = f'{other.path}, {_size(other)} bytes, and {source.path}, {_size(source)} bytes'
                        clashes.append(f'{target} ({both})')
                    break
        missing[layout.name] = [rule.what for rule in layout.rules if rule.needed and rule not in matched]
        if missing[layout.name]:
            continue
        if clashes:
            raise ValueError(
                f'{recipe.dataset.__name__}: {len(clashes)} files of {raw.root} differ from others for the same place: '
                f'{first_names(clashes)}. Give the folder or archive of one copy as RAW_DIR.'
            )
        return plan
    raise ValueError(_mismatch(recipe.dataset, raw, missing))


def _size(source: RawFile) -> int:
    return source.file.stat().st_size


def _mismatch(cls: type, raw: RawData, missing: Mapping[str, Iterable[str]]) -> str:
    """The error for raw data of no known layout: what each layout lacks, what was found, what it is to become."""
    lines = [f'{cls.__name__}: {raw.root} has not the layout of this data set; nothing was written. Missing:']
    lines += [f'  {name}: {", ".join(absent)}' for name, absent in missing.items()]
    tops: dict[str, list[str]] = {}
    for file in raw.files:
        tops.setdefault(file.path.split('/')[0], []).append(file.path)
    lines.append('Found:' if tops else 'Found: no files')
    for name, paths in list(tops.items())[:10]:
        lines.append(f'  {name}' if paths == [name] else f'  {name}: {len(paths)} files, such as {paths[0]}')
    lines += [f'  ... ({len(tops) - 10} more)'] if len(tops) > 10 else []
    foreign = [file.path for file in raw.files if FOREIGN.search(file.path)]
    if foreign:
        lines.append(f'{len(foreign)} archives have to be extracted first (7z x FIRST_PART): {first_names(foreign)}')
    lines += ['The files, extracted or in archives (zip, tar), are to make up:', cls.EXPECTED_TREE.strip('\n')]
    return '\n'.join(lines + ([f'The data set is obtained from {cls.HOMEPAGE}'] if cls.HOMEPAGE else []))


def _settings(recipe: Recipe, layout: Layout, options: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    unknown = [name for name in given if name not in layout.options]
    if unknown:
        raise ValueError(
            f'{", ".join(unknown)} cannot be set for {recipe.dataset.__name__}, layout "{layout.name}"; '
            f'its options: {", ".join(layout.options) or "none"}'
        )
    return {**layout.options, **given}


def _bring(source: RawFile, path: Path, copy: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.unpacked:
        source.file.rename(path)
    elif copy:
        shutil.copy2(source.file, path)
    else:
        try:
            path.symlink_to(source.file.absolute())
        except OSError as error:
            raise OSError(f'cannot make links beside {path} ({error}): add --copy') from None


def count(recipe: Recipe, plan: Plan, folder: Path) -> list[str]:
    """Build each part of the data set and set its counts beside the published ones; lines of text.

    Raises:
        ValueError: The class of the data set finds something wrong, such as images that are not there.
    """
    cls, layout = recipe.dataset, plan.layout
    columns, differing, calls = [], [], []
    parts = layout.checks(plan.files) if layout.checks else [dict(split=split) for split in cls.SPLITS] or [{}]
    for options in parts:
        dataset = cls(data_root=str(folder), **options)
        options = {key: value for key, value in options.items() if value != ''}
        shown = [value if key == 'split' else f'{key}={value}' for key, value in options.items() if key != 'ann_file']
        name = ', '.join(shown) or 'images'
        counts, published = dict(dataset.class_counts(), all=len(dataset)), dataset.published_counts()
        beside = {}
        if isinstance(published, int):
            beside = dict(all=published)
        elif published is not None:
            beside = dict(zip(dataset.classes, published), all=sum(published))
        if any(counts[key] != value for key, value in beside.items()):
            differing.append(name)
        columns += [(name, counts), ('published', beside)]
        arguments = ', '.join(f'{key}={value!r}' for key, value in dict(data_root=str(folder), **options).items())
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
