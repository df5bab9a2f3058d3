"""Recipes, and the plan that follows from one for what lies in RAW_DIR."""

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple, Optional

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.utils.image_files import IMG_EXTENSIONS

from .archives import remedy
from .raw import RawData, Source


class Rule(NamedTuple):
    """Which raw files become which prepared ones.

    Attributes:
        what (str): What they are, for messages.
        pattern (str): Regular expression of the end of the raw path, from the beginning of a folder's or file's name
            on; case does not matter, and an archive counts as a folder without its ending.
        target (str): The path below OUT_DIR, with the groups of the pattern as in ``re.sub``.
        needed (bool): At least one file has to match. Defaults to True.
        keep (bool): The file is brought into OUT_DIR; False: the layout's ``build`` reads it under the name of its
            target. Defaults to True.
    """

    what: str
    pattern: str
    target: str
    needed: bool = True
    keep: bool = True


class Layout(NamedTuple):
    """A form in which a data set is handed out.

    Attributes:
        name (str): For messages.
        rules (tuple): The :class:`Rule`; a file goes by the first that matches.
        build (Callable, optional): Makes further files: ``build(job)`` returns notes for the user, a list of str.
        estimate (Callable, optional): ``estimate(job)``: bytes that ``build`` writes, about.
        options (dict): Options of ``build`` and their defaults.
        loose (tuple): Those of them that another run may change, as finished files do not depend on them.
        check_options (Callable, optional): ``check_options(options)`` raises ValueError where a value is wrong.
        checks (Callable, optional): ``checks(plan)``: arguments of the data set class for each part of the final
            table. Defaults to one part for each of its SPLITS.
    """

    name: str
    rules: tuple
    build: Optional[Callable] = None
    estimate: Optional[Callable] = None
    options: dict = {}
    loose: tuple = ()
    check_options: Optional[Callable] = None
    checks: Optional[Callable] = None


class Recipe(NamedTuple):
    """How a data set is prepared.

    Attributes:
        dataset (type): Its class, a FERDataset, which knows the resulting tree.
        layouts (tuple): The :class:`Layout` in which it circulates; the first that fits is taken.
        skip (tuple): Names of folders or archives that hold something else.
    """

    dataset: type
    layouts: tuple
    skip: tuple = ()

    @property
    def name(self) -> str:
        """Name of the class."""
        return self.dataset.__name__


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
        recipe (Recipe): Of the data set.
        layout (Layout): The one found.
        files (dict): Path below OUT_DIR -> the :class:`Source` that is brought there.
        inputs (dict): Target of the rules with ``keep=False`` -> the Source that ``build`` reads.
    """

    recipe: Recipe
    layout: Layout
    files: dict
    inputs: dict

    def checks(self) -> list:
        """Arguments of the data set class, one dict for each part of the data set."""
        if self.layout.checks is not None:
            return self.layout.checks(self)
        return [dict(split=split) for split in self.recipe.dataset.SPLITS] or [{}]

    def single_inputs(self) -> list:
        """The Sources of ``inputs`` that are one file by name, such as lists."""
        names = {rule.target for rule in self.layout.rules if not rule.keep}
        return [source for target, source in self.inputs.items() if target in names]


def make_plan(recipe: Recipe, raw: RawData) -> Plan:
    """Find the layout that ``raw`` has.

    Raises:
        ValueError: It has none, two different files for one place, or files that cannot be read; with what was
            expected and found.
    """
    skipped = {name.lower() for name in recipe.skip}
    sources = [(source.key, source) for source in raw.sources]
    if skipped:
        sources = [pair for pair in sources if not skipped.intersection(pair[0].lower().split('/'))]
    missing = {}
    for layout in recipe.layouts:
        found: dict = {rule: {} for rule in layout.rules}
        clashes: list = []
        patterns = [(rule, re.compile(f'(?:^|.*?/){rule.pattern}', re.IGNORECASE)) for rule in layout.rules]
        for key, source in sources:
            for rule, pattern in patterns:
                match = pattern.fullmatch(key)
                if match:
                    _add(found[rule], match.expand(rule.target), source, clashes)
                    break
        missing[layout.name] = [rule.what for rule in layout.rules if rule.needed and not found[rule]]
        if missing[layout.name]:
            continue
        if clashes:
            raise ValueError(
                f'{recipe.name}: {len(clashes)} files of {raw.root} differ from others for the same place: '
                f'{first_names(clashes)}. Give the folder or archive of one copy as RAW_DIR.'
            )
        plan = Plan(
            recipe,
            layout,
            {target: source for rule in layout.rules if rule.keep for target, source in found[rule].items()},
            {target: source for rule in layout.rules if not rule.keep for target, source in found[rule].items()},
        )
        _check_obstacles(plan, raw)
        return plan
    raise ValueError(describe_mismatch(recipe, raw, missing))


def _add(found: dict, target: str, source: Source, clashes: list) -> None:
    """Enter a file; of two of the same size the one on disk, or the first, counts."""
    other = found.setdefault(target, source)
    if other is source:
        return
    if other.size != source.size:
        clashes.append(f'{target} ({other.path}, {other.size} bytes, and {source.path}, {source.size} bytes)')
    elif other.file is None and source.file is not None:
        found[target] = source


def _check_obstacles(plan: Plan, raw: RawData) -> None:
    for obstacles in (plan.files, plan.inputs):
        blocked = [source for source in obstacles.values() if source.member is not None and source.member.obstacle]
        if blocked:
            names = list(dict.fromkeys(raw.origin[source.archive].path for source in blocked))
            reason = blocked[0].member.obstacle
            raise ValueError(
                f'{plan.recipe.name}: {len(blocked)} files in {first_names(names)} are {reason}, such as '
                f'{blocked[0].path}; {remedy(reason)}'
            )


def describe_mismatch(recipe: Recipe, raw: RawData, missing: dict) -> str:
    """The error for raw data of no known layout: what each layout lacks, what was found, what it is to become."""
    cls = recipe.dataset
    lines = [f'{recipe.name}: {raw.root} has not the layout of this data set; nothing was written. Missing:']
    lines += [f'  {name}: {", ".join(absent)}' for name, absent in missing.items()]
    lines += ['Found:', *_summary(raw)] if raw.sources or raw.archives else ['Found: no files']
    if raw.foreign:
        lines.append(
            f'{len(raw.foreign)} archives have to be extracted first (7z x FIRST_PART): {first_names(raw.foreign)}'
        )
    if raw.locked:
        lines.append(f'Encrypted archives within archives: {first_names(raw.locked)}; {remedy("encrypted")}')
    lines += ['The files, extracted or in archives (zip, tar), are to make up:', cls.EXPECTED_TREE.strip('\n')]
    return '\n'.join(lines + ([f'The data set is obtained from {cls.HOMEPAGE}'] if cls.HOMEPAGE else []))


def _summary(raw: RawData, limit: int = 10) -> list:
    """Lines that tell what lies at the top of RAW_DIR, with one example each."""
    counts = Counter(source.path.split('/')[0] for source in raw.sources)
    counts.update({source.path.split('/')[0]: 0 for source in raw.archives})
    examples: dict = {}
    for source in raw.sources:
        examples.setdefault(source.path.split('/')[0], source.path)
    lines = []
    for name, count in list(counts.items())[:limit]:
        example = examples.get(name, name)
        lines.append(f'  {name}' if example == name else f'  {name}: {count} files, such as {example}')
    return lines + ([f'  ... ({len(counts) - limit} more)'] if len(counts) > limit else [])


def folder_links(plan: Plan, raw: RawData) -> dict:
    """Folders that can be linked whole instead of file by file.

    Args:
        plan (Plan): Of the data set.
        raw (RawData): Of RAW_DIR.

    Returns:
        dict: Folder below OUT_DIR -> folder on disk. Each holds all its files under the same names, no other image or
        file of the plan, and lies in no other of them.
    """
    pairs: Counter = Counter()
    below: Counter = Counter()  # files below each folder of OUT_DIR
    there: Counter = Counter()  # images and files of the plan below each folder on disk
    mapped = {source.file for files in (plan.files, plan.inputs) for source in files.values() if source.file}
    for source in raw.sources:
        if source.file in mapped or (source.file and source.path.lower().endswith(IMG_EXTENSIONS)):
            there.update(_folders(source.path))
    for target, source in plan.files.items():
        below.update(_folders(target))
        if source.file is not None:
            pairs.update(_common_folders(target, source.path))
    links: dict = {}
    for (target, folder), count in sorted(pairs.items(), key=lambda pair: pair[0][0].count('/')):
        whole = count == below[target] == there[folder]
        if whole and not any(target.startswith(f'{other}/') for other in links):
            links[target] = raw.root / folder
    return links


def _folders(path: str) -> list:
    """All folders above a file, without the top: 'a/b/c' gives ['a', 'a/b']."""
    pieces = path.split('/')[:-1]
    return ['/'.join(pieces[: i + 1]) for i in range(len(pieces))]


def _common_folders(target: str, path: str) -> list:
    """Pairs of folders (of OUT_DIR, of RAW_DIR) from which on both paths are the same."""
    first, second = target.split('/'), path.split('/')
    pairs = []
    while len(first) > 1 and len(second) > 1 and first[-1] == second[-1]:
        first.pop()
        second.pop()
        pairs.append(('/'.join(first), '/'.join(second)))
    return pairs
