"""Options of command lines; nothing is imported before one is used, so that ``--help`` comes at once."""

from __future__ import annotations

import argparse
from typing import Any


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
