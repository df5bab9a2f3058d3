"""Writing and reading mmfer's own checkpoints: tensors, numbers and strings, never code.

A file is written under a temporary name, flushed to the disk and then renamed, so a file with the name of a checkpoint
is a whole one. When it is read, the checksums of the zip format are compared, which PyTorch leaves alone.

Files of other origin are read by ``mmfer.utils.checkpoint_reader``.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from safetensors import safe_open

from .files import whole_file

# The end of an epoch, a place within an epoch (both numbers count what is done), an iteration of a run without epochs.
NAME = re.compile(r'(?:epoch_(\d+)(?:_iter_(\d+))?|iter_(\d+))\.pth')


def to_plain(obj: Any) -> Any:
    """``obj`` made of dict, list, tuple, tensor, number, string and None alone; anything else becomes its ``str``,
    without addresses in memory, which differ from run to run.

    Tensors are those of ``obj`` where they are on the CPU.
    """
    if obj is None or type(obj) in (bool, int, float, str):
        return obj
    if isinstance(obj, torch.Tensor):
        return obj.detach().cpu()
    if isinstance(obj, np.generic):  # before the built-in types: np.float64 is a float, but not a plain one
        return obj.item()
    for kind in (int, float, str):
        if isinstance(obj, kind):
            return kind(obj)
    if isinstance(obj, np.ndarray):
        return torch.from_numpy(obj.copy()) if obj.dtype.kind in 'biuf' else obj.tolist()
    if isinstance(obj, HistoryBuffer):
        history, counts = obj.data
        return dict(history=to_plain(history), counts=to_plain(counts), max_length=obj.max_length)
    if isinstance(obj, Mapping):
        return {key if isinstance(key, (int, float)) else str(key): to_plain(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return type(obj)(map(to_plain, obj)) if type(obj) in (list, tuple) else [to_plain(item) for item in obj]
    if isinstance(obj, (set, frozenset)):
        return sorted(map(to_plain, obj))
    return re.sub(r' at 0x[0-9a-f]+', '', str(obj))


# ---- writing ---------------------------------------------------------------------------------------------------------
class _Sink:
    """A file for torch.save, which can crash the process where a write fails: keeps the error for later."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        if self.error is None:
            try:
                self.file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        pass


def write_checkpoint(content: Mapping, path: str | Path) -> None:
    """Write ``content``, made plain, as a whole file or not at all.

    Raises:
        OSError: If it cannot be written, for example on a full disk. What was at ``path`` is still there.
    """
    plain = to_plain(content)
    with whole_file(path) as part, open(part, 'wb') as file:
        sink = _Sink(file)
        torch.save(plain, sink)
        if sink.error is not None:
            raise sink.error


# ---- reading ---------------------------------------------------------------------------------------------------------
def checkpoint_classes(content: Mapping) -> tuple[str, ...]:
    """Names of the classes that a checkpoint was trained on, in the order of its outputs; empty where it names none."""
    return tuple(map(str, ((content.get('meta') or {}).get('dataset_meta') or {}).get('classes') or ()))


def load_checkpoint(path: str | Path, map_location: Any = 'cpu') -> dict:
    """Read a checkpoint that mmfer wrote; nothing in the file is executed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or holds more than tensors, numbers and strings.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    try:
        if path.suffix == '.safetensors':
            return _load_safetensors(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:
        raise ValueError(_why_unreadable(path, error)) from None
    if not isinstance(content, dict):
        raise ValueError(f'{path} cannot be loaded: it holds a {type(content).__name__}, not a dict of weights')
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(
                f'{path} cannot be loaded: it is damaged, its part {damaged} does not match its checksum: it changed '
                'after it was written (by the disk, or while it was copied). Take another copy or an older checkpoint.'
            )
    return content


def _why_unreadable(path: Path, error: Exception) -> str:
    from .checkpoint_reader import CheckpointError, read_checkpoint  # the way of last resort

    code = re.search(r'GLOBAL (\S+)', str(error))
    if code:
        reason = f'it holds Python objects that could run code ({code[1]})'
    else:
        try:
            read_checkpoint(path)
        except CheckpointError as known:
            return str(known)
        reason = f'PyTorch refuses it ({str(error).splitlines()[0]})'
    return (
        f'{path} cannot be loaded: {reason}. Weights released by others are read, without running anything, by '
        'mmfer convert. (mmfer explain bad-checkpoint)'
    )


def classes_text(classes: Sequence[str]) -> str:
    """The names of classes as the metadata of a safetensors file hold them: a row of a csv file."""
    text = io.StringIO()
    csv.writer(text, lineterminator='').writerow(classes)
    return text.getvalue()


def _load_safetensors(path: Path) -> dict:
    with safe_open(path, 'pt') as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (a file is no mapping)
        meta = dict(file.metadata() or {})
    if 'dataset_meta' in meta:
        meta['dataset_meta'] = dict(classes=tuple(next(csv.reader([meta['dataset_meta']]))))
    meta.update((name, json.loads(meta[name])) for name in ('abstention', 'sets') if name in meta)
    return dict(state_dict=state, meta=meta)


# ---- the checkpoints of a run ----------------------------------------------------------------------------------------
def age(path: str | Path) -> tuple[int, int] | None:
    """(epochs done, iterations done) that the name of a checkpoint tells; None where it is no such name.

    ``epoch_3.pth`` is (3, 0) and older than ``epoch_3_iter_250.pth``, (3, 250), saved within the fourth epoch.
    """
    match = NAME.fullmatch(Path(path).name)
    return (int(match[1] or 0), int(match[2] or match[3] or 0)) if match else None


def list_checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoints of a run that can be continued, newest first; they are not opened."""
    folder = Path(folder)
    found = [path for path in folder.iterdir() if age(path)] if folder.is_dir() else []
    return sorted((path for path in found if path.is_file()), key=age, reverse=True)
