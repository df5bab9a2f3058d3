from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmfer.utils.checkpoint import load_checkpoint, replace_synced, restore_message_hub, to_plain


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


def test_message_hub_round_trip():
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    state = restore_message_hub(to_plain(dict(log_scalars=dict(loss=buffer), runtime_info=dict(iter=3))))
    restored = state['log_scalars']['loss']
    assert isinstance(restored, HistoryBuffer)
    assert restored.mean() == 1.5
    assert state['runtime_info'] == dict(iter=3)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), 'w'))


def test_code_is_refused_and_not_run(tmp_path):
    torch.save(dict(state_dict={}, evil=Touch(tmp_path / 'touched')), tmp_path / 'evil.pth')
    (tmp_path / 'touched').unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r'could run code \(\S*open\)'):
        load_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'touched').exists()


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth'):
        load_checkpoint(tmp_path / 'none.pth')
    torch.save(dict(state_dict=dict(w=torch.ones(100))), tmp_path / 'whole.pth')
    data = (tmp_path / 'whole.pth').read_bytes()
    for size in (0, 10, len(data) // 2, len(data) - 1):
        (tmp_path / 'cut.pth').write_bytes(data[:size])
        with pytest.raises(ValueError, match='damaged'):
            load_checkpoint(tmp_path / 'cut.pth')


def test_replace(tmp_path):
    (tmp_path / 'part').write_text('new')
    (tmp_path / 'file').write_text('old')
    replace_synced(tmp_path / 'part', tmp_path / 'file')
    assert (tmp_path / 'file').read_text() == 'new'
    assert not (tmp_path / 'part').exists()
