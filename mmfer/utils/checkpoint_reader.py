"""Reading checkpoints of unknown origin: tensors out, nothing executed."""

from __future__ import annotations

import io
import os
import pickle
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

AGAIN = 'Copy or download it again, and compare its size with the source'
MAGIC_NUMBER = 0x1950A86A20F9469CFC6C  # first object of the stream format of torch < 1.6
FOREIGN = (
    (b'version https://git-lfs', 'is a Git LFS pointer, not the file itself. Run `git lfs pull` where it comes from.'),
    (b'<', 'is a web page, not a checkpoint. Download it again by its direct link.'),
)
ENDIAN = ('it was written by a big-endian machine', 'Save it again on a little-endian one')
STORAGES = dict(
    Float='float32', Double='float64', Half='float16', BFloat16='bfloat16', Long='int64', Int='int32', Short='int16',
    Char='int8', Byte='uint8', Bool='bool', ComplexFloat='complex64', ComplexDouble='complex128', Untyped='uint8',
)  # fmt: skip
NUMBERS = re.compile(r'b1|[iu][1248]|f[248]|c8|c16')  # what NumPy calls plain numbers


class CheckpointError(ValueError):
    """A checkpoint cannot be read or does not fit; the message names the file, what is wrong and what to do."""


def show(text: str, limit: int = 80) -> str:
    """``text`` of an untrusted file, safe to print: ASCII, one line, at most ``limit`` characters."""
    text = text if len(text) <= limit else text[:limit] + '...'
    return ascii(text)[1:-1]


def require(condition: Any, problem: str, remedy: str = AGAIN) -> None:
    """Raises a :class:`CheckpointError` unless ``condition``."""
    if not condition:
        raise CheckpointError(f'{problem}. {remedy}.')


class Opaque:
    """An object of a file that is described, not built; the class or function that the file names is a subclass.

    Attributes:
        name (str): What the file names, such as ``__main__.RecorderMeter``.
        args (tuple): What it would have been called with.
        state: What the object's attributes would have been set from, or None.
    """

    name = 'unknown'

    def __new__(cls, *args: Any, **options: Any) -> Opaque:
        self = object.__new__(cls)
        self.args, self.state = (*args, options) if options else args, None
        return self

    def __init__(self, *args: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def _ignore(self, *args: Any) -> Opaque:
        return Opaque(*args)

    __call__ = append = extend = add = update = __setitem__ = _ignore

    def __repr__(self) -> str:
        return f'Opaque({show(self.name)})'


def _tensor(storage: Tensor, offset: int, size: tuple, stride: tuple, *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)  # refuses what lies outside of the storage


def _object(kind: Any, *args: Any) -> Any:
    return kind() if isinstance(kind, type) and issubclass(kind, Opaque) else Opaque(kind, *args)


def _number(dtype: Any, data: Any) -> Any:
    """A scalar of NumPy."""
    kind = _plain_dtype(dtype)
    data = data.encode('latin1') if isinstance(data, str) else data
    return Opaque(dtype, data) if kind is None else np.frombuffer(data, kind)[0].item()


def _plain_dtype(dtype: Any) -> np.dtype | None:
    """The type of numbers that a pickled ``numpy.dtype`` means; None for structured, object and text types."""
    name = dtype.args[0] if isinstance(dtype, Opaque) and dtype.name == 'numpy.dtype' and dtype.args else None
    if not isinstance(name, str) or not NUMBERS.fullmatch(name):
        return None
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else '='
    return np.dtype(name).newbyteorder(order if order in ('<', '>') else '=')


def as_array(value: Any) -> np.ndarray | None:
    """The array of plain numbers that a pickle of NumPy describes; None where it is something else."""
    state = value.state if isinstance(value, Opaque) else None
    if isinstance(state, tuple) and len(state) == 5:
        _, shape, dtype, fortran, data = state
    elif isinstance(value, Opaque) and value.name.endswith('_frombuffer') and len(value.args) == 4:
        data, dtype, shape, order = value.args
        fortran = order == 'F'
    else:
        return None
    kind = _plain_dtype(dtype)
    data = data.encode('latin1') if isinstance(data, str) else data  # the bytes of Python 2
    if kind is None or not isinstance(data, (bytes, bytearray)):
        return None
    array = np.frombuffer(data, kind)
    return array.reshape(shape, order='F' if fortran is True else 'C').copy()


# What is built. Whatever arguments a file gives them, these only make data.
BUILT: dict[str, Callable] = {
    '_codecs.encode': lambda text, *_: text.encode('latin1'),
    'builtins.set': set,
    'collections.OrderedDict': OrderedDict,
    'collections.defaultdict': lambda *_: {},
    'copyreg._reconstructor': _object,
    'numpy._core.multiarray.scalar': _number,
    'numpy.core.multiarray.scalar': _number,
    'torch.Size': lambda *args: tuple(*args),
    'torch._utils._rebuild_parameter': lambda data, *_: data,
    'torch._utils._rebuild_parameter_with_state': lambda data, *_: data,
    'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_tensor_v2': _tensor,
}


class _Unpickler(pickle.Unpickler):
    """Imports and calls nothing that a file names, but the functions of ``BUILT``; the rest becomes :class:`Opaque`.

    Args:
        stream: Where the pickle begins.
        load: ``(key, bytes) -> bytearray`` with at least so many bytes: the content of a storage, called once for each.
    """

    def __init__(self, stream: BinaryIO, load: Callable[[str, int], bytearray] | None = None) -> None:
        super().__init__(stream, encoding='latin1')  # of the strings of Python 2
        self.load_bytes = load
        self.storages: dict[str, tuple[bytearray, Tensor]] = {}

    def find_class(self, module: str, name: str) -> Any:
        name = f'{module.replace("__builtin__", "builtins").replace("copy_reg", "copyreg")}.{name}'
        return BUILT.get(name) or type('Opaque', (Opaque,), dict(name=name))

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == 'module':  # a class, with its source
            return pid[1]
        known = isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == 'storage' and isinstance(pid[2], str)
        require(known and self.load_bytes is not None, 'it refers to data outside of the file')
        kind, key, numel = getattr(pid[1], 'name', '').rpartition('.')[2].replace('Storage', ''), pid[2], pid[4]
        require(kind in STORAGES, f'it has tensors of the type {show(kind)}, which are not read')
        require(type(numel) is int and 0 <= numel < 1 << 48, 'a tensor of impossible size')
        if key not in self.storages:
            dtype = getattr(torch, STORAGES[kind])
            data = self.load_bytes(key, numel * dtype.itemsize)
            tensor = torch.frombuffer(data, dtype=dtype, count=numel) if numel else torch.empty(0, dtype=dtype)
            self.storages[key] = data, tensor
        return self.storages[key][1]


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
    return _Unpickler(io.BytesIO(member('data.pkl')), lambda key, size: member(f'data/{key}', size)).load()


def _read_stream(stream: BinaryIO, size: int) -> Any:
    """The format of torch < 1.6: five pickles (magic, version, system, object, storage keys), then the storages."""
    magic = _Unpickler(stream).load()
    if isinstance(magic, dict) and any(as_array(value) is not None for value in magic.values()):
        return magic  # a plain pickle of NumPy arrays, as the ResNets of VGGFace2 come
    require(
        type(magic) is int and magic == MAGIC_NUMBER,
        'it is a pickle that torch.save did not write',
        'Only files of torch.save, pickled dicts of NumPy arrays and safetensors are read',
    )
    require(_Unpickler(stream).load() == 1001, 'it has an unknown version of the format of torch < 1.6')
    system = _Unpickler(stream).load()
    require(isinstance(system, dict) and isinstance(system.get('little_endian'), bool), 'its header is damaged')
    require(system['little_endian'], *ENDIAN)
    left = size

    def allocate(key: str, count: int) -> bytearray:
        nonlocal left
        left -= count
        require(left >= 0, 'its tensors claim to be larger than the file: it is truncated or damaged')
        return bytearray(count)  # filled below: the storages come after the object that uses them

    reader = _Unpickler(stream, allocate)
    result = reader.load()
    keys = _Unpickler(stream).load()
    valid = isinstance(keys, list) and all(isinstance(k, str) for k in keys) and set(keys) == set(reader.storages)
    require(valid, 'its list of storages is damaged')
    for key in keys:
        data, tensor = reader.storages[key]
        (numel,) = struct.unpack('<q', stream.read(8))
        require(numel == len(tensor), f'storage {show(key)} has another size than its tensors')
        _read_into(stream, data)
    return result


def read_checkpoint(path: str | os.PathLike) -> Any:
    """The content of a file of ``torch.save`` (either format) or a ``.safetensors`` file, on the CPU.

    A plain pickle is read if it is a dict of NumPy arrays by their names, as the ResNets of VGGFace2 come.

    Nothing of the file is executed or imported. Tensors come without autograd; those that share a storage in the file
    share it here. Objects other than tensors, containers, numbers and text become :class:`Opaque`, whatever they are.

    Args:
        path: The file.

    Raises:
        OSError: If the file is missing or may not be read.
        CheckpointError: If it is empty, truncated, damaged or no checkpoint; the message names it and the remedy.
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
    problem = 'is not a checkpoint: neither torch.save nor safetensors wrote it'
    raise CheckpointError(f'{path} {problem}. {AGAIN}. (mmfer explain bad-checkpoint)')
