import pickle
import struct

import numpy as np
import pytest
import torch

from mmfer.utils.checkpoint_reader import CheckpointError, Opaque, read_checkpoint
from mmfer.utils.state_dict import find_state_dict


def opaque(name):
    return type('Opaque', (Opaque,), dict(name=name))()


@pytest.mark.parametrize('wrapper', [None, 'state_dict', 'model', 'model_state_dict', 'net', 'module'])
@pytest.mark.parametrize('prefix', ['', 'module.', '_orig_mod.', 'module._orig_mod.'])
def test_find_state_dict_unwraps(wrapper, prefix):
    state = {f'{prefix}a.weight': torch.ones(2), f'{prefix}b': torch.zeros(1), 'epoch': 3, 'o': opaque('x.Y')}
    content = {wrapper: state, 'best_acc': torch.tensor(0.9), 'epoch': 1} if wrapper else state
    assert find_state_dict(content).keys() == {'a.weight', 'b'}
    assert find_state_dict({'model': {'state_dict': state}}).keys() == {'a.weight', 'b'}


def test_find_state_dict_says_what_is_there():
    with pytest.raises(CheckpointError, match=r'2 keys: epoch \(int\), meter \(m\.Meter\)'):
        find_state_dict({'epoch': 3, 'meter': opaque('m.Meter')})
    with pytest.raises(CheckpointError, match=r'one object, models\.Net'):
        find_state_dict(opaque('models.Net'))
    with pytest.raises(CheckpointError, match='two tensors are named a'):
        find_state_dict({'a': torch.ones(1), 'module.a': torch.ones(1)})


class Python2Pickler(pickle._Pickler):
    """Writes bytes as the strings of Python 2, as in pickles that NumPy made there."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_string(self, data):
        self.write(b'T' + struct.pack('<i', len(data)) + data)
        self.memoize(data)

    dispatch[bytes] = save_string


@pytest.mark.parametrize('written', ['Python 2', 2, 4, 5])
def test_pickled_arrays(tmp_path, written):
    rng = np.random.default_rng(0)
    arrays = {'conv1.weight': rng.normal(size=(4, 3, 2, 2)).astype(np.float32), 'bn1.bias': np.arange(5, dtype='>f8')}
    arrays['fc.weight'] = np.asfortranarray(rng.normal(size=(3, 2)))
    with open(tmp_path / 'a.pkl', 'wb') as file:
        if written == 'Python 2':
            Python2Pickler(file, 2).dump(arrays)
        else:
            pickle.dump(arrays, file, protocol=written)
    state = find_state_dict(read_checkpoint(tmp_path / 'a.pkl'))
    assert state.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(state[name].numpy(), array)
        state[name] += 1  # memory of its own
    data = (tmp_path / 'a.pkl').read_bytes()
    (tmp_path / 'a.pkl').write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=r'a\.pkl cannot be read'):
        read_checkpoint(tmp_path / 'a.pkl')


def read(content, path, zipped=True):
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return read_checkpoint(path)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.PReLU(4))
        self.fc = torch.nn.Linear(4, 2, bias=False)
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.register_buffer('passing', torch.ones(2), persistent=False)
        self.nothing = None


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'stream'])
@pytest.mark.parametrize('wrap', [None, 'model', 'parallel'])
@pytest.mark.filterwarnings('ignore')
def test_a_pickled_network(tmp_path, zipped, wrap):
    net = Net()
    content = torch.nn.DataParallel(net) if wrap == 'parallel' else {'model': net, 'epoch': 3} if wrap else net
    state = find_state_dict(read(content, tmp_path / 'a.pth', zipped))
    assert list(state) == list(net.state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())


def test_a_network_that_contains_itself(tmp_path):
    net = torch.nn.Module()
    net._modules['again'] = net
    with pytest.raises(CheckpointError, match='contains itself'):
        find_state_dict(read(net, tmp_path / 'a.pth'))
