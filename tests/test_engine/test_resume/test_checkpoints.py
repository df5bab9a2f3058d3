import re

import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmfer.engine.resume.checkpoints import load_newest, prune_checkpoints, restore_message_hub
from mmfer.utils.checkpoint import list_checkpoints, to_plain, write_checkpoint


def write_all(folder, *names):
    for number, name in enumerate(names):
        content = dict(meta=dict(epoch=1, iter=2), state_dict=dict(w=torch.full((2000,), float(number))))
        write_checkpoint(dict(content, optimizer={}, message_hub={}), folder / name)


def test_message_hub_round_trip():
    buffer = HistoryBuffer([1.0, 2.0], [1, 1])
    state = restore_message_hub(to_plain(dict(log_scalars=dict(loss=buffer), runtime_info=dict(iter=3))))
    restored = state['log_scalars']['loss']
    assert isinstance(restored, HistoryBuffer)
    assert restored.mean() == 1.5
    assert state['runtime_info'] == dict(iter=3)


def test_newest_that_loads(tmp_path):
    write_all(tmp_path, *(f'epoch_{i}.pth' for i in range(1, 7)))
    data = (tmp_path / 'epoch_6.pth').read_bytes()
    (tmp_path / 'epoch_6.pth').write_bytes(data[: len(data) // 2])
    (tmp_path / 'epoch_5.pth').write_bytes(b'')
    torch.save(dict(state_dict={}), tmp_path / 'epoch_4.pth')
    torch.save(dict(evil=print), tmp_path / 'epoch_3.pth')
    skipped = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmfer.engine.resume.checkpoints.print_log', lambda text, **options: skipped.append(text))
        path, content = load_newest(tmp_path)
    assert path.name == 'epoch_2.pth'
    assert content['state_dict']['w'][0] == 1.0
    reasons = ['epoch_6.pth .*truncated', 'epoch_5.pth .*empty', 'epoch_4.pth .*no state of a training', 'run code']
    assert len(skipped) == 4
    for text, reason in zip(skipped, reasons):
        assert re.search(f'Skipped: .*{reason}', text)


def test_no_checkpoint_and_none_that_loads(tmp_path):
    assert load_newest(tmp_path) is None
    assert load_newest(tmp_path / 'nowhere') is None
    (tmp_path / 'epoch_1.pth').write_bytes(b'')
    (tmp_path / 'epoch_2.pth').write_bytes(b'xy')
    with pytest.raises(ValueError, match=r'(?s)none of the 2 checkpoints .*epoch_2.*epoch_1.*empty.*start anew'):
        load_newest(tmp_path)


def test_pruning(tmp_path):
    def names():
        return [path.name for path in list_checkpoints(tmp_path)][::-1]

    others = ['best_accuracy_epoch_1.pth', 'mine.pth', 'epoch_1.pth.bak']
    write_all(
        tmp_path, 'epoch_1.pth', 'epoch_2.pth', 'epoch_2_iter_9.pth', 'epoch_3.pth', 'epoch_3_iter_12.pth', *others
    )
    assert prune_checkpoints(tmp_path, -1) == [tmp_path / 'epoch_2_iter_9.pth']
    assert names() == ['epoch_1.pth', 'epoch_2.pth', 'epoch_3.pth', 'epoch_3_iter_12.pth']
    prune_checkpoints(tmp_path, 2)
    assert names() == ['epoch_2.pth', 'epoch_3.pth', 'epoch_3_iter_12.pth']
    write_all(tmp_path, 'epoch_4.pth')
    prune_checkpoints(tmp_path, 1)
    assert names() == ['epoch_4.pth']
    write_all(tmp_path, 'epoch_4_iter_20.pth', 'epoch_4_iter_30.pth', 'epoch_5_iter_40.pth')
    prune_checkpoints(tmp_path, 2, by_epoch=False)
    assert names() == ['epoch_4_iter_30.pth', 'epoch_5_iter_40.pth']
    assert all((tmp_path / name).exists() for name in others)
