"""What happens to a picture: looked at once, forgotten, and judged by any threshold afterwards."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfer.structures.results import ImageResult
from mmfer.utils.images import decode_image

from .examples import Example
from .pictures import Limits, PictureError, check_picture, shown_picture, thumbnails

DAMAGED = 'The picture is damaged or cut off: it cannot be read to its end.'


@dataclass(frozen=True)
class Answer:
    """What is kept of a picture: numbers, no pixels.

    Attributes:
        result: The faces.
        one_face: Whether the picture was taken for one face as a whole.
        truth: Of examples, the true probability of each expression by name.
    """

    result: ImageResult
    one_face: bool = False
    truth: dict[str, float] | None = None


class Looker:
    """Looks at pictures of several people at a time, one after the other, and keeps the numbers of the newest.

    Args:
        inferencer: A :class:`mmfer.inference.ExpressionInferencer`.
        limits: What is taken at most.
        examples: Pictures that can be asked for by their number.
        capacity: Answers that are kept; the oldest are dropped first.
    """

    def __init__(
        self, inferencer: Any, limits: Limits | None = None, examples: Sequence[Example] = (), capacity: int = 500
    ) -> None:
        self.inferencer, self.limits = inferencer, limits or Limits()
        self.examples, self.capacity = tuple(examples), capacity
        self.answers: OrderedDict[str, Answer] = OrderedDict()
        self._model, self._kept = threading.Lock(), threading.Lock()

    @property
    def needs_one_face(self) -> bool:
        """Whether there is no detector, so that every picture is one face."""
        return self.inferencer.detector is None

    def look(self, data: bytes, one_face: bool = False) -> dict[str, Any]:
        """Find the faces of a picture and what they express.

        Args:
            data: The bytes of an image file.
            one_face: Take the whole picture for a face that is cut out already.

        Returns:
            For the browser: ``token``, the name of the answer; ``picture`` and ``faces``, data URLs of the picture,
            made smaller, and of its faces.

        Raises:
            PictureError: If it cannot be taken.
        """
        check_picture(data, self.limits)
        return self._look(data, one_face or self.needs_one_face)

    def look_at_example(self, number: int) -> dict[str, Any]:
        """The same for an example, by its number from 0.

        Raises:
            PictureError: If there is no such example.
        """
        if not 0 <= number < len(self.examples):
            raise PictureError('There is no such example.')
        example = self.examples[number]
        return self._look(example.data, True, example.truth)

    def _look(self, data: bytes, one_face: bool, truth: dict | None = None) -> dict[str, Any]:
        with self._model:  # one at a time: memory stays bounded, and heads that draw samples are not disturbed
            if one_face:
                image = self._decode(data)
                faces = self.inferencer.predict([image], 'bgr')
                result = ImageResult('picture', image.shape[1], image.shape[0], tuple(faces))
            else:
                image, result = next(self.inferencer.stream_images(data))
        if image is None or result.error is not None:
            raise PictureError(DAMAGED)
        token = secrets.token_urlsafe(12)
        with self._kept:
            self.answers[token] = Answer(result, one_face, truth)
            while len(self.answers) > self.capacity:
                self.answers.popitem(last=False)
        return dict(token=token, picture=shown_picture(image), faces=thumbnails(image, result))

    def _decode(self, data: bytes) -> np.ndarray:
        try:
            return decode_image(data, 'the picture', self.limits.max_pixels)
        except ValueError:
            raise PictureError(DAMAGED) from None

    def judge(self, token: str, threshold: float) -> Answer | None:
        """The answer of this name, abstaining above a threshold in nats; None where it was dropped. No network runs."""
        with self._kept:
            answer = self.answers.get(token)
        if answer is None:
            return None
        faces = tuple(replace(face, abstain=face.uncertainty > threshold) for face in answer.result.faces)
        return replace(answer, result=replace(answer.result, faces=faces))
