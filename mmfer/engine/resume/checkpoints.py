"""The checkpoints of a run that is continued."""

from __future__ import annotations

import logging
from pathlib import Path

from mmengine.logging import HistoryBuffer, print_log

from mmfer.utils.checkpoint import age, list_checkpoints, load_checkpoint


def holds_training(content: dict) -> bool:
    """Whether a checkpoint holds what a training needs to continue, and not just weights."""
    return isinstance(content.get('meta'), dict) and 'optimizer' in content and 'message_hub' in content


def load_newest(folder: str | Path) -> tuple[Path, dict] | None:
    """The newest checkpoint of a run that loads, and its content; None where there is no checkpoint.

    The log tells which files were skipped, and why.

    Raises:
        ValueError: If there are checkpoints, but none of them loads.
    """
    problems = []
    for path in list_checkpoints(folder):
        try:
            content = load_checkpoint(path)
            if not holds_training(content):
                raise ValueError(f'{path} cannot be loaded: it holds no state of a training')
        except (OSError, ValueError) as error:
            problems.append(str(error))
            print_log(f'Skipped: {error}', logger='current', level=logging.WARNING)
            continue
        return path, content
    if problems:
        raise ValueError(
            f'none of the {len(problems)} checkpoints in {folder} can be loaded:\n'
            + '\n'.join(problems)
            + '\nTo start anew, move them away or choose another --work-dir.'
        )
    return None


def prune_checkpoints(folder: str | Path, keep: int, by_epoch: bool = True) -> list[Path]:
    """Remove old checkpoints of a run, oldest first, and return their paths. Call it once the newest is complete.

    Args:
        folder: Folder of the run.
        keep: So many are kept; all, if negative.
        by_epoch: The regular ones are those of ends of epochs. Others were saved when a run was interrupted, and are
            removed when there is a newer one.
    """
    found = list_checkpoints(folder)
    regular = [path for path in found if not by_epoch or path.name == f'epoch_{age(path)[0]}.pth']
    surplus = set(regular[keep:]) if keep >= 0 else set()
    if by_epoch:
        surplus |= set(found[1:]) - set(regular)
    old = sorted(surplus - set(found[:1]), key=age)
    for path in old:
        path.unlink(missing_ok=True)
    return old


def restore_message_hub(state: dict) -> dict:
    """The state of MMEngine's message hub as it was before :func:`to_plain`."""
    scalars = {
        name: HistoryBuffer(value['history'].tolist(), value['counts'].tolist(), value['max_length'])
        for name, value in state.get('log_scalars', {}).items()
    }
    return {**state, 'log_scalars': scalars}
