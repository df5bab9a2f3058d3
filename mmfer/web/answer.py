"""Answers as HTML: what screen readers can read, phones can show and dark pages can darken."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from mmfer.structures.label_sets import set_words
from mmfer.structures.results import FaceResult
from mmfer.structures.show import people_range
from mmfer.visualization.contact_sheet import class_colors
from mmfer.visualization.face_label import ink_on
from mmfer.visualization.faces import draw_faces

from .examples import Example
from .look import SHOWN, Answer, jpeg

INTRO = 'Choose a picture, take one with the camera, or try a drawn face.'
FIRST_FRAME = ' It is the first frame of an animation.'
NO_FACE = (
    'No face was found. If the picture is a single face that fills it, tick “the picture is one face, cut out already”.'
)


def examples_html(examples: Sequence[Example]) -> str:
    """A button for each drawn face, whose value is its number."""
    buttons = ''.join(
        f'<button type="button" value="{i}"><img src="{_url(jpeg(example.image, SHOWN))}" alt="">'
        f'<span>{escape(example.name)}</span></button>'
        for i, example in enumerate(examples)
    )
    return buttons and f'<fieldset><legend>or a drawn face of SynthFER</legend><div>{buttons}</div></fieldset>'


def stage_html(answer: Answer) -> str:
    """The picture with boxes and labels, if there are faces."""
    faces = answer.result.faces
    if not faces:
        return ''
    picture = cv2.imdecode(np.frombuffer(answer.picture, np.uint8), cv2.IMREAD_COLOR)
    scale = SHOWN / max(picture.shape[:2])
    height, width = (max(1, round(scale * length)) for length in picture.shape[:2])
    picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    drawn = draw_faces(picture, answer.result.resized(width, height), numbers=len(faces) > 1, size=SHOWN // 40)
    what = ', '.join(f'{i + 1} {_said(face)}' for i, face in enumerate(faces))
    alt = f'The picture with {_count(faces)} in boxes: {what}'
    return (
        f'<img class="mm-picture" style="--ratio: {width / height:.4f}" src="{_url(jpeg(drawn, SHOWN))}" '
        f'alt="{escape(alt)}">'
    )


def summary_html(answer: Answer | str, threshold: float = 0.0) -> str:
    """One sentence on all faces; a string is a sentence that says why there is no answer."""
    if isinstance(answer, str):
        return f'<p class="mm-summary{"" if answer == INTRO else " mm-error"}">{escape(answer)}</p>'
    faces = answer.result.faces
    unsure = sum(face.abstain for face in faces)
    if not faces:
        text = NO_FACE
    elif len(faces) > 1:
        share = f': {len(faces) - unsure} answered, {unsure} too uncertain' if unsure else ', all answered'
        text = f'<b>{_count(faces)}</b>{share}.'
    elif unsure:
        nats = f'{faces[0].uncertainty:.2f} nats, is above {threshold:.2f}'
        text = f'<b>No answer</b>: the uncertainty, {nats}{_set_part(faces[0])}.'
    else:
        text = f'<b>{escape(faces[0].label)}</b> with probability {faces[0].score:.2f}{_set_part(faces[0])}.'
    return f'<p class="mm-summary">{text}{FIRST_FRAME if answer.moves else ""}</p>'


def cards_html(answer: Answer, threshold: float, level: float | None = None) -> str:
    """A card for each face: label, uncertainty with its parts, and a bar a class with its interval.

    Args:
        answer: What is known of a picture.
        threshold: Nats above which it abstains, marked on the scale of the uncertainty.
        level: Mass of the intervals, to name it.
    """
    return ''.join(_card(answer, i, threshold, level) for i in range(len(answer.result.faces)))


def _card(answer: Answer, i: int, threshold: float, level: float | None) -> str:
    face = answer.result.faces[i]
    b, g, r = dict(zip(face.classes, class_colors(face.classes)))[face.label]
    ink = 'rgb({2} {1} {0})'.format(*ink_on((b, g, r)))
    number = f'{i + 1} ' if len(answer.result.faces) > 1 else ''
    label = f'{number}{"unsure: " if face.abstain else ""}{escape(face.label)}'
    chip = f'<span class="mm-chip{" mm-unsure" if face.abstain else ""}" style="--own: rgb({r} {g} {b}); --ink: {ink}">'
    return (
        f'<article class="mm-card" aria-label="Face {i + 1}: {escape(_said(face))}">'
        f'<div class="mm-head"><img class="mm-thumb" src="{_url(answer.thumbnails[i])}" alt="Face {i + 1}">'
        f'<div class="mm-what"><h3>{chip}{label}</span><span class="mm-score">{face.score:.2f}</span></h3>'
        f'{_meter(face, threshold)}</div></div>{_set(face)}{_bars(face, level, answer.truth)}</article>'
    )


def _meter(face: FaceResult, threshold: float) -> str:
    """The uncertainty on a scale from 0 to log K, with its parts and the threshold."""
    most = math.log(max(2, len(face.classes)))
    parts = [('mm-total', 'uncertainty', face.uncertainty)]
    has_parts = face.aleatoric is not None and face.epistemic is not None
    if has_parts:
        parts = [('mm-aleatoric', 'aleatoric', face.aleatoric), ('mm-epistemic', 'epistemic', face.epistemic)]
    blocks = ''.join(f'<i class="{name}" style="width: {100 * value / most:.2f}%"></i>' for name, _, value in parts)
    tick = f'<b style="left: {100 * threshold / most:.2f}%"></b>' if threshold < most else ''
    keys = ''.join(f'<span><i class="{name}"></i>{text} {_nats(value)}</span>' for name, text, value in parts)
    legend = f'<p class="mm-legend">{keys}</p>' if has_parts else ''
    return (
        f'<p class="mm-uncertainty"><span>uncertainty</span><span>{face.uncertainty:.2f} of {most:.2f} nats</span></p>'
        f'<div class="mm-meter" aria-hidden="true">{blocks}{tick}</div>{legend}'
    )


def _set(face: FaceResult) -> str:
    """The set of labels in words, on a line of its own."""
    return '' if face.label_set is None else f'<p class="mm-set">set: <b>{_words(face)}</b></p>'


def _set_part(face: FaceResult) -> str:
    """The same as the end of a sentence, where it says more than the label."""
    return f'; it may be {_words(face)}' if face.label_set is not None and len(face.label_set) > 1 else ''


def _words(face: FaceResult) -> str:
    return escape(set_words(face.label_set or (), len(face.classes)))


def _bars(face: FaceResult, level: float | None, truth: dict | None) -> str:
    has_interval = face.score_low is not None
    share = 'interval' if level is None else f'{100 * level:g} % interval'
    if face.people is not None:
        share = f'of {face.people} people'
    true = ['<i class="mm-key"></i>true'] if truth else []
    columns = ['expression', '', 'probability', *([share] if has_interval else []), *true]
    head = ''.join(
        f'<th scope="col"{" class=mm-interval" if name is share else ""}>{name}</th>'
        if name
        else '<td class="mm-track"></td>'
        for name in columns
    )
    rows = []
    for k, (name, (b, g, r)) in enumerate(zip(face.classes, class_colors(face.classes))):
        marks = f'<i class="mm-bar" style="width: {100 * face.scores[k]:.2f}%; --own: rgb({r} {g} {b})"></i>'
        cells = ''
        if has_interval:
            low, high = 100 * face.score_low[k], 100 * face.score_high[k]
            between = f'{face.score_low[k]:.2f}–{face.score_high[k]:.2f}'
            if face.people is None:
                marks += f'<i class="mm-whisker" style="left: {low:.2f}%; width: {high - low:.2f}%"></i>'
            else:
                between = people_range(face, k, '–')
            cells += f'<td class="mm-interval">{between}</td>'
        if truth:
            value = truth.get(name, 0.0)
            marks += f'<i class="mm-truth" style="left: {100 * value:.2f}%"></i>'
            cells += f'<td>{value:.2f}</td>'
        is_out = face.label_set is not None and name not in face.label_set
        own = ' class="mm-own"' if name == face.label else ' class="mm-out"' if is_out else ''
        rows.append(
            f'<tr{own}><th scope="row">{escape(name)}</th><td class="mm-track" aria-hidden="true"><div>{marks}</div>'
            f'</td><td>{face.scores[k]:.2f}</td>{cells}</tr>'
        )
    return f'<table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _nats(value: float) -> str:
    return '&lt;0.01' if 0 < value < 0.005 else f'{value:.2f}'


def _said(face: FaceResult) -> str:
    return f'{"unsure, " if face.abstain else ""}{face.label} {face.score:.2f}'


def _count(faces: tuple) -> str:
    return f'{len(faces)} face{"" if len(faces) == 1 else "s"}'


def _url(data: bytes) -> str:
    return f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
