"""What every tool that takes a checkpoint does with files that are no good: one message, and nothing runs."""

import io
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from small_runs import small_config

from mmfer.apis import build_runner, convert, evaluate, init_model
from mmfer.utils.errors import run_tool

TOUCHED = 'touched'


class Hostile:
    """Touches a file when it is unpickled."""

    def __init__(self, path, by_method=False):
        self.call = (Path.touch, (path,)) if by_method else (os.system, (f'touch {path}',))

    def __reduce__(self):
        return self.call


@pytest.fixture(scope='module')
def folder(tmp_path_factory, trained):
    """A trained model ``epoch_1.pth``, its config ``small.py``, and files that are no good."""
    folder = tmp_path_factory.mktemp('files')
    config = small_config(folder)
    config.dump(folder / 'small.py')
    shutil.copy(trained / 'epoch_2.pth', folder / 'epoch_1.pth')
    good = torch.load(folder / 'epoch_1.pth', weights_only=True)
    data = (folder / 'epoch_1.pth').read_bytes()

    def put(name, content):
        (folder / name).write_bytes(content)

    touched = folder / TOUCHED
    torch.save(dict(good, more=Hostile(touched)), folder / 'hostile.pth')
    by_method = dict(state_dict=good['state_dict'], more=Hostile(touched, by_method=True))
    torch.save(by_method, folder / 'hostile_method.pth', _use_new_zipfile_serialization=False)
    put('hostile_pickle.pth', pickle.dumps(Hostile(touched)))
    put('hostile.safetensors', pickle.dumps(Hostile(touched)))
    put('truncated.pth', data[: len(data) // 2])
    put('empty.pth', b'')
    put('notes.pth', b'accuracy 92.1\n' * 20)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('photos/face.jpg', 'x')
    put('photos.pth', archive.getvalue())
    wrong = {n: torch.zeros(8, 16) if n == 'head.fc_mean.weight' else t for n, t in good['state_dict'].items()}
    torch.save(dict(state_dict=wrong, meta=good['meta']), folder / 'shape.pth')
    torch.save([1, 2], folder / 'list.pth')
    return folder


def resume(folder, file):
    build_runner(small_config(folder / 'work'), load_from=folder / file, resume=True).train()


def start_from(folder, file):
    build_runner(small_config(folder / 'work'), load_from=folder / file).train()


def test(folder, file):
    evaluate(small_config(folder / 'work'), folder / file)


def convert_file(folder, file):
    convert(folder / file, folder / 'converted.pth', folder / 'small.py')


def init(folder, file):
    init_model(small_config(folder / 'work'), folder / file)


test.__test__ = False
EACH_WAY = pytest.mark.parametrize('way', [resume, start_from, test, convert_file, init])


def refused(way, folder, file, capsys):
    """The message, after a look at what must not have happened."""
    capsys.readouterr()
    assert run_tool(lambda: way(folder, file)) == 1
    error = capsys.readouterr().err
    message = error[error.rindex('error: ') :]
    assert file in message
    assert 'Traceback' not in message
    assert not (folder / TOUCHED).exists()
    assert not (folder / 'converted.pth').exists()
    assert not list((folder / 'work').glob('*.pth'))
    return message


def sentences(message):
    return message.strip().count('\n') + 1


@pytest.mark.parametrize('way', [resume, start_from, test, init])
@pytest.mark.parametrize('file', ['hostile.pth', 'hostile_method.pth'])
def test_code_is_refused_and_not_run(way, folder, file, capsys):
    message = refused(way, folder, file, capsys)
    assert 'code' in message
    assert any(name in message for name in ('posix.system', 'nt.system', 'touch', 'getattr'))
    assert sentences(message) == 1


@pytest.mark.parametrize('file', ['hostile.pth', 'hostile_method.pth'])
def test_weights_are_taken_from_beside_code_that_is_not_run(folder, file):
    convert_file(folder, file)
    converted = torch.load(folder / 'converted.pth', weights_only=True)['state_dict']
    good = torch.load(folder / 'epoch_1.pth', weights_only=True)['state_dict']
    assert all(torch.equal(value, good[name]) for name, value in converted.items())
    assert not (folder / TOUCHED).exists()
    (folder / 'converted.pth').unlink()


@EACH_WAY
@pytest.mark.parametrize('file', ['hostile_pickle.pth', 'hostile.safetensors'])
def test_a_pickle_of_another_kind_is_refused_and_not_run(way, folder, file, capsys):
    assert sentences(refused(way, folder, file, capsys)) == 1


@EACH_WAY
@pytest.mark.parametrize(
    ('file', 'reason'),
    [
        ('truncated.pth', 'truncated'),
        ('empty.pth', 'is empty'),
        ('notes.pth', 'is not a checkpoint'),
        ('photos.pth', 'torch.save did not write it'),
        ('list.pth', 'list'),
        ('missing.pth', 'checkpoint not found'),
    ],
)
def test_files_that_are_no_checkpoint(way, folder, file, reason, capsys):
    message = refused(way, folder, file, capsys)
    assert reason in message
    assert sentences(message) == 1


@pytest.mark.parametrize('way', [test, convert_file, init])
def test_weights_that_do_not_fit(way, folder, capsys):
    message = refused(way, folder, 'shape.pth', capsys)
    assert 'head.fc_mean.weight: file (8, 16), config (7, 16)' in message
    assert 'nothing was loaded' in message
