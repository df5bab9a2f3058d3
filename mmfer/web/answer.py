"""Answers as HTML: what screen readers can read, phones can show and dark pages can darken."""

from __future__ import annotations

import math
from html import escape

from mmfer.structures.results import FaceResult
from mmfer.visualization.contact_sheet import class_colors
from mmfer.visualization.face_label import ink_on

from .looker import Answer
from .pictures import overlay, png_url

INTRO = 'Choose a picture, take one with the camera, or try a drawn face.'
GONE = 'This answer is no longer kept: choose the picture again.'
NO_FACE = (
    'No face was found. If the picture is a single face that fills it, tick “the picture is one face, cut out already”.'
)


def stage_html(answer: Answer | None, token: str = '') -> str:
    """Boxes and labels; the browser puts the picture, which it alone has, behind them.

    It finds the place of the picture, and on cards those of the faces, by the ``token`` of the answer.
    """
    if answer is None:
        return ''
    result = answer.result
    what = ', '.join(f'{i + 1} {_said(face)}' for i, face in enumerate(result.faces)) or 'no face'
    count = f'{len(result.faces)} face{"" if len(result.faces) == 1 else "s"}'
    alt = f'Your picture with {count} in boxes: {what}' if result.faces else 'Your picture, without a face'
    width, height = result.width, result.height
    return (
        f'<div data-answer="{escape(token)}"><img class="mm-picture" style="--ratio: {width / height:.4f}" '
        f'src="{png_url(overlay(result))}" alt="{escape(alt)}"></div>'
    )


def summary_html(answer: Answer | None, threshold: float, was_asked: bool = True) -> str:
    """One sentence on all faces."""
    if answer is None:
        return f'<p class="mm-summary">{GONE if was_asked else INTRO}</p>'
    faces = answer.result.faces
    if not faces:
        return f'<p class="mm-summary">{NO_FACE}</p>'
    unsure = sum(face.abstain for face in faces)
    if len(faces) == 1:
        face = faces[0]
        text = f'<b>{escape(face.label)}</b> with probability {face.score:.2f}'
        if face.abstain:
            text = f'<b>No answer</b>: the uncertainty, {face.uncertainty:.2f} nats, is above {threshold:.2f}'
    else:
        text = f'<b>{len(faces)} faces</b>: {len(faces) - unsure} answered, {unsure} too uncertain'
        text = text if unsure else f'<b>{len(faces)} faces</b>, all answered'
    return f'<p class="mm-summary">{text}.</p>'


def cards_html(answer: Answer | None, threshold: float, level: float | None = None, token: str = '') -> str:
    """A card for each face: label, uncertainty with its parts, and a bar a class with its interval.

    Args:
        answer: None for nothing.
        threshold: Nats above which it abstains, marked on the scale of the uncertainty.
        level: Mass of the intervals, to name it.
        token: As in :func:`stage_html`.
    """
    if answer is None:
        return ''
    faces = answer.result.faces
    cards = ''.join(_card(face, i, len(faces) > 1, threshold, level, answer.truth) for i, face in enumerate(faces))
    return f'<div data-answer="{escape(token)}">{cards}</div>'


def _card(face: FaceResult, i: int, several: bool, threshold: float, level: float | None, truth: dict | None) -> str:
    b, g, r = dict(zip(face.classes, class_colors(face.classes)))[face.label]
    ink = 'rgb({2} {1} {0})'.format(*ink_on((b, g, r)))
    number = f'{i + 1} ' if several else ''
    label = f'{number}{"unsure: " if face.abstain else ""}{escape(face.label)}'
    chip = f'<span class="mm-chip{" mm-unsure" if face.abstain else ""}" style="--own: rgb({r} {g} {b}); --ink: {ink}">'
    return (
        f'<article class="mm-card" aria-label="Face {i + 1}: {escape(_said(face))}">'
        f'<div class="mm-head"><div class="mm-thumb mm-face-{i}" role="img" aria-label="Face {i + 1}"></div>'
        f'<div class="mm-what"><h3>{chip}{label}</span><span class="mm-score">{face.score:.2f}</span></h3>'
        f'{_meter(face, threshold)}</div></div>{_bars(face, level, truth)}</article>'
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


def _bars(face: FaceResult, level: float | None, truth: dict | None) -> str:
    has_interval = face.score_low is not None
    share = 'interval' if level is None else f'{100 * level:g} % interval'
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
            marks += f'<i class="mm-whisker" style="left: {low:.2f}%; width: {high - low:.2f}%"></i>'
            cells += f'<td class="mm-interval">{face.score_low[k]:.2f}–{face.score_high[k]:.2f}</td>'
        if truth:
            value = truth.get(name, 0.0)
            marks += f'<i class="mm-truth" style="left: {100 * value:.2f}%"></i>'
            cells += f'<td>{value:.2f}</td>'
        own = ' class="mm-own"' if name == face.label else ''
        rows.append(
            f'<tr{own}><th scope="row">{escape(name)}</th><td class="mm-track" aria-hidden="true"><div>{marks}</div>'
            f'</td><td>{face.scores[k]:.2f}</td>{cells}</tr>'
        )
    return f'<table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _nats(value: float) -> str:
    return '&lt;0.01' if 0 < value < 0.005 else f'{value:.2f}'


def _said(face: FaceResult) -> str:
    return f'{"unsure, " if face.abstain else ""}{face.label} {face.score:.2f}'
