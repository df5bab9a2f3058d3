#!/usr/bin/env python
"""Draw docs/images/answer.png, the picture of the README: the card of a drawn face, and its expressions over time.

A person of SynthFER goes from one expression to the next, and the shipped model answers for each frame.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mmfer import ExpressionInferencer
from mmfer.datasets.synth import render_face
from mmfer.datasets.synth.appearance import Appearance
from mmfer.datasets.synth_fer import SynthFER
from mmfer.structures.results import FaceResult
from mmfer.visualization.face_card import face_card
from mmfer.visualization.timeline import Strip, draw_timeline

PICTURE = Path(__file__).parent / 'images/answer.png'
PERSON, SIZE, RATE = 138, 224, 20  # number in SynthFER's test part, pixels, frames a second
SCRIPT = ('neutral', 'happiness', 'surprise', 'neutral', 'anger', 'sadness')  # two seconds from one to the next
CARD = 0.75  # seconds
CARD_WIDTH, STRIP_WIDTH, FACES = 420, 6.4, 7  # pixels, inches, pictures above the strip


def frames(person: Appearance) -> list[np.ndarray]:
    """Pictures BGR of a person who holds each expression for a while and then goes on to the next."""
    times = np.arange(0, 2 * (len(SCRIPT) - 1), 1 / RATE)
    part, place = np.divmod(times / 2, 1)
    shares = np.clip((place - 0.1) / 0.8, 0, 1)
    pictures = []
    for k, share in zip(part.astype(int), shares):
        intensities = {SCRIPT[k]: float(1 - share), SCRIPT[k + 1]: float(share)}
        intensities.pop('neutral', None)
        pictures.append(render_face(person, intensities, SIZE))
    return pictures


def strip(pictures: list[np.ndarray], faces: list[FaceResult]) -> Strip:
    """The answers of all frames, with some of the pictures above them."""
    seconds = np.arange(len(faces)) / RATE
    chosen = np.linspace(0, len(faces) - 1, 2 * FACES + 1).astype(int)[1::2]
    return Strip(
        'a drawn face, answered by the shipped model',
        seconds,
        np.full(len(faces), 1 / RATE),
        np.array([face.scores for face in faces]),
        np.array([face.uncertainty for face in faces]),
        np.array([bool(face.abstain) for face in faces]),
        [(seconds[i], pictures[i]) for i in chosen],
    )


def draw() -> np.ndarray:
    """The card to the left, the strip to the right, narrow enough to be read on a page, BGR."""
    person = SynthFER(split='test', num_samples=PERSON + 1).person(PERSON)
    person = replace(person, blur=0.0, noise=0.0, occlusion='none', roll=0.0, yaw=0.0, shift=(0.0, 0.0))
    pictures = frames(person)
    inferencer = ExpressionInferencer(detector=None, threads=1)
    faces = [result.faces[0] for result in inferencer(pictures, channels='bgr')]
    chosen = round(CARD * RATE)
    card = face_card(pictures[chosen], faces[chosen], CARD_WIDTH)
    figure = draw_timeline([strip(pictures, faces)], faces[0].classes)
    figure.set_size_inches(STRIP_WIDTH, len(card) / figure.dpi)
    legend = figure.legends[0]
    legend.remove()
    names = [text.get_text() for text in legend.get_texts()]
    figure.legend(legend.get_patches(), names, loc='outside lower center', ncols=4, frameon=False, fontsize=9)
    figure.canvas.draw()
    over_time = cv2.cvtColor(np.asarray(figure.canvas.buffer_rgba()), cv2.COLOR_RGBA2BGR)
    height = max(len(card), len(over_time))
    white = dict(borderType=cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return np.hstack([cv2.copyMakeBorder(part, 0, height - len(part), 0, 16, **white) for part in (card, over_time)])


if __name__ == '__main__':
    cv2.imwrite(sys.argv[1] if len(sys.argv) > 1 else str(PICTURE), draw(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
