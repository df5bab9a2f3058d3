"""Reading checkpoints of unknown origin: tensors out, nothing executed."""

from __future__ import annotations

import io
import os
import re
import struct
import sys
import zipfile
from _compat_pickle import IMPORT_MAPPING
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from .pickle_machine import AGAIN, CheckpointError, Opaque, PickleMachine, require, show

__all__ = ['CheckpointError', 'Opaque', 'find_state_dict', 'read_checkpoint']

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # first object of the stream format of torch < 1.6
MAX_MODULES = 100_000  # of a pickled network, which may also contain itself
WRAPPERS = ('state_dict', 'model', 'model_state_dict', 'net', 'module')  # the last one is DeepSpeed's
FOREIGN = (
    (b'version https://git-lfs', 'is a Git LFS pointer, not the file itself. Run `git lfs pull` where it comes from.'),
    (b'<!', 'is a web page, not a checkpoint. Download it again by its direct link.'),
    (b'<html', 'is a web page, not a checkpoint. Download it again by its direct link.'),
    (b'<?xml', 'is XML, not a checkpoint. Download it again by its direct link.'),
    (b'\x1f\x8b', 'is a gzip archive. Unpack it first.'),
    (b'\x89HDF', 'is an HDF5 file (Keras?), not a PyTorch checkpoint. Convert it with the framework that wrote it.'),
    (b'\xff\xd8\xff', 'is a JPEG image, not a checkpoint.'),
    (b'\x89PNG', 'is a PNG image, not a checkpoint.'),
    (b'%PDF', 'is a PDF document, not a checkpoint.'),
)
# Parts of Python that pickles of data call: what they make is data, too. Calls of all others are code.
DATA_CALLS = re.compile(
    r'(_codecs|UserDict|UserList|array|collections|copyreg|copy_reg|datetime|decimal|fractions|itertools|uuid|zoneinfo)\.\w+'
    r'|argparse\.Namespace|functools\.partial|io\.(BytesIO|StringIO)|logging\.getLogger|random\.Random|re\._compile'
    r'|time\.struct_time|types\.SimpleNamespace|pathlib(\._local)?\.(Pure)?(Posix|Windows)?Path'
    r'|builtins\.(bool|bytearray|bytes|complex|dict|float|frozenset|int|list|object|range|set|slice|str|tuple)'
    r'|builtins\.(long|unicode|xrange)'
)
STANDARD = frozenset(getattr(sys, 'stdlib_module_names', ())) or frozenset(  # Python 3.9 does not list them
    [*sys.builtin_module_names, *(name.split('.')[0] for name in os.listdir(os.path.dirname(os.__file__)))]
)
STANDARD |= {'os', 'posix', 'nt', 'builtins', *IMPORT_MAPPING}  # torch writes names of Python 2, too
ENDIAN = ('it was written by a big-endian machine', 'Save it again on a little-endian one')


class _Reader(PickleMachine):
    """Refuses a pickle that calls what no data need. It would not be called here, but whoever wrote it meant it to."""

    def call(self, func: Any, args: Any) -> Any:
        self._judge(func, args if isinstance(args, tuple) else ())
        if isinstance(func, Opaque) and func.name == 'torch._tensor._rebuild_from_type_v2' and len(args) == 4:
            made_by, kind, own_args, _ = args  # a tensor with attributes, as FSDP leaves them
            if isinstance(kind, Opaque) and kind.name in ('torch.Tensor', 'torch.nn.parameter.Parameter'):
                return self.call(made_by, own_args)
        return super().call(func, args)

    def _judge(self, func: Any, args: tuple) -> None:
        name = func.name if isinstance(func, Opaque) else ''
        if name == 'builtins.getattr' and args:  # of MMEngine's log buffers, and of many an exploit
            name = f'{args[0].name}.{args[1]}' if isinstance(args[0], Opaque) and args[1:] else name
        elif name == 'functools.partial' and args:
            self._judge(args[0], ())
        code = name.split('.')[0] in STANDARD and not DATA_CALLS.fullmatch(name)
        require(
            not code,
            f'it carries code: it would call {show(name)} (nothing was run)',
            'Do not load it elsewhere; ask for the weights alone, a state dict',
        )


def _read_into(stream: BinaryIO, data: bytearray) -> None:
    view = memoryview(data)
    while len(view):
        count = stream.readinto(view[: 1 << 22])
        require(count, 'it ends in the middle of a tensor: it is truncated')
        view = view[count:]


def _read_zip(stream: BinaryIO, size: int) -> Any:
    """The zip format of torch >= 1.6: ``NAME/data.pkl``, and ``NAME/data/KEY`` for each storage."""
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile:
        raise CheckpointError(
            f'it begins like a checkpoint, but its end is missing: it is truncated. {AGAIN}.'
        ) from None
    members = {info.filename: info for info in archive.infolist()}
    stored = all(i.compress_type == zipfile.ZIP_STORED and i.file_size == i.compress_size for i in members.values())
    require(
        stored, 'it has compressed members, which torch.save never writes', 'Unpack it, or save it again with torch'
    )
    # this also refuses members that share their bytes
    require(sum(i.file_size for i in members.values()) <= size, 'its members claim to be larger than the file')
    pickles = [name for name in members if name.count('/') <= 1 and name.rsplit('/', 1)[-1] == 'data.pkl']
    require(
        len(pickles) == 1, 'it is a zip archive, but torch.save did not write it', 'Unpack it, or give another file'
    )
    prefix = pickles[0][: -len('data.pkl')]
    script = f'{prefix}constants.pkl' in members
    require(not script, 'it is a TorchScript program, not a checkpoint', 'Ask for the state dict it was made from')

    def member(name: str, least: int = 0) -> bytearray:
        info = members.get(f'{prefix}{name}')
        require(info is not None, f'its part {show(name)} is missing')
        require(info.file_size >= least, f'its part {show(name)} is shorter than its tensors')
        data = bytearray(info.file_size)
        with archive.open(info) as part:
            _read_into(part, data)  # zipfile compares the checksum at the end
        return data

    order = bytes(member('byteorder')) if f'{prefix}byteorder' in members else b'little'
    require(order == b'little', *ENDIAN)
    # a read from BytesIO, unlike one from a file, is cut to what is there before it allocates
    pickled = io.BytesIO(member('data.pkl'))
    return _Reader(lambda key, nbytes, itemsize: member(f'data/{key}', nbytes)).run(pickled)


class _Bounded:
    """The file as a pickle stream: a read past the end fails before it allocates what the file claims to hold."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size, self.tell = stream, size, stream.tell

    def read(self, count: int) -> bytes:
        require(0 <= count <= self.size - self.tell(), 'it ends in the middle of an object: it is truncated')
        return self.stream.read(count)

    def readline(self) -> bytes:
        return self.stream.readline(1 << 16)


def _read_stream(stream: BinaryIO, size: int) -> Any:
    """The format of torch < 1.6: five pickles (magic, version, system, object, storage keys), then the storages."""
    bounded = _Bounded(stream, size)
    magic = _Reader().run(bounded)
    if isinstance(magic, dict) and any(isinstance(value, np.ndarray) for value in magic.values()):
        return magic  # a plain pickle of NumPy arrays, as the ResNets of VGGFace2 come
    plain = 'it is a pickle that torch.save did not write'
    require(
        type(magic) is int and magic == MAGIC_NUMBER,
        plain,
        'Only files of torch.save, pickled dicts of NumPy arrays and safetensors are read',
    )
    require(_Reader().run(bounded) == 1001, 'it has an unknown version of the format of torch < 1.6')
    system = _Reader().run(bounded)
    require(isinstance(system, dict) and isinstance(system.get('little_endian'), bool), 'its header is damaged')
    require(system['little_endian'], *ENDIAN)
    itemsizes: dict[str, int] = {}
    left = size

    def allocate(key: str, nbytes: int, itemsize: int) -> bytearray:
        nonlocal left
        left -= nbytes
        require(left >= 0, 'its tensors claim to be larger than the file: it is truncated or damaged')
        itemsizes[key] = itemsize
        return bytearray(nbytes)  # filled below: the storages come after the object that uses them

    machine = _Reader(allocate)
    result = machine.run(bounded)
    keys = _Reader().run(bounded)
    valid = isinstance(keys, list) and all(isinstance(k, str) for k in keys) and set(keys) == set(machine.storages)
    require(valid, 'its list of storages is damaged')
    for key in keys:
        (numel,) = struct.unpack('<q', bounded.read(8))
        data = machine.storages[key]
        require(numel * itemsizes[key] == len(data), f'storage {show(key)} has another size than its tensors')
        _read_into(stream, data)
    return result


def read_checkpoint(path: str | os.PathLike) -> Any:
    """The content of a file of ``torch.save`` (either format) or a ``.safetensors`` file, on the CPU.

    A plain pickle is read if it is a dict of NumPy arrays by their names, as the ResNets of VGGFace2 come.

    Nothing of the file is executed or imported, and a file that calls anything of Python but makers of data is refused.
    Tensors come without autograd; those that share a storage in the file
    share it here. Objects other than tensors, containers, numbers, text and plain numpy arrays become :class:`Opaque`.

    Args:
        path: The file.

    Raises:
        OSError: If the file is missing or may not be read.
        CheckpointError: If it is empty, truncated, damaged, carries code or is no checkpoint; the message names it and
            the remedy.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f'{path} is a directory. Name the checkpoint file in it.')
    if not path.exists():
        raise FileNotFoundError(f'checkpoint not found: {path}')
    with open(path, 'rb') as stream:
        size = os.fstat(stream.fileno()).st_size
        head = stream.read(64)
        stream.seek(0)
        if not head:
            raise CheckpointError(f'{path} is empty. {AGAIN}.')
        for magic, problem in FOREIGN:
            if head.startswith(magic):
                raise CheckpointError(f'{path} {problem}')
        try:
            if path.suffix == '.safetensors' or head[8:9] == b'{':
                from safetensors.torch import load

                return load(stream.read())
            if head.startswith(b'PK'):
                return _read_zip(stream, size)
            if head.startswith(b'\x80'):
                return _read_stream(stream, size)
        except CheckpointError as error:
            raise CheckpointError(f'{path} cannot be read: {error}') from None
        except Exception as error:  # whatever a damaged or hostile file provokes, MemoryError included
            problem = f'{type(error).__name__}: {show(str(error))}'
            raise CheckpointError(f'{path} cannot be read: it is damaged or truncated ({problem}). {AGAIN}.') from error
    if re.fullmatch(rb'[\t\n\r\x20-\x7e]+', head):
        raise CheckpointError(f'{path} is a text file, not a checkpoint.')
    raise CheckpointError(f'{path} is not a checkpoint: neither torch.save nor safetensors wrote it. {AGAIN}.')


def _module_state(module: Opaque) -> Iterator[tuple[str, Tensor]]:
    """Parameters and lasting buffers of a pickled ``nn.Module`` by their names, in its own order."""
    waiting, seen = [('', module)], 0
    while waiting:
        prefix, part = waiting.pop()
        seen += 1
        require(seen <= MAX_MODULES and prefix.count('.') <= 100, 'its network contains itself')
        own = part.state
        passing = own.get('_non_persistent_buffers_set') or ()
        for kind in ('_parameters', '_buffers'):
            for name, tensor in _items(own.get(kind)):
                if isinstance(tensor, Tensor) and not (kind == '_buffers' and name in passing):
                    yield prefix + name, tensor
        parts = [(f'{prefix}{name}.', child) for name, child in _items(own.get('_modules')) if _is_module(child)]
        waiting += reversed(parts)


def _items(value: Any) -> list[tuple[str, Any]]:
    return [(k, v) for k, v in value.items() if isinstance(k, str)] if isinstance(value, dict) else []


def _is_module(value: Any) -> bool:
    return isinstance(value, Opaque) and isinstance(value.state, dict) and '_modules' in value.state


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(value.astype(value.dtype.newbyteorder('=')))
        except TypeError:  # a type that this version of torch has not
            return None
    return value if isinstance(value, Tensor) else None


def find_state_dict(content: Any) -> dict[str, Tensor]:
    """The state dict in what :func:`read_checkpoint` returned.

    Looks through the wrappers ``state_dict``, ``model``, ``model_state_dict``, ``net`` and ``module``, drops what is no
    tensor, and removes the prefixes of DataParallel (``module.``) and torch.compile (``_orig_mod.``). NumPy arrays
    become tensors. Of a network that was pickled as a whole, code and all, the tensors are taken.

    Args:
        content: The content of a checkpoint.

    Raises:
        CheckpointError: If there are no named tensors; the message lists what is there.
    """
    found = content
    for _ in range(4):
        if isinstance(found, dict):
            found = next((v for v in map(found.get, WRAPPERS) if isinstance(v, dict) or _is_module(v)), found)
    pairs = _module_state(found) if _is_module(found) else found.items() if isinstance(found, dict) else ()
    pairs = dict(pairs)
    tensors = {k: _as_tensor(v) for k, v in pairs.items() if isinstance(k, str)}
    tensors = {k: v for k, v in tensors.items() if v is not None}
    if not tensors:
        types = {k: v.name if isinstance(v, Opaque) else type(v).__name__ for k, v in pairs.items()}
        entries = ', '.join(f'{show(str(k))} ({show(v)})' for k, v in list(types.items())[:10])
        kind = content.name if isinstance(content, Opaque) else type(content).__name__
        there = f'a dict of {len(types)} keys: {entries}' if isinstance(found, dict) else f'one object, {show(kind)}'
        raise CheckpointError(
            f'no state dict found: the file holds {there}. Save the model as '
            "torch.save({'state_dict': model.state_dict()}, FILE), or give another file."
        )
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = name.replace('_orig_mod.', '')
        while short.startswith('module.'):
            short = short[len('module.') :]
        require(short not in state, f'two tensors are named {show(short)} without "module."', 'Give a single model')
        state[short] = tensor
    return state
