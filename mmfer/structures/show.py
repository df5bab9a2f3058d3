"""Results as text for a terminal, and as HTML for a notebook."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from .label_sets import set_words
from .results import FaceResult, ImageResult

MAX_SIDE = 480
"""Longer side of the pictures in notebooks, in pixels."""
MAX_IMAGES = 20
"""So many images of a list are shown in a terminal or a notebook."""
_CELL = 'padding:1px 6px;text-align:left;border:none'


def face_text(face: FaceResult) -> str:
    """One line: the expression, its probability with the interval, the uncertainty, and the set."""
    place = face.classes.index(face.label)
    between = _between(face, place) if face.people is None else f', {people_words(face, place)}'
    text = f'{face.label} {face.score:.2f}{between}'
    text += f', uncertainty {face.uncertainty:.2f} nats'
    if face.label_set is not None:
        text += f', set: {set_words(face.label_set, len(face.classes))}'
    return f'{text}, abstains' if face.abstain else text


def people_range(face: FaceResult, k: int, to: str = ' to ') -> str:
    """How many of ``face.people`` would choose class ``k``, such as '5 to 8'; '' if there are no bounds."""
    if face.people is None or face.score_low is None or face.score_high is None:
        return ''
    low, high = (round(face.people * float(values[k])) for values in (face.score_low, face.score_high))
    return str(low) if low == high else f'{low}{to}{high}'


def people_words(face: FaceResult, k: int) -> str:
    """The same as a part of a sentence: 'of 10 people, 5 to 8 would say happiness'."""
    return f'of {face.people} people, {people_range(face, k)} would say {face.classes[k]}'


def _between(face: FaceResult, k: int) -> str:
    """The interval of a probability; '' where there is none, or where it is a point at two digits."""
    if face.score_low is None or face.score_high is None:
        return ''
    if face.people is not None:
        return f', {people_range(face, k)} of {face.people} people'
    low, high = f'{face.score_low[k]:.2f}', f'{face.score_high[k]:.2f}'
    return '' if low == high else f' ({low} to {high})'


def image_text(result: ImageResult) -> str:
    """A line for the image and one for each of its faces."""
    name = result.source if result.frame is None else f'{result.source}, frame {result.frame}'
    if result.error is not None:
        return f'{name}: not answered: {result.error}'
    if not result.faces:
        return f'{name}: no face found'
    lines = [f'{name}: {len(result.faces)} face{"s" if len(result.faces) > 1 else ""}']
    for number, face in enumerate(result.faces):
        box = ', '.join(f'{value:.0f}' for value in face.box)
        lines.append(f'  {number}: {face_text(face)}, box ({box})')
    return '\n'.join(lines)


def images_text(results: Iterable[ImageResult]) -> str:
    """The first ``MAX_IMAGES`` of a list."""
    results = list(results)
    more = [f'... and {len(results) - MAX_IMAGES} more'] if len(results) > MAX_IMAGES else []
    return '\n'.join([*map(image_text, results[:MAX_IMAGES]), *more]) or 'no images'


def _picture(result: ImageResult) -> str:
    """The image of the file with its boxes as an ``<img>``; '' where there is no such file any more."""
    if result.frame is not None or not Path(result.source).is_file():
        return ''
    image = cv2.imdecode(np.fromfile(result.source, np.uint8), cv2.IMREAD_COLOR)
    if image is None or not result.width:
        return ''
    scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for number, face in enumerate(result.faces):
        x1, y1, x2, y2 = (round(value * image.shape[1] / result.width) for value in face.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), (0, 200, 0), 2, cv2.LINE_AA)
        cv2.putText(image, str(number), (x1 + 3, y1 + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 200, 0), 1, cv2.LINE_AA)
    data = base64.b64encode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" style="max-width:100%"/>'


def _bars(number: int, face: FaceResult) -> str:
    """The probabilities of a face as a table of bars, the most probable first."""
    rows = [f'<tr><th colspan="3" style="{_CELL}">{number}: {html.escape(face_text(face))}</th></tr>']
    for k in np.argsort(-face.scores, kind='stable'):
        bar = f'<div style="background:#4a7fb5;height:10px;width:{120 * float(face.scores[k]):.0f}px"></div>'
        between = _between(face, k)
        name = html.escape(face.classes[k])
        rows.append(
            f'<tr><td style="{_CELL}">{name}</td><td style="{_CELL};min-width:124px">{bar}</td>'
            f'<td style="{_CELL}">{face.scores[k]:.2f}{between}</td></tr>'
        )
    return f'<table style="border:none;display:inline-block;vertical-align:top">{"".join(rows)}</table>'


def image_html(result: ImageResult) -> str:
    """The image with its boxes, and the bars of each face."""
    title = html.escape(image_text(result).splitlines()[0])
    bars = ''.join(_bars(number, face) for number, face in enumerate(result.faces))
    return f'<div><div><b>{title}</b></div>{_picture(result)}<div>{bars}</div></div>'


def images_html(results: Iterable[ImageResult]) -> str:
    """The first ``MAX_IMAGES`` of a list."""
    results = list(results)
    more = f'<div>... and {len(results) - MAX_IMAGES} more</div>' if len(results) > MAX_IMAGES else ''
    return ''.join(map(image_html, results[:MAX_IMAGES])) + more
