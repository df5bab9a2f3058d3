import json

import pytest

from mmfer.visualization.scalars import read_runs, read_scalars, run_names


def train(step, epoch=1, **values):
    return dict(values, epoch=epoch, iter=step, step=step)


def val(epoch, **values):
    return dict(values, step=epoch)


def log(folder, *records, stamp='20260101_000000', end=''):
    path = folder / stamp / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(json.dumps(record) + '\n' for record in records) + end)


def test_training_by_iterations_and_validation_by_epochs(tmp_path):
    log(tmp_path, train(10, loss=2.0, time=0.5), val(1, accuracy=50.0, time=0.1), train(20, 2, loss=1.0, time=0.4))
    scalars = read_scalars(tmp_path)
    assert scalars == {
        'train/loss': {10: 2.0, 20: 1.0},
        'train/time': {10: 0.5, 20: 0.4},
        'val/accuracy': {1: 50.0},
        'val/time': {1: 0.1},
    }


def test_names_with_their_split(tmp_path):
    log(tmp_path, {'train/loss': 2.0, 'iter': 5, 'epoch': 1, 'step': 5}, {'val/accuracy': 50.0, 'step': 1})
    assert read_scalars(tmp_path) == {'train/loss': {5: 2.0}, 'val/accuracy': {1: 50.0}}


def test_resumed_run_replaces_what_it_did_again(tmp_path):
    log(tmp_path, train(10, loss=3.0), val(1, accuracy=1.0), train(20, 2, loss=2.0), train(25, 2, loss=9.0))
    log(tmp_path, train(20, 2, loss=2.5), val(2, accuracy=2.0), train(30, 3, loss=1.0), stamp='20260102_000000')
    scalars = read_scalars(tmp_path)
    assert scalars['train/loss'] == {10: 3.0, 20: 2.5, 30: 1.0}
    assert scalars['val/accuracy'] == {1: 1.0, 2: 2.0}


def test_run_started_anew_replaces_all(tmp_path):
    log(tmp_path, *[train(10 * i, i, loss=1.0) for i in range(1, 9)], val(8, accuracy=90.0))
    log(tmp_path, train(10, loss=5.0), val(1, accuracy=10.0), stamp='20260102_000000')
    log(tmp_path, stamp='20260103_000000')  # stopped at once
    assert read_scalars(tmp_path) == {'train/loss': {10: 5.0}, 'val/accuracy': {1: 10.0}}


def test_validation_missed_before_a_stop_is_kept(tmp_path):
    log(tmp_path, train(10, loss=3.0))
    log(tmp_path, val(1, accuracy=1.0), train(20, 2, loss=2.0), stamp='20260102_000000')
    assert read_scalars(tmp_path)['val/accuracy'] == {1: 1.0}


def test_what_is_left_out(tmp_path):
    """Half a line at the end, an evaluation outside of a training, and what is no number."""
    whole = train(10, loss=3.0, note='x', flag=True, table=[1, 2])
    log(tmp_path, whole, val(0, accuracy=99.0), end='{"loss": 2.0, "ep')
    assert read_scalars(tmp_path) == {'train/loss': {10: 3.0}}


def test_a_file_of_other_content(tmp_path):
    log(tmp_path, dict(loss=1.0), train(10, loss=1.0))
    with pytest.raises(ValueError, match=r'scalars\.json, line 1'):
        read_scalars(tmp_path)


def test_seeds_of_one_run(tmp_path):
    for seed in (0, 1, 10):
        log(tmp_path / f'run/seed_{seed}', train(10, loss=float(seed)))
    (tmp_path / 'run/seed_3').mkdir()
    (run,) = read_runs([tmp_path / 'run'])
    assert run.name == 'run'
    assert sorted(seed['train/loss'][10] for seed in run.seeds) == [0, 1, 10]
    assert run.keys == {'train/loss'}


def test_all_folders_without_logs_are_named(tmp_path):
    log(tmp_path / 'a', train(10, loss=1.0))
    (tmp_path / 'b').mkdir()
    with pytest.raises(FileNotFoundError) as error:
        read_runs([tmp_path / 'a', tmp_path / 'b', tmp_path / 'c'])
    first, second = str(error.value).splitlines()
    assert first.startswith(f'{tmp_path / "b"}: no logs')
    assert second.startswith(f'{tmp_path / "c"}: no such folder')


def test_names(tmp_path):
    assert run_names(['/x/a/synth', '/x/b/synth', '/x/b/raf']) == ['a/synth', 'b/synth', 'raf']
    assert run_names(['/x/b.jsonl', '/x/b.jsonl']) == ['x/b', 'x/b']
    log(tmp_path / 'a', train(10, loss=1.0))
    assert read_runs([tmp_path / 'a'], ['mine'])[0].name == 'mine'
    with pytest.raises(ValueError, match='2 names for 1 work dirs'):
        read_runs([tmp_path / 'a'], ['x', 'y'])
