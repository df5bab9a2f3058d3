"""Faces of a video from frame to frame: looked for in the whole picture now and then, followed in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from mmfer.structures.results import Face, largest_first

from .boxes import box_centre, box_iou, greedy_pairs
from .changes import ChangeMap
from .optical_flow import flow_face
from .yunet import YuNet


@dataclass(frozen=True)
class Pace:
    """How often a video is looked at, in seconds.

    Attributes:
        look: Between two looks of the detector at a face that is followed, in a small crop; each is answered by the
            network. In the frames between, optical flow moves the box and the last answer is repeated.
        glance: Between two coarse searches of the whole picture, for new faces.
        change: Between two searches of what has changed in the picture, for small new faces; after one in vain at least
            ``IN_VAIN``.
        search: Between two complete searches.
    """

    look: float
    glance: float
    change: float
    search: float


PACES = dict(
    balanced=Pace(look=0.0, glance=0.25, change=0.1, search=3.0),
    fast=Pace(look=0.06, glance=0.3, change=0.2, search=6.0),
)
SPEEDS = ('accurate', *PACES)
STEP, PATIENCE = 0.5, 0.8  # seconds: the longest step that faces are followed over, and how long one may be hidden
# Least overlaps (IoU): of a face with where it was expected, of one that was hidden, of two boxes of one face.
_STILL, _NEAR, _SAME, _TWICE = 0.45, 0.1, 0.3, 0.4
IN_VAIN = 0.3  # seconds after a search of what has changed that found nobody new
_SOON = 0.5  # seconds between complete searches for faces that were lost
_UNCONFIRMED = 0.2  # seconds that optical flow may carry a face that the detector does not see
_BACK, _BACK_BYTES = 0.5, 2**27  # seconds and bytes of the frames that are kept for faces that are found late
_MISSES = 3  # frames in which a face may be missed on the way back


class _Seen(NamedTuple):
    img: np.ndarray
    seconds: float
    faces: list[Face]  # as they were returned


@dataclass
class _Person:
    number: int
    face: Face
    seen: float  # seconds
    confirmed: float  # when the detector saw it last
    velocity: np.ndarray | None = None  # of the centre, pixels a second; unknown until it is seen a second time

    def expected(self, seconds: float) -> np.ndarray:
        """The box, moved on to this time."""
        if self.velocity is None:
            return np.asarray(self.face.box)
        return np.asarray(self.face.box) + np.tile(self.velocity * min(seconds - self.seen, PATIENCE), 2)

    def found(self, face: Face, seconds: float, confirmed: bool = True) -> None:
        passed = seconds - self.seen
        if confirmed and passed > 0:
            moved = (box_centre(face.box) - box_centre(self.face.box)) / passed
            self.velocity = moved if self.velocity is None else 0.7 * self.velocity + 0.3 * moved
        self.face, self.seen = face, seconds
        self.confirmed = seconds if confirmed else self.confirmed


class FaceFollower:
    """Finds the faces of one video after the other at a fraction of the time that finding them anew takes.

    A face that was found is looked at again in a crop around the place where it is expected: the same detector, at a
    size that costs a fiftieth, so boxes and landmarks mean the same. New faces are looked for in the whole picture:
    coarsely every few frames, completely at the start, where a face was lost, after cuts and every now and then.
    Faces that cross keep their numbers, as each is expected where its motion leads. One that is found late is looked
    for in the frames before as well, back to where it came in.

    Args:
        detector: A :class:`YuNet` without rotations. Others are asked for each frame, as with ``speed='accurate'``.
        speed: 'accurate' finds the faces of each frame anew and does not number them; 'balanced' and 'fast' see
            ``PACES``.

    Attributes:
        past: The last frames, to whose lists of faces others may still be added.

    Raises:
        ValueError: The speed is unknown.
    """

    def __init__(self, detector: Callable[[np.ndarray], list[Face]], speed: str = 'balanced') -> None:
        self.detector = detector
        pace = PACES.get(check_speed(speed))
        self.pace = pace if isinstance(detector, YuNet) and detector.rotations == (0,) else None
        self._start('')

    def _start(self, name: str) -> None:
        self.name, self.count = name, 0
        self._forget()
        self.now = -np.inf

    def _forget(self) -> None:
        self.people: list[_Person] = []
        self.last = self.grey = np.empty((0, 0), np.uint8)  # the frame before and this one
        self.looked = self.glanced = self.compared = self.searched = -np.inf
        self.changes: ChangeMap | None = None
        self.pause = 0.0  # seconds until the next search of what has changed
        self.past: deque[_Seen] = deque()

    def __call__(self, img: np.ndarray, name: str, seconds: float | None, is_live: bool = False) -> list[Face]:
        """Faces in the next frame, largest first; the list may grow as long as the frame is in ``past``.

        Args:
            img: uint8 BGR (H, W, 3).
            name: Of the video; another one is a new video.
            seconds: Time of the frame in the video; an earlier one than that of the last frame is a new video. None is
                an image of no video.
            is_live: The answer is wanted at once, so faces that are found late are not added to frames before.
        """
        if self.pace is None or seconds is None:
            self.past.clear()
            return largest_first(self.detector(img))
        if name != self.name or seconds <= self.now:
            self._start(name)
        elif img.shape[:2] != self.grey.shape:
            self._forget()
        self.last, self.grey = self.grey, cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)  # a copy: others may draw into img
        before, self.now = self.now, seconds
        present = [person for person in self.people if person.seen == before]
        repeated: set[int] = set()
        if seconds - before <= STEP:
            if seconds - self.looked < self.pace.look:
                repeated = self._flow(present)
            else:
                self.looked = seconds
            self._look(img, [person for person in self.people if person.number not in repeated], before)
        if seconds - before > STEP:
            self.past.clear()
        # Between frames that are far apart, anybody may have come: there are no frames to search what has changed.
        is_far = seconds - before >= self.pace.glance
        self._find_new(img, is_far or any(person.seen < seconds for person in present))
        self.people = [person for person in self.people if seconds - person.seen <= PATIENCE]
        here = [person for person in self.people if person.seen == seconds]
        faces = largest_first(replace(p.face, person=p.number, is_repeated=p.number in repeated) for p in here)
        if not is_live:
            self.past.append(_Seen(img, seconds, faces))
        while self.past and (seconds - self.past[0].seconds > _BACK or len(self.past) * img.nbytes > _BACK_BYTES):
            self.past.popleft()
        return faces

    def _flow(self, people: list[_Person]) -> set[int]:
        """Move the faces of these people by optical flow; the numbers of those for whom that went well."""
        moved = set()
        for person in people:
            is_sure = self.now - person.confirmed <= _UNCONFIRMED
            face = flow_face(self.last, self.grey, person.face) if is_sure else None
            if face is not None and self._is_free(face):
                person.found(face, self.now, confirmed=False)
                moved.add(person.number)
        return moved

    def _is_free(self, face: Face) -> bool:
        """Whether nobody has been seen in this place, in this frame."""
        taken = [person.face.box for person in self.people if person.seen == self.now]
        return not taken or float(box_iou([face.box], taken).max()) < _TWICE

    def _look(self, img: np.ndarray, people: list[_Person], before: float) -> None:
        """Look for people where they are expected. Of two who claim one face, it is that of who fits better."""
        claims = []
        for person in people:
            expected = person.expected(self.now)
            faces = self.detector.look(img, expected)
            if faces:
                fits = box_iou([expected], [face.box for face in faces])[0]
                best = int(fits.argmax())
                if fits[best] >= (_STILL if person.seen == before else _NEAR):
                    claims.append((float(fits[best]), person, faces[best]))
        for _, person, face in sorted(claims, key=lambda claim: -claim[0]):
            if self._is_free(face):
                self._found(person, face, before)
        for person in people:
            if person.seen == before and person.velocity is None:  # somebody new and fast
                faces = [face for face in self.detector.look(img, _scaled(person.face.box, 2)) if self._is_free(face)]
                fits = [_likeness(person.face.box, face.box) for face in faces]
                if faces and max(fits) > 0:
                    self._found(person, faces[int(np.argmax(fits))], before)
        self._flow([person for person in people if person.seen == before])

    def _found(self, person: _Person, face: Face, before: float) -> None:
        is_late = person.velocity is None or person.seen < before
        person.found(face, self.now)
        if is_late:
            self._look_back(person)

    def _find_new(self, img: np.ndarray, is_lost: bool) -> None:
        """Look for faces in the whole picture, where it is time for that or somebody may be missing."""
        now, pace = self.now, self.pace
        here = [person.face.box for person in self.people if person.seen == now]
        since, faces = now - self.searched, []
        if since >= pace.search or (is_lost and since >= _SOON):
            self.searched = self.glanced = self.compared = now
            self.changes = ChangeMap(img, now)
            faces = self.detector(img)
        elif is_lost or now - self.glanced >= pace.glance:
            self.glanced = now
            faces = self._seen_close(img, self.detector.glance(img))
        elif self.changes is not None and now - self.compared >= max(pace.change, self.pause):
            self.compared = now
            regions = self.changes.regions(img, now, here)
            for region in regions:
                faces += self._seen_close(img, self.detector.look_in(img, region))
            self.pause = 0.0 if faces or not regions else IN_VAIN
        faces = [face for face in faces if not here or box_iou([face.box], here).max() < _SAME]
        hidden = [person for person in self.people if person.seen < self.now]
        pairs = greedy_pairs(
            box_iou([face.box for face in faces], [person.expected(self.now) for person in hidden]), _NEAR
        )
        for i, face in enumerate(faces):
            if not self._is_free(face):  # found twice
                continue
            if i in pairs:
                self._found(hidden[pairs[i]], face, self.now)
            else:
                self.people.append(_Person(self.count, face, self.now, self.now))
                self.count += 1

    def _look_back(self, person: _Person) -> None:
        """Look for somebody who was found late in the frames before, the last one first, until that fails some times.

        Where the edge of the picture cuts a face, a look often misses it in every other frame.
        """
        face, now, velocity, misses = person.face, self.now, person.velocity, 0
        for seen in reversed(self.past):
            found = next((other for other in seen.faces if other.person == person.number), None)
            if found is None:
                expected = np.asarray(face.box) + np.tile(velocity * (seen.seconds - now), 2)
                others = [other.box for other in seen.faces]
                close = self.detector.look(seen.img, expected)
                close = [other for other in close if not others or box_iou([other.box], others).max() < _TWICE]
                fits = box_iou([expected], [other.box for other in close])[0]
                if not close or fits.max() < _STILL:
                    misses += 1
                    if misses > _MISSES:
                        return
                    continue
                found = replace(close[int(fits.argmax())], person=person.number)
                seen.faces[:] = largest_first([*seen.faces, found])
            moved = (box_centre(found.box) - box_centre(face.box)) / (seen.seconds - now)
            face, now, velocity = found, seen.seconds, 0.7 * velocity + 0.3 * moved

    def _seen_close(self, img: np.ndarray, faces: list[Face]) -> list[Face]:
        """These faces as a look shows them, without those of people who were seen already, and false ones."""
        close = []
        for face in faces:
            if self._is_free(face):
                close += [
                    other for other in self.detector.look(img, face.box) if box_iou([other.box], [face.box]) > _SAME
                ]
        return close


def check_speed(speed: str) -> str:
    """``speed``, or ValueError where it is none of ``SPEEDS``."""
    if speed not in SPEEDS:
        raise ValueError(f'speed={speed!r}: expected one of {", ".join(SPEEDS)}')
    return speed


def _scaled(box: Sequence[float], scale: float) -> np.ndarray:
    half = scale / 2 * (np.asarray(box[2:]) - box[:2])
    return np.concatenate([box_centre(box) - half, box_centre(box) + half])


def _likeness(box: Sequence[float], other: Sequence[float]) -> float:
    """1 of equal boxes, less where the other is elsewhere, 0 from the distance of a side on or where sizes differ."""
    sides = [np.sqrt(np.prod(np.subtract(each[2:], each[:2]))) for each in (box, other)]
    far = float(np.linalg.norm(box_centre(box) - box_centre(other))) / max(sides)
    return max(0.0, 1 - far) if min(sides) > 0.7 * max(sides) else 0.0
