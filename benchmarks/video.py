"""What each speed of videos costs and gives up, on a real clip and on videos whose faces are known.

    python benchmarks/video.py --films 0 --clip video.mp4 --out docs/results/video/clip.json
    ... --films 2 --seconds 6 --out docs/results/video/films.json   # generated videos, see mmfer.datasets.synth.film
    ... --rivals PYTHON PYTHON              # interpreters that have mediapipe or fer, which take turns; [this one]
    ... --films 0 --hour 3600 --out docs/results/video/memory.json  # memory and time over so many seconds of 720p

CPU time is that of the process and all its threads, which other work on the machine changes little. A face counts as
found where a box overlaps it by an IoU of 0.4 or more; wanted are faces of which 70 % can be seen. IDF1 is the share of
faces that bear the number that is this person's over the whole video, see https://doi.org/10.1007/978-3-319-48881-3_2.
The error of the expression is the total variation between the answer and the true distribution, and between the answer
and that of ``accurate`` for the same face.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from mmfer import ExpressionInferencer
from mmfer.datasets.synth.annotators import label_distribution
from mmfer.datasets.synth.film import CLASSES, FilmedFace, synth_film
from mmfer.faces.boxes import box_iou
from mmfer.faces.following import SPEEDS
from mmfer.inference.drawing import VideoWriter
from mmfer.utils.files import write_json
from mmfer.utils.tables import render_table

FOUND, VISIBLE = 0.4, 0.7
BANDS = ((20, 40), (40, 80), (80, 300))
RIVALS = ('mediapipe', 'fer')
TEMPERATURE = 0.2  # of SynthFER


def match(truth: Sequence[Sequence[float]], found: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Pairs (truth, found) of boxes whose overlaps are the largest together, each ``FOUND`` or more."""
    overlaps = box_iou(truth, found)
    rows, columns = linear_sum_assignment(np.where(overlaps >= FOUND, overlaps, 0), maximize=True)
    return [(int(i), int(j)) for i, j in zip(rows, columns) if overlaps[i, j] >= FOUND]


def idf1(pairs: Iterable[tuple[int, int]], wanted: int, found: int) -> float:
    """2 IDTP / (wanted + found), where IDTP is the most pairs (person, number) that a one-to-one naming can make right.

    >>> idf1([(0, 5)] * 6 + [(0, 7)] * 2 + [(1, 7)] * 3, wanted=12, found=11)
    0.782608695652174
    """
    people: dict[int, int] = {}
    numbers: dict[int, int] = {}
    cells = [(people.setdefault(p, len(people)), numbers.setdefault(n, len(numbers))) for p, n in pairs]
    counts = np.zeros((len(people), len(numbers)))
    for cell in cells:
        counts[cell] += 1
    right = counts[linear_sum_assignment(counts, maximize=True)].sum()
    return float(2 * right / max(wanted + found, 1))


def judge(truth: list[list[FilmedFace]], results: list) -> dict:
    """Recall by size, share of boxes that are no face, IDF1, and the answers by (frame, person)."""
    seen = {band: [0, 0] for band in BANDS}
    pairs, answers, wrong, boxes, wanted_all, named = [], {}, 0, 0, 0, 0
    for number, (faces, result) in enumerate(zip(truth, results)):
        matches = match([face.box for face in faces], [face.box for face in result.faces])
        boxes, wrong = boxes + len(result.faces), wrong + len(result.faces) - len(matches)
        by_face = dict(matches)
        for i, face in enumerate(faces):
            height = face.box[3] - face.box[1]
            if face.visible < VISIBLE or height < BANDS[0][0]:
                named -= i in by_face  # neither wanted nor an error
                continue
            band = next((band for band in BANDS if band[0] <= height < band[1]), BANDS[-1])
            seen[band][1] += 1
            wanted_all += 1
            if i in by_face:
                answer = result.faces[by_face[i]]
                seen[band][0] += 1
                pairs.append((face.person, answer.track))
                answers[number, face.person] = (answer.scores, label_distribution(face.intensities, TEMPERATURE))
    return dict(
        recall={f'{a}-{b}': (n / max(of, 1), of) for (a, b), (n, of) in seen.items()},
        found=sum(n for n, _ in seen.values()) / max(wanted_all, 1),
        false=wrong / max(boxes, 1),
        idf1=idf1(pairs, wanted_all, boxes + named),
        people=len({number for _, number in pairs}),
        answers=answers,
    )


def variation(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
    return float(np.mean([np.abs(a - b).sum() / 2 for a, b in pairs] or [np.nan]))


def to_classes(answer: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Scores of a model with other classes, in the order of SynthFER; what it does not have is left out."""
    kept = np.array([answer[classes.index(name)] if name in classes else 0.0 for name in CLASSES])
    return kept / max(kept.sum(), 1e-9)


def timed(inferencer: ExpressionInferencer, path: str) -> tuple[list, float, float]:
    """Results, CPU and wall milliseconds a frame."""
    list(inferencer.stream(path, max_frames=2))
    cpu, wall = time.process_time(), time.perf_counter()
    results = list(inferencer.stream(path))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return results, 1000 * cpu / len(results), 1000 * wall / len(results)


def write_film(path: Path, seed: int, seconds: float, people: int) -> list[list[FilmedFace]]:
    writer, truth = VideoWriter(path, 30), []
    for frame, faces in synth_film(seed, seconds, people):
        writer.write(frame, len(truth) / 30)
        truth.append(faces)
    writer.close()
    return truth


def films(folder: Path, count: int, seconds: float, people: int, threads: int) -> list[dict]:
    paths = [folder / f'{i}.mp4' for i in range(count)]
    truths = [write_film(path, i, seconds, people) for i, path in enumerate(paths)]
    rows, exact = [], {}
    for speed in SPEEDS:
        inferencer = ExpressionInferencer(speed=speed, threads=threads)
        parts = []
        for path, truth in zip(paths, truths):
            results, cpu, wall = timed(inferencer, str(path))
            part = judge(truth, results)
            parts.append(dict(part, cpu_ms=cpu, wall_ms=wall, film=path))
        answers = {(p['film'], *key): value for p in parts for key, value in p['answers'].items()}
        exact = exact or answers
        row = dict(speed=speed, threads=threads)
        for name in ('found', 'false', 'idf1', 'cpu_ms', 'wall_ms'):
            row[name] = float(np.mean([part[name] for part in parts]))
        for band in parts[0]['recall']:
            found = [part['recall'][band] for part in parts]
            row[f'recall_{band}'] = sum(n * of for n, of in found) / max(sum(of for _, of in found), 1)
        classes = inferencer.classes
        row['error'] = variation((to_classes(answer, classes), true) for answer, true in answers.values())
        row['from_accurate'] = variation((answers[key][0], exact[key][0]) for key in answers.keys() & exact.keys())
        rows.append(row)
    return rows


def clip(path: str, threads: int, pythons: Sequence[str], rounds: int) -> list[dict]:
    """Medians over rounds, in each of which everybody has one turn."""
    inferencers = {speed: ExpressionInferencer(speed=speed, threads=threads) for speed in SPEEDS}
    rivals = {name: python for name in RIVALS if (python := find_rival(name, pythons))}
    times: dict[str, list] = {}
    rows, results = {}, {}
    for _ in range(rounds):
        for speed, inferencer in inferencers.items():
            results[speed], *spent = timed(inferencer, path)
            times.setdefault(f'mmfer {speed}', []).append(spent)
        for name, python in rivals.items():
            answer = run_rival(name, python, path)
            rows[name] = dict(version=answer['version'], found=answer['found'])
            times.setdefault(name, []).append([answer['cpu_ms'], answer['wall_ms']])
    for speed in SPEEDS:
        pairs = [
            (a.faces[i].scores, b.faces[j].scores)
            for a, b in zip(results[speed], results['accurate'])
            for i, j in match([f.box for f in a.faces], [f.box for f in b.faces])
        ]
        share = sum(bool(result.faces) for result in results[speed]) / len(results[speed])
        rows[f'mmfer {speed}'] = dict(found=share, from_accurate=variation(pairs))
    medians = {name: np.median(spent, axis=0).tolist() for name, spent in times.items()}
    found = [dict(name=name, cpu_ms=cpu, wall_ms=wall, **rows[name]) for name, (cpu, wall) in medians.items()]
    return [dict(row, rounds=[cpu for cpu, _ in times[row['name']]]) for row in found]


def find_rival(name: str, pythons: Sequence[str]) -> str | None:
    """The interpreter that has this package; why none of them has is printed."""
    for python in pythons:
        done = subprocess.run([python, '-c', f'import {name}'], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return python
        print(f'{name}: not with {python}: {done.stderr.strip().splitlines()[-1:]}', file=sys.stderr)
    return None


def run_rival(name: str, python: str, path: str) -> dict:
    command = [python, str(Path(__file__).with_name('video_rivals.py')), name, path]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def memory(seconds: float, folder: Path, every: float = 60.0, speed: str = 'balanced', threads: int = 1) -> list[dict]:
    """Most memory (resident, looked at each second; Linux), CPU time and speed of each part of a long video of 720p."""
    short, path = folder / 'short.mp4', folder / 'long.mp4'
    write_film(short, 0, 5, 6)
    frames = list(_frames(short))
    writer = VideoWriter(path, 30)
    for number in range(round(seconds * 30)):
        writer.write(frames[number % len(frames)], number / 30)
    writer.close()
    del frames
    rows, peak, inferencer = [], 0.0, ExpressionInferencer(speed=speed, threads=threads)
    cpu, wall, done = time.process_time(), time.perf_counter(), 0
    with open(folder / 'long.jsonl', 'w') as file:
        for result in inferencer.stream(str(path)):
            file.write(json.dumps(result.to_dict()) + '\n')
            if result.frame % 30 == 0:  # not the peak of the process, which made the video as well
                pages = int(Path('/proc/self/statm').read_text().split()[1])
                peak = max(peak, pages * resource.getpagesize() / 2**20)
            count = result.frame + 1
            if count % round(every * 30) == 0 or count == round(seconds * 30):
                now, passed = time.process_time(), time.perf_counter()
                spent, rate = 1000 * (now - cpu) / (count - done), (count - done) / (passed - wall)
                rows.append(dict(seconds=count / 30, peak_mb=peak, cpu_ms=spent, frames_per_s=rate))
                print(json.dumps(rows[-1]), flush=True)
                cpu, wall, done, peak = now, passed, count, 0.0
    return rows


def _frames(path: Path) -> Iterable[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield read[1]


def table(rows: list[dict], title: str) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row if name != 'rounds'))
    cells = [[f'{v:.3f}' if isinstance(v := row.get(name, ''), float) else v for name in names] for row in rows]
    return render_table(names, cells, title=title)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--clip', help='a real video')
    parser.add_argument('--films', type=int, default=4, help='generated videos [4]')
    parser.add_argument('--seconds', type=float, default=10.0, help='length of each [10]')
    parser.add_argument('--people', type=int, default=6, help='people in each [6]')
    parser.add_argument('--hour', type=float, default=0.0, metavar='SECONDS', help='length of the test of memory [0]')
    parser.add_argument('--threads', type=int, default=1, help='[1]')
    parser.add_argument('--rounds', type=int, default=5, help='of the clip, whose medians count [5]')
    parser.add_argument(
        '--rivals', metavar='PYTHON', nargs='+', default=[sys.executable], help='interpreters with other packages'
    )
    parser.add_argument('--out', type=Path, help='JSON file')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    found: dict = dict(opencv=cv2.__version__, threads=args.threads)
    with tempfile.TemporaryDirectory() as name:
        if args.hour:  # first: the peak of memory is that of the whole process
            found['memory'] = memory(args.hour, Path(name), threads=args.threads)
        if args.clip:
            found['clip'] = clip(args.clip, args.threads, args.rivals, args.rounds)
        if args.films:
            found['films'] = films(Path(name), args.films, args.seconds, args.people, args.threads)
    for title in ('memory', 'clip', 'films'):
        if title in found:
            print(table(found[title], title))
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(args.out, found)
    return 0


if __name__ == '__main__':
    sys.exit(main())
