"""Options of command lines; nothing is imported before one is used, so that ``--help`` comes at once."""

from __future__ import annotations

import argparse
from typing import Any


def add_tta(parser: argparse.ArgumentParser) -> None:
    """The option ``--tta``, whose choices are the keys of ``mmfer.utils.views.VIEWS``."""
    parser.add_argument(
        '--tta',
        choices=['flip', 'flip+shifts'],
        help='average over the mirror image (2 views), or small shifts of both as well (10 views) [one view]',
    )


class DictAction(argparse.Action):
    """MMEngine's ``DictAction``: ``--cfg-options a.b=1 c=[2,3]`` becomes ``{'a.b': 1, 'c': [2, 3]}``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        wrong = [value for value in values or () if '=' not in value]
        if wrong:
            parser.error(f'{option_string} {wrong[0]}: expected NAME=VALUE, such as train_cfg.max_epochs=1')
        from mmengine.config import DictAction

        DictAction(self.option_strings, self.dest, nargs=self.nargs)(parser, namespace, values, option_string)
