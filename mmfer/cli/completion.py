"""What a shell completes, by argcomplete: verbs, their options, files, and the names of configs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import argcomplete

from mmfer.cli import VERBS

CONFIGS = Path(__file__).parents[1] / 'configs'


def complete() -> None:
    """Answer the shell that asks, and end the process."""
    argcomplete.autocomplete(whole_parser(), default_completer=files_and_configs)


def whole_parser() -> argparse.ArgumentParser:
    """One parser with all verbs; ``mmfer.cli.main`` builds that of one verb alone."""
    parser = argparse.ArgumentParser('mmfer')
    groups = {'': parser.add_subparsers()}
    for verb, text in VERBS.items():
        *group, name = verb.split()
        if group and group[0] not in groups:
            groups[group[0]] = groups[''].add_parser(group[0]).add_subparsers()
        module = import_module(f'mmfer.cli.{verb.replace(" ", "_")}')
        module.add_arguments(groups[''.join(group)].add_parser(name, help=text))
    return parser


def files_and_configs(prefix: str, action: argparse.Action, **others: object) -> Iterator[str]:
    """Files, and names such as ``poster_var/synth`` where a config is asked for."""
    yield from argcomplete.FilesCompleter()(prefix)
    if action.dest in ('config', 'configs', 'model', 'data'):
        names = (file.relative_to(CONFIGS).with_suffix('').as_posix() for file in CONFIGS.glob('[a-z]*/*.py'))
        yield from sorted(name for name in names if name.startswith(prefix))
