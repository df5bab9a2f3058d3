import os

import pytest

from mmfer.inference.corpus.plan import divide, find_part, list_files, open_plan


def touch(*paths, size=0):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b' ' * size)


def test_each_file_is_listed_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(*(tmp_path / name for name in ('a/1.jpg', 'a/b/2.jpg', 'a/.hidden', 'a/out/part-0.parquet', '=3.jpg')))
    (tmp_path / 'list.txt').write_text('a/./1.jpg\na/b\n\n=3.jpg\ngone.jpg\n')
    found = list(list_files(['a', 'a/b/2.jpg', 'list.txt'], tmp_path / 'a/out'))
    assert found == ['a/1.jpg', 'a/b/2.jpg', '=3.jpg', 'gone.jpg']
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty names no files'):
        list(list_files(['empty'], tmp_path / 'out'))


def test_videos_count_by_their_bytes(tmp_path):
    photos = [tmp_path / f'{i}.jpg' for i in range(5)]
    touch(tmp_path / 'short.mp4', size=20_000)
    touch(tmp_path / 'long.mp4', size=3_000_000)
    files = [*map(str, photos), str(tmp_path / 'short.mp4'), str(tmp_path / 'long.mp4'), 'gone.mp4']
    shards = [[os.path.basename(file) for file in shard] for shard in divide(files, 4)]
    assert shards == [['0.jpg', '1.jpg', '2.jpg', '3.jpg'], ['4.jpg', 'short.mp4'], ['long.mp4'], ['gone.mp4']]


def test_a_plan_grows_and_never_changes(tmp_path):
    out = tmp_path / 'out'
    first = open_plan(out, ['a', 'b', 'c\udcff'], {}, 2, True)
    assert [shard.files for shard in first] == [('a', 'b'), ('c\udcff',)]
    second = open_plan(out, ['0', 'a', './b'], {}, 5, True)
    assert second[:2] == first
    assert [shard.name for shard in second] == [f'part-{i:05d}.parquet' for i in range(3)]
    assert second[2].files == ('0',)
    assert open_plan(out, [], {}, 5, True) == second


@pytest.mark.parametrize(
    ('environ', 'part'),
    [
        (dict(RANK='3', WORLD_SIZE='8', SLURM_PROCID='0', SLURM_NTASKS='2'), (3, 8)),
        (dict(OMPI_COMM_WORLD_RANK='1', OMPI_COMM_WORLD_SIZE='2'), (1, 2)),
        (dict(SLURM_PROCID='0', SLURM_NTASKS='1'), None),
        (dict(SLURM_ARRAY_TASK_ID='7', SLURM_ARRAY_TASK_MIN='5', SLURM_ARRAY_TASK_COUNT='4'), (2, 4)),
        (
            dict(
                SLURM_ARRAY_TASK_ID='2',
                SLURM_ARRAY_TASK_MIN='1',
                SLURM_ARRAY_TASK_COUNT='3',
                SLURM_PROCID='1',
                SLURM_NTASKS='2',
            ),
            (3, 6),
        ),
        (dict(JOB_COMPLETION_INDEX='4', WORLD_SIZE='5'), (4, 5)),
    ],
)
def test_launchers(environ, part):
    assert find_part(environ) == part


@pytest.mark.parametrize(
    ('environ', 'message'),
    [
        (dict(JOB_COMPLETION_INDEX='4'), 'does not say WORLD_SIZE. Set it, or name the part: --part 0/8'),
        (dict(RANK='8', WORLD_SIZE='8'), 'part 8 of 8'),
        (dict(RANK='x', WORLD_SIZE='8'), 'numbers its processes wrongly'),
    ],
)
def test_launchers_that_say_too_little(environ, message):
    with pytest.raises(ValueError, match=message):
        find_part(environ)


def test_without_locks_each_worker_does_its_own_shards(tmp_path, monkeypatch):
    """Those of a file system without locks are done once all the same, and those of other parts are left alone."""
    import contextlib
    from types import SimpleNamespace

    from mmfer.inference.corpus import worker
    from mmfer.inference.corpus.plan import Shard

    written = []
    monkeypatch.setattr(worker, 'sole_run', lambda path: contextlib.nullcontext(()))
    monkeypatch.setattr(worker, 'write_shard', lambda job, shard, path, announce: written.append(shard.number))
    monkeypatch.setattr(worker.threading, 'Thread', lambda **options: SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(worker.signal, 'signal', lambda *what: None)
    shards, sent = [Shard(i, (f'{i}.jpg',)) for i in range(6)], []
    worker.work(worker.Job(None, tmp_path, shards, frozenset({1, 4})), SimpleNamespace(send=sent.append))
    assert written == [1, 4]
    assert sent == [('done', 1), ('done', 4)]
