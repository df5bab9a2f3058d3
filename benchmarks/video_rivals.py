"""CPU time a frame of another package's faces and expressions in a video, run by ``video.py``; needs OpenCV alone.

python benchmarks/video_rivals.py mediapipe video.mp4     # FaceMesh, five faces, tracked; mediapipe 0.10.21
python benchmarks/video_rivals.py fer video.mp4           # FER() with its own Haar cascade
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version

import cv2


def mediapipe():
    from mediapipe.python.solutions.face_mesh import FaceMesh

    mesh = FaceMesh(max_num_faces=5)
    return lambda frame: len(mesh.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).multi_face_landmarks or ())


def fer():
    from fer.fer import FER

    detector = FER()
    return lambda frame: len(detector.detect_emotions(frame))


def main(name: str, path: str) -> None:
    cv2.setNumThreads(1)
    count = dict(mediapipe=mediapipe, fer=fer)[name]()
    capture, found, frames = cv2.VideoCapture(path), 0, 0
    for _ in range(2):  # the first frames, not counted, load and compile
        count(capture.read()[1])
    capture = cv2.VideoCapture(path)
    cpu, wall = time.process_time(), time.perf_counter()
    while (read := capture.read())[0]:
        found, frames = found + bool(count(read[1])), frames + 1
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    times = dict(cpu_ms=1000 * cpu / frames, wall_ms=1000 * wall / frames)
    print(json.dumps(dict(name=name, version=version(name), **times, found=found / frames)))


if __name__ == '__main__':
    main(*sys.argv[1:])
