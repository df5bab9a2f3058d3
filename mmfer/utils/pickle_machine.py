"""Following a pickle without running it.

A pickle is a small program that may name any importable function and call it. Here it is followed symbolically, one
opcode after the other. Nothing it names is imported or called: containers, tensors and numpy values are built by the
functions of this file, and every other object becomes an inert :class:`Opaque`.
"""

from __future__ import annotations

import pickletools
import re
from collections import OrderedDict
from typing import Any, BinaryIO, Callable

import numpy as np
import torch
from torch import Tensor

MAX_STEPS = (
    10_000_000  # opcodes and copied elements; the optimizer state of a network of 10,000 tensors needs < 1 million
)
BYTES_A_STEP = 64  # of copied arrays and texts; the NumPy arrays of a ResNet-50 with 8,631 classes are 165 MB
MAX_EXPANDED = 1 << 26  # elements of an expanded view (stride 0), which a few bytes of storage can claim to have
AGAIN = 'Copy or download it again, and compare its size with the source'

_STORAGES = {
    'Float': torch.float32,
    'Double': torch.float64,
    'Half': torch.float16,
    'BFloat16': torch.bfloat16,
    'Long': torch.int64,
    'Int': torch.int32,
    'Short': torch.int16,
    'Char': torch.int8,
    'Byte': torch.uint8,
    'Bool': torch.bool,
    'ComplexFloat': torch.complex64,
    'ComplexDouble': torch.complex128,
    'Untyped': torch.uint8,
}
_UNTYPED = ('uint16', 'uint32', 'uint64', 'float8_e4m3fn', 'float8_e5m2', 'float8_e4m3fnuz', 'float8_e5m2fnuz')
_DTYPES = {f'torch.{name}': getattr(torch, name) for name in _UNTYPED if hasattr(torch, name)}
_PUSHED = frozenset(
    opcode.name
    for opcode in pickletools.opcodes
    if re.fullmatch(r'(SHORT_)?(BIN)?(INT|LONG|FLOAT|STRING|BYTES|UNICODE)[1248]?|BYTEARRAY8', opcode.name)
)
_MADE = {
    'NONE': lambda: None,
    'NEWTRUE': lambda: True,
    'NEWFALSE': lambda: False,
    'EMPTY_LIST': list,
    'EMPTY_TUPLE': tuple,
    'EMPTY_DICT': dict,
    'EMPTY_SET': set,
}
_TUPLES = {'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}


class CheckpointError(ValueError):
    """A checkpoint cannot be read or does not fit; the message names the file, what is wrong and what to do."""


class Opaque:
    """An object of the file that is described, not built.

    Attributes:
        name (str): The class or function that the file names, such as ``__main__.RecorderMeter``.
        args: What it would have been called with; None where the file only refers to ``name``.
        state: What the object's attributes would have been set from, or None.
        items (list): What would have been appended (elements) or set (pairs).
    """

    __slots__ = ('name', 'args', 'state', 'items')

    def __init__(self, name: str, args: Any = None) -> None:
        self.name, self.args, self.state, self.items = name, args, None, []

    def __repr__(self) -> str:
        return f'Opaque({show(self.name)})'


class _Storage:
    __slots__ = ('data', 'dtype', 'numel')

    def __init__(self, data: bytearray | memoryview, dtype: torch.dtype, numel: int) -> None:
        self.data, self.dtype, self.numel = data, dtype, numel


def show(text: str, limit: int = 80) -> str:
    """``text`` of a foreign file, safe to print: ASCII, one line, at most ``limit`` characters."""
    text = text if len(text) <= limit else text[:limit] + '...'
    return ascii(text)[1:-1]


def require(condition: Any, problem: str, remedy: str = AGAIN) -> None:
    """Raises a :class:`CheckpointError` unless ``condition``."""
    if not condition:
        raise CheckpointError(f'{problem}. {remedy}.')


def _is_count(*values: Any) -> bool:
    return all(type(v) is int and 0 <= v < 1 << 62 for v in values)


def _key(key: Any, depth: int = 0) -> Any:
    """``key`` if hashing it is cheap and safe (a deeply nested tuple exhausts the C stack), else wrapped."""
    if key is None or isinstance(key, (str, bytes, float, Opaque, Tensor)):
        return key
    if isinstance(key, int) and key.bit_length() <= 128:
        return key
    if isinstance(key, tuple) and len(key) <= 16 and depth < 2:
        return tuple(_key(k, depth + 1) for k in key)
    return Opaque('key', (key,))


def _rebuild(storage: _Storage, offset: Any, size: Any, stride: Any, dtype: torch.dtype | None = None) -> Tensor:
    """The tensor of a storage, once offset, size and stride are known to stay inside it."""
    require(isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride) <= 64, 'a bad shape')
    require(_is_count(offset, *size, *stride), 'a tensor of impossible size')
    what = f'a tensor of size {size[:8]}, stride {stride[:8]}'
    dtype = dtype or storage.dtype
    length = storage.numel * storage.dtype.itemsize // dtype.itemsize
    numel = 1
    for n in size:
        numel *= n
    end = offset + sum((n - 1) * s for n, s in zip(size, stride)) + 1 if numel else 0
    require(end <= length and numel <= max(length, MAX_EXPANDED), f'{what} does not fit its {length} stored elements')
    if not numel:
        return torch.empty_strided(size, stride, dtype=dtype)
    return torch.frombuffer(storage.data, dtype=dtype, count=length).as_strided(size, stride, offset)


def _np_dtype(dtype: Any) -> np.dtype | None:
    """The numpy number type that a pickled ``numpy.dtype`` means; None for structured, object and text types."""
    name = dtype.args[0] if isinstance(dtype, Opaque) and dtype.name == 'numpy.dtype' and dtype.args else None
    if not isinstance(name, str) or not re.fullmatch(r'b1|[iu][1248]|f[248]|c8|c16', name):
        return None
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else '<'
    return np.dtype(name).newbyteorder(order if order in ('<', '>') else '=')


def _np_array(state: Any) -> np.ndarray | None:
    """The array of the state ``(version, shape, dtype, fortran, bytes)``; None if it is not one of plain numbers."""
    if not isinstance(state, tuple) or len(state) != 5:
        return None
    _, shape, dtype, fortran, data = state
    dtype = _np_dtype(dtype)
    data = data.encode('latin1') if isinstance(data, str) else data  # the bytes of Python 2
    if dtype is None or not isinstance(data, bytes) or not isinstance(shape, tuple) or len(shape) > 32:
        return None
    count = 1
    for n in shape if _is_count(*shape) else (-1,):
        count *= n
    if count * dtype.itemsize != len(data):
        return None
    return np.frombuffer(data, dtype).reshape(shape, order='F' if fortran is True else 'C').copy()


class PickleMachine:
    """A stack machine for the pickle language that only ever builds what this file knows.

    Args:
        load_storage: ``(key, nbytes, itemsize) -> bytearray`` with at least ``nbytes``; called once for each storage.
            Without it, a pickle that refers to storages is an error.
    """

    def __init__(self, load_storage: Callable[[str, int, int], bytearray] | None = None) -> None:
        self.load_storage = load_storage
        self.storages: dict[str, bytearray] = {}
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict[int, Any] = {}
        self.memo_index: dict[int, int] = {}  # id of an Opaque -> where the memo has it
        self.steps = 0

    def run(self, stream: BinaryIO) -> Any:
        """The object of the pickle that starts at ``stream``; leaves the stream behind it."""
        for opcode, arg, _ in pickletools.genops(stream):
            self.spend(1)
            name = opcode.name
            if name in _PUSHED:
                self.stack.append(arg)
            elif name in _MADE:
                self.stack.append(_MADE[name]())
            elif name in _TUPLES:
                self.stack.append(self.take(_TUPLES[name]))
            elif name == 'STOP':
                return self.stack.pop()
            elif name not in ('PROTO', 'FRAME'):
                operation = getattr(self, f'op_{name}', None)
                require(operation, f'it uses the pickle operation {name}, which no checkpoint needs')
                operation(arg)
        raise CheckpointError(f'its pickle has no end. {AGAIN}.')

    def spend(self, steps: int) -> None:
        self.steps += steps
        require(self.steps <= MAX_STEPS, f'it takes more than {MAX_STEPS} steps to read, as no checkpoint does')

    def take(self, count: int) -> tuple:
        require(len(self.stack) >= count, 'its pickle is damaged')
        items = tuple(self.stack[-count:])
        del self.stack[-count:]
        return items

    def pop_mark(self, _: Any = None) -> list:
        items, self.stack = self.stack, self.marks.pop()
        return items

    op_POP_MARK = pop_mark

    def op_MARK(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def op_POP(self, _: Any) -> None:
        _ = self.stack.pop() if self.stack else self.pop_mark()

    def op_DUP(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def op_PUT(self, index: Any) -> None:
        self.memo[int(index)] = self.stack[-1]
        if isinstance(self.stack[-1], Opaque):
            self.memo_index[id(self.stack[-1])] = int(index)

    op_BINPUT = op_LONG_BINPUT = op_PUT

    def op_MEMOIZE(self, _: Any) -> None:
        self.op_PUT(len(self.memo))

    def op_GET(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    op_BINGET = op_LONG_BINGET = op_GET

    # --- containers
    def op_LIST(self, _: Any) -> None:
        items = self.pop_mark()
        self.stack.append(items)

    def op_TUPLE(self, _: Any) -> None:
        items = self.pop_mark()
        self.stack.append(tuple(items))

    def op_FROZENSET(self, _: Any) -> None:
        items = self.pop_mark()
        self.stack.append(frozenset(map(_key, items)))

    def op_DICT(self, _: Any) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self.set_items(items)

    def add(self, items: list) -> None:
        target = self.stack[-1]
        require(isinstance(target, (list, set, Opaque)), 'its pickle is damaged')
        if isinstance(target, set):
            target.update(map(_key, items))
        else:
            (target if isinstance(target, list) else target.items).extend(items)

    def set_items(self, items: list | tuple) -> None:
        target = self.stack[-1]
        pairs = list(zip(items[::2], items[1::2]))
        require(len(items) % 2 == 0 and isinstance(target, (dict, Opaque)), 'its pickle is damaged')
        if isinstance(target, dict):
            target.update((_key(k), v) for k, v in pairs)
        else:
            target.items.extend(pairs)

    def op_APPEND(self, _: Any) -> None:
        self.add([self.stack.pop()])

    def op_APPENDS(self, _: Any) -> None:
        self.add(self.pop_mark())

    op_ADDITEMS = op_APPENDS

    def op_SETITEM(self, _: Any) -> None:
        self.set_items(self.take(2))

    def op_SETITEMS(self, _: Any) -> None:
        self.set_items(self.pop_mark())

    # --- names, calls, states: nothing is looked up or called
    def op_GLOBAL(self, arg: str) -> None:
        self.push_name(*arg.split(' ', 1))

    def op_STACK_GLOBAL(self, _: Any) -> None:
        self.push_name(*self.take(2))

    def push_name(self, module: Any, name: Any) -> None:
        require(isinstance(module, str) and isinstance(name, str) and len(module) + len(name) < 512, 'a bad name')
        full = re.sub(r'^__builtin__\.', 'builtins.', f'{module}.{name}')
        self.stack.append(Opaque(re.sub(r'^numpy\.core\.', 'numpy._core.', full)))

    def op_EXT1(self, code: int) -> None:
        self.stack.append(Opaque(f'copyreg.extension_{code}'))

    op_EXT2 = op_EXT4 = op_EXT1

    def op_REDUCE(self, _: Any) -> None:
        self.stack.append(self.call(*self.take(2)))

    op_NEWOBJ = op_REDUCE

    def op_NEWOBJ_EX(self, _: Any) -> None:
        cls, args, kwargs = self.take(3)
        self.stack.append(Opaque(getattr(cls, 'name', 'unknown'), (args, kwargs)))

    def op_INST(self, arg: str) -> None:
        args = self.pop_mark()
        self.push_name(*arg.split(' ', 1))
        self.stack.append(self.call(self.stack.pop(), tuple(args)))

    def op_OBJ(self, _: Any) -> None:
        func, *args = self.pop_mark()
        self.stack.append(self.call(func, tuple(args)))

    def call(self, func: Any, args: Any) -> Any:
        """The value of ``func(*args)`` where this file knows how to build it, else an :class:`Opaque`."""
        if not (isinstance(func, Opaque) and func.args is None and isinstance(args, tuple)):
            return Opaque('unknown', (func, args))
        name, first = func.name, args[0] if args else None
        if name.startswith('torch._utils._rebuild_'):
            kind = name[len('torch._utils._rebuild_') :]
            dtype = _DTYPES.get(getattr(args[6], 'name', None)) if kind == 'tensor_v3' and len(args) > 6 else None
            known = {'tensor': 4, 'tensor_v2': 6, 'tensor_v3': 7 if dtype else None}.get(kind)
            if known and len(args) >= known and isinstance(first, _Storage) and not any(args[known:]):
                return _rebuild(*args[:4], dtype=dtype)
            if kind in ('parameter', 'parameter_with_state') and isinstance(first, Tensor):
                return first
        elif name == '_codecs.encode' and isinstance(first, str) and args[1:] == ('latin1',):
            self.spend(2 * len(first) // BYTES_A_STEP)
            return first.encode('latin1')
        elif name in ('collections.OrderedDict', 'collections.defaultdict', 'builtins.dict'):
            pairs = first if name != 'collections.defaultdict' and isinstance(first, list) else []
            if all(isinstance(p, (list, tuple)) and len(p) == 2 for p in pairs):
                self.spend(len(pairs))
                made = OrderedDict() if name.endswith('OrderedDict') else {}
                made.update((_key(k), v) for k, v in pairs)
                return made
        elif name in ('builtins.set', 'builtins.frozenset', 'builtins.list', 'builtins.tuple', 'torch.Size'):
            items = first if args else ()
            if isinstance(items, (list, tuple)) and len(args) < 2:
                self.spend(len(items))
                if name.endswith('set'):
                    return (set if name == 'builtins.set' else frozenset)(map(_key, items))
                return list(items) if name == 'builtins.list' else tuple(items)
        elif name == 'numpy._core.numeric._frombuffer' and len(args) == 4:  # an array by protocol 5
            data = bytes(first) if isinstance(first, bytearray) else first
            array = _np_array((1, args[2], args[1], args[3] == 'F', data))
            if array is not None:
                self.spend(2 * array.nbytes // BYTES_A_STEP)
                return array
        elif name == 'numpy._core.multiarray.scalar' and len(args) == 2:
            dtype = _np_dtype(first)
            if dtype is not None and isinstance(args[1], bytes) and len(args[1]) == dtype.itemsize:
                return np.frombuffer(args[1], dtype)[0]
        return Opaque(name, args)

    def op_BUILD(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, Opaque):
            return  # attributes of a container, such as the _metadata of a state dict
        target.state = state
        array = _np_array(state) if target.name == 'numpy._core.multiarray._reconstruct' else None
        if array is not None:
            self.spend(array.nbytes // BYTES_A_STEP)
            self.stack[-1] = array
            index = self.memo_index.get(id(target))
            if self.memo.get(index) is target:
                self.memo[index] = array

    # --- storages
    def op_BINPERSID(self, _: Any) -> None:
        pid = self.stack.pop()
        require(isinstance(pid, tuple) and len(pid) >= 2, 'a storage without a description')
        if pid[0] == 'module':  # a class with its source code, in files of torch < 1.6
            self.stack.append(pid[1])
            return
        require(pid[0] == 'storage' and len(pid) in (5, 6) and self.load_storage, 'a storage without a description')
        type_name, key, numel, view = getattr(pid[1], 'name', ''), pid[2], pid[4], pid[5] if len(pid) == 6 else None
        match = re.fullmatch(r'torch\.(?:cuda\.|storage\.)?(\w+)Storage', type_name)
        dtype = _STORAGES.get(match.group(1)) if match else None
        require(dtype is not None, f'a storage of unsupported type {show(type_name)}', 'Save it again as plain tensors')
        require(isinstance(key, str) and _is_count(numel), 'a storage of impossible size')
        if key not in self.storages:
            self.storages[key] = self.load_storage(key, numel * dtype.itemsize, dtype.itemsize)
        data: bytearray | memoryview = self.storages[key]
        require(numel * dtype.itemsize <= len(data), f'storage {show(key)} is shorter than the file says')
        if view is not None:
            require(isinstance(view, tuple) and len(view) == 3 and _is_count(*view[1:]), 'a bad view of a storage')
            start, numel = view[1] * dtype.itemsize, view[2]
            require(start + numel * dtype.itemsize <= len(data), 'a view outside its storage')
            data = memoryview(data)[start : start + numel * dtype.itemsize]
        self.stack.append(_Storage(data, dtype, numel))
