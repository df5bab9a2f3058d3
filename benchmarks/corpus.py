#!/usr/bin/env python
"""A corpus that is killed again and again, compared with one that is left alone.

    python benchmarks/corpus.py --photos 10000 --clips 50 --kills 20 --processes 4

writes drawn faces, of which 2 % are broken, into a temporary folder. Several commands of ``mmfer predict`` share them,
as a launcher starts them; single processes of theirs, chosen at random, get a SIGKILL, and commands that died start
again. The table and the manifest must equal those of one command that nobody disturbed, row for row. Linux only.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np

CHOICE = 16  # different faces


def write_files(folder: Path, photos: int, clips: int, broken: float, seed: int = 0) -> int:
    """Photos and clips of drawn faces; how many of them are broken: empty, cut off, or of random bytes."""
    from mmfer.datasets import SynthFER

    rng = np.random.default_rng(seed)
    drawn = SynthFER(split='test', num_samples=4 * CHOICE, size=64, serialize_data=False)
    faces = [drawn[i]['img'] for i in range(CHOICE)]
    files = []
    for i in range(photos):
        files.append(folder / f'photos/{i % 10}/{i:06d}.jpg')
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        shifted = np.roll(faces[i % CHOICE], rng.integers(-4, 5, 2), (0, 1))
        files[-1].write_bytes(cv2.imencode('.jpg', shifted)[1].tobytes())
    for i in range(clips):
        files.append(folder / f'clips/{i:04d}.mp4')
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(files[-1]), cv2.VideoWriter.fourcc(*'mp4v'), 25, (64, 64))
        for frame in range(int(rng.integers(10, 60))):
            writer.write(faces[(i + frame // 10) % CHOICE])
        writer.release()
    chosen = rng.permutation(len(files))[: max(3, round(broken * len(files)))]
    for number, i in enumerate(chosen):
        data = files[i].read_bytes()
        files[i].write_bytes([b'', data[: len(data) // 2], rng.bytes(len(data))][number % 3])
    return len(chosen)


def command(folder: Path, out: str, shard: int, *more: str) -> list[str]:
    words = ['predict', 'photos', 'clips', '--out', f'{out}/', '--shard', str(shard), '--detector', 'none', *more]
    return [sys.executable, '-m', 'mmfer', *words]


def start(folder: Path, out: str, shard: int, rank: int, processes: int) -> subprocess.Popen:
    """The command of one process, as torchrun starts it."""
    env = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(processes))
    with open(folder / f'{out}.log', 'ab') as log:
        return subprocess.Popen(command(folder, out, shard), cwd=folder, env=env, stdout=log, stderr=log)


def family(pid: int) -> list[int]:
    """The process and those that it started, by /proc."""
    found = [pid]
    for place in Path(f'/proc/{pid}/task').glob('*/children'):
        with suppress(OSError):
            found += [one for child in place.read_text().split() for one in family(int(child))]
    return found


def disturb(folder: Path, out: str, shard: int, processes: int, kills: int, pause: float, seed: int = 0) -> int:
    """Let the processes share the corpus, and kill one of them now and then; how many kills hit a whole command."""
    rng = random.Random(seed)
    running = {rank: start(folder, out, shard, rank, processes) for rank in range(processes)}
    hit, left = 0, kills
    until = time.monotonic() + pause * rng.uniform(0.5, 1.5)
    while running or left:
        for rank, process in list(running.items()):
            if process.poll() is not None:
                del running[rank]
                if process.returncode:
                    hit += process.returncode == -signal.SIGKILL
                    running[rank] = start(folder, out, shard, rank, processes)
        if not running and left:  # all is done before the last kill
            break
        if left and time.monotonic() > until:
            victims = [pid for process in running.values() for pid in family(process.pid)]
            with suppress(ProcessLookupError):
                os.kill(rng.choice(victims), signal.SIGKILL)
            left -= 1
            until = time.monotonic() + pause * rng.uniform(0.5, 1.5)
        time.sleep(0.02)
    print(f'{kills - left} kills, {hit} of them of a command and not of its worker')
    return kills - left


def compare(folder: Path) -> None:
    """Raise AssertionError where the two tables, or what became of the files, differ."""
    import pandas

    from mmfer import read_results

    alone, disturbed = (read_results(folder / name) for name in ('alone', 'killed'))
    pandas.testing.assert_frame_equal(alone, disturbed, check_exact=True)
    assert not alone[alone.frame.isna()].duplicated(['source', 'face', 'error']).any(), 'a file is there twice'
    assert (folder / 'alone/_manifest.csv').read_bytes() == (folder / 'killed/_manifest.csv').read_bytes()
    names = pandas.read_csv(folder / 'alone/_manifest.csv').file
    files = [str(path.relative_to(folder)) for top in ('photos', 'clips') for path in (folder / top).rglob('*.*')]
    assert sorted(names) == sorted(files), 'a file is missing'
    assert not list((folder / 'killed').glob('.*.part')), 'a part is left'
    print(f'{len(files)} files, {len(alone)} rows, {alone.error.notna().sum()} errors: equal row for row')


def run(folder: Path, args: argparse.Namespace) -> int:
    """Play it in an empty folder; the number of kills."""
    broken = write_files(folder, args.photos, args.clips, args.broken)
    print(f'{args.photos} photos and {args.clips} clips, {broken} of them broken')
    began = time.monotonic()
    subprocess.run(command(folder, 'alone', args.shard, '--jobs', str(args.processes)), cwd=folder, check=True)
    took = time.monotonic() - began
    print(f'undisturbed: {took:.0f} s')
    began = time.monotonic()
    kills = disturb(folder, 'killed', args.shard, args.processes, args.kills, args.pause or took / (args.kills + 1))
    print(f'killed again and again: {time.monotonic() - began:.0f} s')
    subprocess.run(command(folder, 'killed', args.shard), cwd=folder, check=True)
    compare(folder)
    return kills


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=int, default=10_000, metavar='N', help='[10000]')
    parser.add_argument('--clips', type=int, default=50, metavar='N', help='[50]')
    parser.add_argument('--broken', type=float, default=0.02, metavar='SHARE', help='of the files [0.02]')
    parser.add_argument('--processes', type=int, default=4, metavar='N', help='[4]')
    parser.add_argument('--kills', type=int, default=20, metavar='N', help='[20]')
    parser.add_argument('--pause', type=float, metavar='S', help='between two kills [by the undisturbed run]')
    parser.add_argument('--shard', type=int, default=64, metavar='N', help='photos in a shard [64]')
    return parser.parse_args(argv)


def main() -> None:
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), args)


if __name__ == '__main__':
    main()
