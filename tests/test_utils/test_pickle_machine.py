import io
import pickle

import pytest
import torch

from mmfer.utils import pickle_machine
from mmfer.utils.pickle_machine import CheckpointError, Opaque, PickleMachine, show


def run(data, **kwargs):
    return PickleMachine(**kwargs).run(io.BytesIO(data))


def storage(numel, dtype=b'Float'):
    """Pickle code that pushes a storage of ``numel`` elements."""
    return (
        b'(X\x07\x00\x00\x00storagectorch\n'
        + dtype
        + b'Storage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu'
        + numel
        + b'tQ'
    )


def tensor(numel, offset, size, stride):
    return b'ctorch._utils\n_rebuild_tensor\n(' + storage(numel) + offset + size + stride + b'tR.'


def load_storage(key, nbytes, itemsize):
    assert nbytes < 1000, 'allocated what the file claims'
    return bytearray(nbytes)


def test_every_way_to_call_stays_symbolic():
    for code in (
        b'cos\nsystem\n(X\x04\x00\x00\x00exittR.',  # GLOBAL, REDUCE
        b'X\x02\x00\x00\x00osX\x06\x00\x00\x00system\x93(X\x04\x00\x00\x00exittR.',  # STACK_GLOBAL
        b'(X\x04\x00\x00\x00exitios\nsystem\n.',  # INST
        b'(cos\nsystem\nX\x04\x00\x00\x00exito.',  # OBJ
        b'cos\nsystem\n(X\x04\x00\x00\x00exitt\x81.',  # NEWOBJ
    ):
        made = run(code)
        assert (made.name, made.args) == ('os.system', ('exit',))
    made = run(b'cos\nsystem\n(X\x04\x00\x00\x00exitt}\x92.')  # NEWOBJ_EX
    assert (made.name, made.args) == ('os.system', (('exit',), {}))
    # what a call would have returned cannot be called either
    made = run(b'cbuiltins\ngetattr\n(cos\nos\nX\x06\x00\x00\x00systemtR(X\x02\x00\x00\x00lstR.')
    assert made.name == 'unknown'


def test_same_values_as_pickle():
    value = {'a': [1, (2.5, None), {3, 4}], 'b': {'c': (True, b'x', 'y' * 300)}, 5: frozenset({6}), 'l': -(2**200)}
    value['again'] = value['a']
    for protocol in range(6):
        made = run(pickle.dumps(value, protocol))
        assert made == value
        assert made['again'] is made['a']


def test_recursive_structures():
    loop = []
    loop.append(loop)
    made = run(pickle.dumps(loop))
    assert made[0] is made


@pytest.mark.parametrize(
    ('offset', 'size', 'stride'),
    [
        (b'K\x00', b'(K\x05t', b'(K\x01t'),  # longer than the storage
        (b'K\x03', b'(K\x02t', b'(K\x01t'),  # ends behind it
        (b'K\x00', b'(K\x02t', b'(K\x04t'),  # stride leaves it
        (b'J\xff\xff\xff\xff', b'(K\x02t', b'(K\x01t'),  # negative offset
        (b'K\x00', b'(J\xff\xff\xff\xfft', b'(K\x01t'),  # negative size
        (b'K\x00', b'(\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x10t', b'(K\x00t'),  # 2**60 expanded elements
        (b'K\x00', b'(\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01t', b'(K\x00t'),  # 2**64
        (b'K\x00', b'(K\x02K\x02t', b'(K\x01t'),  # size and stride disagree
        (b'K\x00', b'(](K\x01et', b'(K\x01t'),  # size is no number
        (b'K\x00', b'K\x02', b'K\x01'),
    ],
)
def test_impossible_tensors(offset, size, stride):
    with pytest.raises(CheckpointError):
        run(tensor(b'K\x04', offset, size, stride), load_storage=load_storage)


def test_possible_tensor():
    made = run(tensor(b'K\x04', b'K\x01', b'(K\x03t', b'(K\x01t'), load_storage=load_storage)
    assert torch.equal(made, torch.zeros(3))


@pytest.mark.parametrize('numel', [b'J\xff\xff\xff\xff', b'\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01', b'N', b')'])
def test_impossible_storages(numel):
    with pytest.raises(CheckpointError):
        run(storage(numel) + b'.', load_storage=load_storage)
    with pytest.raises(CheckpointError, match='QInt8'):
        run(storage(b'K\x01', b'QInt8') + b'.', load_storage=load_storage)


@pytest.mark.parametrize(
    'code',
    [
        # a size whose text would have 2**60 characters
        tensor(b'K\x04', b'K\x00', b'(]' + b'2\x86' * 60 + b't', b'(K\x01t'),
        # a list copied again and again
        b'(' + b'K\x01' * 50_000 + b'lq\x00' + b'cbuiltins\nlist\nq\x010' + b'h\x01h\x00\x85R0' * 5_000 + b'.',
        # a text encoded again and again
        b'X\x00\x00\x10\x00'
        + b'a' * (1 << 20)
        + b'q\x000c_codecs\nencode\nq\x010'
        + b'h\x01h\x00X\x06\x00\x00\x00latin1\x86R0' * 500,
    ],
    ids=['wide size', 'copies', 'encodings'],
)
def test_small_files_cannot_claim_much(code):
    with pytest.raises(CheckpointError):  # without the limits this would fill the memory or take years
        run(code, load_storage=load_storage)


@pytest.mark.parametrize(
    'key',
    [
        b')' + b'\x85' * 200_000,  # a tuple nested 200,000 times: hashing it would exhaust the C stack
        b')' + b'2\x86' * 60,  # a tuple whose hash takes 2**60 steps
    ],
    ids=['deep', 'wide'],
)
def test_keys_are_not_hashed_blindly(key):
    for code in (b'}' + key + b'K\x01s.', b'(' + key + b'K\x01d.', b'(' + key + b'\x91.', b'\x8f(' + key + b'\x90.'):
        assert len(run(code)) == 1


def test_step_limit(monkeypatch):
    monkeypatch.setattr(pickle_machine, 'MAX_STEPS', 100)
    with pytest.raises(CheckpointError, match='more than 100 steps'):
        run(pickle.dumps(list(range(200))))


def test_shown_text_is_harmless():
    assert show('a\n\x1b[31mb') == 'a\\n\\x1b[31mb'
    assert show('x' * 500) == 'x' * 80 + '...'
    assert repr(Opaque('m.C')) == 'Opaque(m.C)'
