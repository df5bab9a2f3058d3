"""Options of command lines; nothing is imported before one is used, so that ``--help`` comes at once."""

from __future__ import annotations

import argparse
import ast
from typing import Any


def _literal(node: ast.expr) -> Any:
    """The value of an expression of literals and ``dict(...)``.

    Raises:
        ValueError: If it is anything else.
    """
    if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'dict' and not node.args:
        return {str(word.arg): _literal(word.value) for word in node.keywords}
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    return ast.literal_eval(node)


def add_training(parser: argparse.ArgumentParser) -> None:
    """The options of every training: ``--amp`` and ``--epochs``."""
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bfloat16',
        choices=['bfloat16', 'float16'],
        help='train with mixed precision; bfloat16 if no format is given',
    )
    parser.add_argument(
        '--epochs', type=int, metavar='N', help='train for N epochs, and stretch every schedule to this length'
    )


def add_cfg_options(parser: argparse.ArgumentParser, what: str = 'the config') -> None:
    """The option ``--cfg-options``."""
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='NAME=VALUE', help=f'settings to replace in {what}'
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option ``--device``."""
    parser.add_argument('--device', help='e.g. cpu or cuda:1 [a GPU if there is one]')


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

        whole = [value for value in values or () if 'dict(' in value or '{' in value]  # which MMEngine cannot read
        plain = [value for value in values or () if value not in whole]
        DictAction(self.option_strings, self.dest, nargs=self.nargs)(parser, namespace, plain, option_string)
        for value in whole:
            name, _, text = value.partition('=')
            try:
                getattr(namespace, self.dest)[name] = _literal(ast.parse(text, mode='eval').body)
            except (SyntaxError, ValueError) as error:
                parser.error(f'{option_string} {value}: {error}. Expected dict(a=1, b=[2, 3]) or {{"a": 1}}, quoted')
