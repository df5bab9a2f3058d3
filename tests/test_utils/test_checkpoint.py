import errno
import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmfer.utils.checkpoint import (
    age,
    checkpoint_classes,
    classes_text,
    list_checkpoints,
    load_checkpoint,
    to_plain,
    write_checkpoint,
)


def state(value=0.0):
    weights = dict(w=torch.full((2000,), value), b=torch.arange(5), h=torch.ones(3, dtype=torch.bfloat16))
    return dict(meta=dict(epoch=1, iter=2), state_dict=weights, optimizer=dict(lr=0.1), message_hub={})


def test_plain_content_survives_weights_only(tmp_path):
    content = dict(
        meta=dict(classes=('a', 'b'), time=np.float64(1.5), array=np.arange(3), names={'y', 'x'}, nothing=None),
        state=OrderedDict(weight=torch.ones(2)),
        path=tmp_path,
    )
    torch.save(to_plain(content), tmp_path / 'c.pth')
    back = load_checkpoint(tmp_path / 'c.pth')
    assert back['meta']['classes'] == ('a', 'b')
    assert back['meta']['time'] == 1.5
    assert back['meta']['array'].tolist() == [0, 1, 2]
    assert back['meta']['names'] == ['x', 'y']
    assert back['path'] == str(tmp_path)


@pytest.mark.parametrize('classes', [('happy', 'sad'), ('tired, bored', 'say "cheese"', "l'ennui"), ('one',), ()])
def test_safetensors_keep_the_names_of_classes(classes, tmp_path):
    save_file(dict(w=torch.ones(2)), tmp_path / 'w.safetensors', dict(dataset_meta=classes_text(classes)))
    assert checkpoint_classes(load_checkpoint(tmp_path / 'w.safetensors')) == classes


# ---- writing ---------------------------------------------------------------------------------------------------------
def test_what_is_written_is_read(tmp_path):
    content = dict(state(), strange={1: (2.5, [True, None]), 'x': np.float32(3)})
    write_checkpoint(content, tmp_path / 'c.pth')
    back = load_checkpoint(tmp_path / 'c.pth')
    assert back.keys() == content.keys()
    assert all(torch.equal(back['state_dict'][name], value) for name, value in content['state_dict'].items())
    assert back['strange'] == {1: (2.5, [True, None]), 'x': 3.0}
    assert [path.name for path in tmp_path.iterdir()] == ['c.pth']


def test_a_flipped_bit_is_found(tmp_path):
    write_checkpoint(state(value=1.25), tmp_path / 'c.pth')
    data = bytearray((tmp_path / 'c.pth').read_bytes())
    place = data.index(np.full(100, 1.25, np.float32).tobytes()) + 123
    data[place] ^= 16
    (tmp_path / 'c.pth').write_bytes(data)
    torch.load(tmp_path / 'c.pth', weights_only=True)  # PyTorch does not notice
    with pytest.raises(ValueError, match=r'c.pth cannot be loaded: .*does not match its checksum'):
        load_checkpoint(tmp_path / 'c.pth')


def test_the_memory_layout_is_kept(tmp_path):
    last = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    write_checkpoint(dict(last=last), tmp_path / 'c.pth')
    assert load_checkpoint(tmp_path / 'c.pth')['last'].stride() == last.stride()


@pytest.mark.parametrize('limit', [0, 100, 10_000])
def test_a_full_disk_leaves_the_old_file(tmp_path, limit):
    resource = pytest.importorskip('resource')
    write_checkpoint(state(1.0), tmp_path / 'c.pth')
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, former[1]))  # Python ignores the signal, writing fails
    try:
        with pytest.raises(OSError) as error:
            write_checkpoint(state(2.0), tmp_path / 'c.pth')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert error.value.errno == errno.EFBIG
    assert load_checkpoint(tmp_path / 'c.pth')['state_dict']['w'][0] == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ['c.pth']


def test_an_error_of_the_disk_that_comes_late(tmp_path, monkeypatch):
    def fsync(file):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', fsync)
    with pytest.raises(OSError, match='No space left'):
        write_checkpoint(state(), tmp_path / 'c.pth')
    assert list(tmp_path.iterdir()) == []


# ---- the checkpoints of a run ----------------------------------------------------------------------------------------
def write_all(folder, *names):
    for number, name in enumerate(names):
        write_checkpoint(state(float(number)), folder / name)


def test_age_is_told_by_the_name(tmp_path):
    names = ['iter_20.pth', 'epoch_1.pth', 'epoch_1_iter_9.pth', 'epoch_1_iter_10.pth', 'epoch_9.pth', 'epoch_10.pth']
    assert [age(name) for name in names] == [(0, 20), (1, 0), (1, 9), (1, 10), (9, 0), (10, 0)]
    others = ['best_accuracy_epoch_3.pth', '.epoch_3.pth.part', 'epoch_3.pth.old', 'epoch_x.pth', 'last_checkpoint']
    assert [age(name) for name in others] == [None] * 5
    write_all(tmp_path, *names[::-1], *others[:3])
    (tmp_path / 'epoch_11.pth').mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == names[::-1]
    assert list_checkpoints(tmp_path / 'nowhere') == []


def test_addresses_in_memory_are_not_saved():
    assert (
        to_plain(dict(anneal=lambda x: x))['anneal']
        == f'<function {test_addresses_in_memory_are_not_saved.__qualname__}.<locals>.<lambda>>'
    )
