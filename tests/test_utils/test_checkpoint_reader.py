import argparse
import datetime
import enum
import functools
import io
import os
import random
import re
import struct
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from safetensors.torch import save_file

from mmfer.utils.checkpoint_reader import CheckpointError, Opaque, _Unpickler, read_checkpoint, show
from mmfer.utils.state_dict import find_state_dict

FORMATS = pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'stream'])
DTYPES = 'float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128'


class RecorderMeter:  # as in the training scripts of POSTER++
    def __init__(self):
        self.epoch_losses = np.zeros((3, 2), np.float32)
        self.total_epoch = 3


class Hostile:
    """Calls a function when it is unpickled."""

    def __init__(self, function, args):
        self.call = function, args

    def __reduce__(self):
        return self.call


class RoundingMode(enum.Enum):
    UP = 1


def save(obj, path, zipped=True):
    torch.save(obj, path, _use_new_zipfile_serialization=zipped)
    return path


def opaque(name):
    return type('Opaque', (Opaque,), dict(name=name))()


def equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


@pytest.fixture
def small(tmp_path):
    """The bytes of a small checkpoint in both formats."""
    content = {'state_dict': OrderedDict(w=torch.arange(6.0).view(2, 3), n=torch.tensor(3)), 'epoch': 4, 'best': 0.5}
    return {zipped: save(content, tmp_path / f'small{zipped}', zipped).read_bytes() for zipped in (True, False)}


@FORMATS
@pytest.mark.parametrize('dtype', DTYPES.split())
def test_tensors_of_every_kind(tmp_path, zipped, dtype):
    base = (torch.randn(4, 6) * 50).to(getattr(torch, dtype))
    tensors = dict(
        plain=base.clone(),
        transposed=base.t(),
        strided=base[1:, ::2],
        zero_dim=base[2, 3].clone(),
        empty=base[:0],
        never_allocated=torch.empty(0, 3, dtype=base.dtype),
        expanded=base[:1].expand(5, 6),
    )
    path = save(tensors, tmp_path / 'a.pth', zipped)
    read, loaded = read_checkpoint(path), torch.load(path, weights_only=True)
    assert read.keys() == loaded.keys()
    for name, tensor in loaded.items():
        assert equal(read[name], tensor), name
        assert read[name].stride() == tensor.stride(), name


@FORMATS
def test_containers_parameters_and_ties(tmp_path, zipped):
    weight = torch.randn(3, 4)
    content = {
        'tied': [weight, weight[1:], torch.nn.Parameter(weight)],
        'plain': (1, -2, 3.5, True, None, 'text', b'bytes', 2**70, [1, [2]], (), {5: {'a'}}),
        'ordered': torch.nn.Linear(2, 2).state_dict(),
        'size': torch.Size([2, 3]),
    }
    read = read_checkpoint(save(content, tmp_path / 'a.pth', zipped))
    assert read['plain'] == content['plain']
    assert read['size'] == (2, 3)
    assert list(read['ordered']) == ['weight', 'bias']
    first, part, parameter = read['tied']
    assert torch.equal(parameter, weight)
    assert not parameter.requires_grad
    first[1:] = 7
    assert bool((part == 7).all())
    assert bool((parameter[1:] == 7).all())


@pytest.mark.parametrize('protocol', [0, 1, 2, 3, 4, 5])
def test_pickle_protocols(tmp_path, protocol):
    content = {'w': torch.arange(3), 'deep': [({'a': (1, 2, 3, 4)},), [[]], {7, 8}, 'ü', b'\x00\xff', 1e-3, -(2**40)]}
    if protocol == 0:  # has text persistent ids only, which torch does not write
        content.pop('w')
    torch.save(content, tmp_path / 'a.pth', pickle_protocol=protocol)
    read = read_checkpoint(tmp_path / 'a.pth')
    assert read['deep'] == content['deep']
    assert protocol == 0 or equal(read['w'], content['w'])


@FORMATS
def test_unknown_classes_stay_opaque(tmp_path, zipped):
    content = {'recorder': RecorderMeter(), 'state_dict': {'w': torch.ones(2)}}
    content.update(where=tmp_path, options=argparse.Namespace(lr=1), norm=functools.partial(torch.nn.LayerNorm, eps=1))
    content.update(when=datetime.date(2024, 1, 1), enum=RoundingMode.UP, pattern=re.compile('a'))
    read = read_checkpoint(save(content, tmp_path / 'a.pth', zipped))
    assert isinstance(read['recorder'], Opaque)
    assert read['recorder'].name.endswith('.RecorderMeter')
    assert read['recorder'].state['total_epoch'] == 3
    assert equal(find_state_dict(read)['w'], torch.ones(2))


@FORMATS
def test_code_is_not_run(tmp_path, zipped):
    touched = tmp_path / 'touched'
    calls = [
        (os.open, (str(touched), os.O_CREAT)),
        (os.system, (f'touch {touched}',)),
        (subprocess.Popen, (['touch', str(touched)],)),
        (exec, (f'open({str(touched)!r}, "w")',)),
        (open, (str(touched), 'w')),
        (Path.touch, (touched,)),
        (functools.partial(os.mkdir, str(touched)), ()),
    ]
    for call in calls:
        content = {'state_dict': {'w': torch.ones(2)}, 'more': Hostile(*call)}
        read = read_checkpoint(save(content, tmp_path / 'a.pth', zipped))
        assert isinstance(read['more'], Opaque)
        assert equal(find_state_dict(read)['w'], torch.ones(2))
        assert not touched.exists()


def test_no_way_to_call_is_taken():
    for code in (
        b'cmy\nrun\n(X\x04\x00\x00\x00exittR.',  # GLOBAL, REDUCE
        b'X\x02\x00\x00\x00myX\x03\x00\x00\x00run\x93(X\x04\x00\x00\x00exittR.',  # STACK_GLOBAL
        b'(X\x04\x00\x00\x00exitimy\nrun\n.',  # INST
        b'(cmy\nrun\nX\x04\x00\x00\x00exito.',  # OBJ
        b'cmy\nrun\n(X\x04\x00\x00\x00exitt\x81.',  # NEWOBJ
    ):
        made = _Unpickler(io.BytesIO(code)).load()
        assert (made.name, made.args) == ('my.run', ('exit',))
        assert isinstance(_Unpickler(io.BytesIO(code.replace(b'my', b'os'))).load(), Opaque)
    # what a call would have returned cannot be called either
    made = _Unpickler(
        io.BytesIO(b'cbuiltins\ngetattr\n(cmy\nrun\nX\x06\x00\x00\x00systemtR(X\x02\x00\x00\x00lstR.')
    ).load()
    assert (type(made), made.name) == (Opaque, 'unknown')


@FORMATS
@pytest.mark.parametrize(
    ('size', 'stride', 'offset'),
    [((5,), (1,), 0), ((2,), (1,), 3), ((2,), (4,), 0), ((2,), (1,), -1), ((-1,), (1,), 0), ((2, 2), (1,), 0)],
)
def test_tensors_beyond_their_storage(tmp_path, zipped, size, stride, offset):
    class Claim:
        def __reduce__(self):
            storage = torch.zeros(4).storage()
            return torch._utils._rebuild_tensor_v2, (storage, offset, size, stride, False, {})

    with pytest.raises(CheckpointError, match='is damaged or truncated'):
        read_checkpoint(save({'w': Claim()}, tmp_path / 'a.pth', zipped))


def test_shown_text_is_harmless():
    assert show('a\n\x1b[31mb') == 'a\\n\\x1b[31mb'
    assert show('x' * 500) == 'x' * 80 + '...'
    assert repr(opaque('m.C')) == 'Opaque(m.C)'


@FORMATS
def test_mmengine_checkpoint(tmp_path, zipped):
    hub = MessageHub.get_instance(str(tmp_path))
    for i in range(5):
        hub.update_scalar('train/loss', np.float64(i))
    hub.update_info('array', np.arange(6, dtype=np.int32).reshape(2, 3))
    net = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    content = dict(
        meta=dict(epoch=np.int64(3), cfg='model = 1', dataset_meta=dict(classes=('a', 'b'))),
        state_dict=net.state_dict(),
        message_hub=hub.state_dict(),
        optimizer=optimizer.state_dict(),
    )
    read = read_checkpoint(save(content, tmp_path / 'epoch_3.pth', zipped))
    assert read['meta']['epoch'] == 3
    assert read['meta']['dataset_meta']['classes'] == ('a', 'b')
    history = read['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, Opaque)
    assert history.name.endswith(HistoryBuffer.__name__)
    arrays = dict(info=read['message_hub']['runtime_info']['array'], history=history.state['_log_history'])
    arrays = find_state_dict(arrays)
    assert arrays['info'].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert arrays['history'].tolist() == [0, 1, 2, 3, 4]
    assert equal(read['optimizer']['state'][0]['exp_avg'], optimizer.state[net.weight]['exp_avg'])
    assert find_state_dict(read).keys() == {'weight', 'bias'}


def test_safetensors(tmp_path):
    tensors = {'a': torch.randn(2, 3).half(), 'b': torch.tensor([True, False])}
    save_file(tensors, tmp_path / 'a.safetensors')
    (tmp_path / 'renamed.pth').write_bytes((tmp_path / 'a.safetensors').read_bytes())
    for name in ('a.safetensors', 'renamed.pth'):
        read = read_checkpoint(tmp_path / name)
        assert all(equal(read[k], v) for k, v in tensors.items())
    (tmp_path / 'a.safetensors').write_bytes((tmp_path / 'renamed.pth').read_bytes()[:-3])
    with pytest.raises(CheckpointError, match=r'a\.safetensors cannot be read.*again'):
        read_checkpoint(tmp_path / 'a.safetensors')


@FORMATS
def test_truncated_anywhere(tmp_path, small, zipped):
    path = tmp_path / 'cut.pth'
    size = len(small[zipped])
    for cut in [0, 1, 2, 8, size - 1, *random.Random(0).sample(range(size), 150)]:
        path.write_bytes(small[zipped][:cut])
        with pytest.raises(CheckpointError, match=re.escape(str(path))):
            read_checkpoint(path)


@FORMATS
def test_flipped_bytes_never_crash(tmp_path, small, zipped):
    rng = random.Random(1)
    path = tmp_path / 'flipped.pth'
    refused = 0
    for _ in range(300):
        data = bytearray(small[zipped])
        for _ in range(rng.choice([1, 1, 2, 8])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            find_state_dict(read_checkpoint(path))
        except CheckpointError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ('data', 'problem'),
    [
        (b'', 'is empty'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'Git LFS'),
        (b'<!DOCTYPE html><html>', 'web page'),
        (b'\x01\x02 something else', 'is not a checkpoint'),
        (b'\x80\x04K\x01.', 'torch.save did not write'),
        (b'PK\x03\x04 and no more', 'truncated'),
    ],
)
def test_other_files_are_named(tmp_path, data, problem):
    path = tmp_path / 'other.pth'
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=re.escape(problem)) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'not found: .*missing\.pth'):
        read_checkpoint(tmp_path / 'missing.pth')
    with pytest.raises(CheckpointError, match='directory'):
        read_checkpoint(tmp_path)


def rezip(data, path, change=None, compression=zipfile.ZIP_STORED, extra=()):
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(path, 'w', compression) as new:
        for name in old.namelist():
            new.writestr(name, (change or {}).get(name.split('/', 1)[1], old.read(name)))
        for name in extra:
            new.writestr(f'{old.namelist()[0].split("/")[0]}/{name}', b'')
    return path


def test_strange_archives(tmp_path, small):
    path = tmp_path / 'a.pth'
    assert read_checkpoint(rezip(small[True], path))['epoch'] == 4
    with pytest.raises(CheckpointError, match='compressed'):
        read_checkpoint(rezip(small[True], path, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(CheckpointError, match='big-endian'):
        read_checkpoint(rezip(small[True], path, {'byteorder': b'big'}))
    with pytest.raises(CheckpointError, match='TorchScript'):
        read_checkpoint(rezip(small[True], path, extra=['constants.pkl']))
    with pytest.raises(CheckpointError, match='shorter than its tensors'):
        read_checkpoint(rezip(small[True], path, {'data/0': b'\0' * 20}))
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('photos/face.jpg', b'')
    with pytest.raises(CheckpointError, match='torch.save did not write it'):
        read_checkpoint(path)


def test_declared_sizes_are_not_believed(tmp_path, small):
    data = bytearray(small[True])  # the directory at the end claims a member of 1 TB
    at = data.rindex(b'PK\x01\x02')
    data[at + 20 : at + 28] = struct.pack('<II', 0xFFFFFFF0, 0xFFFFFFF0)
    (tmp_path / 'a.pth').write_bytes(data)
    with pytest.raises(CheckpointError, match='larger than the file'):
        read_checkpoint(tmp_path / 'a.pth')
