"""Preparing a data set from beginning to end."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmfer.datasets.entry_list import first_names
from mmfer.utils.progress import track
from mmfer.utils.tables import render_table

from .raw import RawFile, check_folders, new_folder, put_in_place, raw_files
from .recipes import RECIPES, Layout

_FOREIGN = re.compile(r'(\.(7z|rar)(\.\d+)?|\.z\d\d|\.zip\.\d+)$', re.IGNORECASE)  # others have to extract these
_UNPACKED = '.unpacked'


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
    raw, out = (Path(os.path.expanduser(path)) for path in (raw_dir, out_dir))
    check_folders(raw, out)
    with new_folder(out) as folder:
        plan = make_plan(RECIPES[dataset], raw_files(raw, folder / _UNPACKED), raw)
        layout = plan.layout
        given = {name: value for name, value in options.items() if value is not None}
        if unknown := ', '.join(name for name in given if name not in layout.options):
            known = ', '.join(layout.options) or 'none'
            raise ValueError(f'{unknown} cannot be set for {layout.dataset.__name__} as found; its options: {known}')
        links = sum(not (copy or source.unpacked) for source in plan.files.values())
        say(
            f'{layout.dataset.__name__} from {raw} to {out}\n'
            f'  {links} links to make, {len(plan.files) - links} files to write, {len(plan.inputs)} files to convert'
        )
        if dry_run:
            say('Nothing is left of this dry run.')
            return
        for target, source in track(plan.files.items(), len(plan.files), 'Bringing files'):
            _bring(source, folder / target, copy)
        if layout.build is not None:
            for note in layout.build(plan.inputs, folder, workers, **{**layout.options, **given}):
                say(f'  {note}')
        shutil.rmtree(folder / _UNPACKED, ignore_errors=True)
        try:
            report = count(plan, folder)
        except (OSError, ValueError) as error:  # which names the files where they are now
            raise ValueError(str(error).replace(str(folder), str(out))) from None
        put_in_place(folder, out)
    say('\n'.join(['', *report]).replace(str(folder), str(out)))


def make_plan(layouts: Sequence[Layout], found: Sequence[RawFile], raw: Path) -> Plan:
    """Find the layout that the files ``found`` in ``raw`` have.

    Raises:
        ValueError: They have none, or different files for one place; with what was expected and found.
    """
    name, missing = layouts[0].dataset.__name__, []
    for layout in layouts:
        skipped = {each.lower() for each in layout.skip}
        plan, clashes, matched = Plan(layout, {}, {}), [], set()
        patterns = [(rule, re.compile(f'(?:^|.*?/){rule.pattern}', re.IGNORECASE)) for rule in layout.rules]
        for source in found:
            if not skipped.isdisjoint(source.key.lower().split('/')):
                continue
            for rule, pattern in patterns:
                if match := pattern.fullmatch(source.key):
                    matched.add(rule)
                    target = match.expand(rule.target)
                    other = (plan.files if rule.keep else plan.inputs).setdefault(target, source)
                    if other is not source and other.file.stat().st_size != source.file.stat().st_size:
                        clashes.append(f'{target} ({other.path} and {source.path})')
                    break
        absent = [rule.what for rule in layout.rules if rule.needed and rule not in matched]
        if absent:
            missing.append(f'  {", ".join(absent)}')
        elif clashes:
            raise ValueError(
                f'{name}: {len(clashes)} files of {raw} differ from others for the same place: {first_names(clashes)}. '
                'Give the folder or archive of one copy as RAW_DIR'
            )
        else:
            return plan
    raise ValueError(_mismatch(layouts[0].dataset, [file.path for file in found], raw, '\n  or\n'.join(missing)))


def _mismatch(cls: type, paths: Iterable[str], raw: Path, missing: str) -> str:
    """The error for raw data of no known layout: what is missing, what was found, what it is to become."""
    lines = [f'{cls.__name__}: {raw} has not the layout of this data set; nothing was written. Missing:', missing]
    tops: dict[str, list[str]] = {}
    for path in paths:
        tops.setdefault(path.split('/')[0], []).append(path)
    shown = [f'{name} ({len(inside)} files, such as {inside[0]})' for name, inside in tops.items()]
    lines.append(f'Found: {first_names(shown) or "no files"}')
    if foreign := [path for path in paths if _FOREIGN.search(path)]:
        lines.append(f'{len(foreign)} archives have to be extracted first (7z x FIRST_PART): {first_names(foreign)}')
    lines += ['The files, extracted or in archives (zip, tar), are to make up:', cls.EXPECTED_TREE.strip('\n')]
    return '\n'.join([*lines, f'The data set is obtained from {cls.HOMEPAGE}'])


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


def count(plan: Plan, folder: Path) -> list[str]:
    """Build each part of the data set and set its counts beside the published ones; lines of text.

    Raises:
        ValueError: The class of the data set finds something wrong, such as images that are not there.
    """
    cls, checks = plan.layout.dataset, plan.layout.checks
    columns, differing, calls = {}, [], []
    for options in checks(plan.files) if checks else [dict(split=split) for split in cls.SPLITS]:
        dataset = cls(data_root=str(folder), **options)
        options = {key: value for key, value in options.items() if value != ''}
        shown = [value if key == 'split' else f'{key}={value}' for key, value in options.items() if key != 'ann_file']
        name = ', '.join(shown) or 'images'
        published = dataset.published_counts()
        if isinstance(published, int):
            wanted = dict(all=published)
        else:
            wanted = dict(zip(dataset.classes, published), all=sum(published))
        counts = dict(dataset.class_counts(), all=len(dataset))
        if any(counts[key] != value for key, value in wanted.items()):
            differing.append(name)
        columns.update({name: counts, f'published ({name})': wanted})
        arguments = ', '.join(f'{key}={value!r}' for key, value in dict(data_root=str(folder), **options).items())
        calls.append(f'  {cls.__name__}({arguments})')
    names = dict.fromkeys(key for counts in columns.values() for key in counts if key != 'all')
    rows = [(row, *(counts.get(row, '') for counts in columns.values())) for row in (*names, 'all')]
    table = render_table(('class', *columns), rows).rstrip('\n')
    verdict = f'Counts differ from the published ones: {", ".join(differing)}.' if differing else ''
    return [table, '', verdict or 'All counts are those published.', 'Read it with', *calls]
