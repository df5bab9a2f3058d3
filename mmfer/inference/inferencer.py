"""From a photo, a folder or a video to expressions with their uncertainty."""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.registry import DefaultScope

from mmfer.faces import Face, build_detector, whole_image
from mmfer.registry import TRANSFORMS
from mmfer.utils.views import check_views, make_views, merge_views

from .classifiers import Classifier, open_classifier
from .images import MAX_PIXELS, from_array
from .results import FaceResult, ImageResult, score_interval
from .sources import Source, has_camera, open_sources
from .tracks import FaceTracks
from .writers import check_output, open_writer

DEFAULT_CROP = dict(type='CropFace', margin=0.1)
HELD_BYTES = 256 * 2**20  # of images that wait for their answers
BLUE = 25  # so much more blue than red, of 255, a face is suspicious


class ExpressionInferencer:
    """Finds the faces of images and videos and says, for each, which expression it shows and how sure that is.

    Faces are cut out and prepared by the transforms of the test data of the model's config, the very objects that
    tests use, so a prepared face gives the same prediction here as in ``tools/test.py``.

    Images are BGR inside, as in training. Files and PIL images say what they are; of arrays, ``channels`` must be told,
    and a warning is given if the faces found in them are blue.

    Args:
        model: Config file or object, name of the model index (``mmfer.apis.list_models``), or an exported ``.onnx``
            file, which needs neither checkpoint nor mmpretrain.
        checkpoint: A checkpoint that mmfer trained or converted. None takes the newest of the training under this name,
            see ``mmfer.apis.get_model``, and of a config leaves random weights, with a warning.
        device: Such as ``'cpu'`` or ``'cuda:1'``; a GPU where there is one, by default.
        detector: ``'auto'`` (YuNet where its file is there, else Haar), ``'yunet'``, ``'haar'``, the path of YuNet's
            ``.onnx`` file, a config, or a callable from a uint8 BGR array (H, W, 3) to a list of ``mmfer.faces.Face``.
            None takes each image for one face that is cut out already, as the images of data sets are.
        crop: How faces are cut out: a transform's config, such as ``dict(type='CropFace', margin=0.1)`` or
            ``dict(type='AlignFace', size=224)``. ``'auto'`` takes what the tests of the model do: ``face_crop`` of its
            config, or ``CropFace`` or ``AlignFace`` in its pipeline; else a crop with a margin of 0.1.
        batch_size: Faces that go through the model together.
        threshold: Uncertainty in nats above which a face's ``abstain`` is True. ``'auto'`` takes that of the checkpoint
            (``tools/analysis/calibrate.py --coverage``), None never abstains.
        interval: Level of ``score_low`` and ``score_high``; None leaves them out.
        half_life: Frames of a video, of those that are looked at, after which what a face showed counts half, see
            :class:`FaceTracks`; 0 numbers the faces and pools nothing, None does not even number them.
        max_pixels: Larger image files are refused.
        tta: Test-time augmentation, as in ``tools/test.py --tta``: ``'flip'`` takes the mean over the face and its
            mirror image, ``'flip+shifts'`` over small shifts of both as well, at 2 and 10 times the cost; what views
            disagree in is epistemic, see :func:`mmfer.utils.views.merge_views`. None takes the face as it is.

    Attributes:
        classes: Names of the expressions, in the order of all scores.
        threshold: As above, None where nothing says one.

    Raises:
        FileNotFoundError: If a file of the model is not there.
        ValueError: If an argument is wrong; the message names it.

    Examples:
        ``ExpressionInferencer('configs/poster_var/raf.py', 'epoch_300.pth')('photo.jpg')[0].faces[0].label``
    """

    def __init__(
        self,
        model: Any,
        checkpoint: str | Path | None = None,
        device: Any = None,
        detector: Any = 'auto',
        crop: Mapping | str | None = 'auto',
        batch_size: int = 16,
        threshold: float | str | None = 'auto',
        interval: float | None = 0.9,
        half_life: float | None = 5.0,
        max_pixels: int = MAX_PIXELS,
        tta: str | None = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f'batch_size={batch_size!r}: a whole number from 1 on')
        if interval is not None and not 0 < interval < 1:
            raise ValueError(f'interval={interval}: a level between 0 and 1, or None')
        if isinstance(threshold, str) and threshold != 'auto':
            raise ValueError(f"threshold={threshold!r}: a number of nats, None or 'auto'")
        if threshold not in ('auto', None) and not math.isfinite(float(threshold)):
            raise ValueError(f"threshold={threshold!r}: a number of nats, None or 'auto'")
        self.tta = None if tta is None else check_views(tta)
        FaceTracks(half_life or 0)
        self.detector = None if detector is None else build_detector(detector)
        self.classifier: Classifier = open_classifier(model, checkpoint, device)
        self.classes = tuple(self.classifier.classes)
        self.batch_size, self.interval, self.half_life, self.max_pixels = batch_size, interval, half_life, max_pixels
        found = (self.classifier.abstention or {}).get('threshold')
        self.threshold = found if threshold == 'auto' else None if threshold is None else float(threshold)
        self._crop, self._steps = self._build_steps(crop)
        self._warned_of_blue = False

    def _build_steps(self, crop: Any) -> tuple[Any, list]:
        """The transform that cuts out a face, None without a detector; those from there to what the model sees."""
        with DefaultScope.overwrite_default_scope('mmfer'):
            steps = [TRANSFORMS.build(dict(step)) for step in self.classifier.pipeline]
            if self.detector is None:
                return None, steps
            if isinstance(crop, str) and crop == 'auto':
                crop = self.classifier.face_crop or DEFAULT_CROP
            if not isinstance(crop, Mapping):
                raise ValueError(
                    f"crop={crop!r}: a transform's config such as {DEFAULT_CROP}, or 'auto'; for images that are one "
                    'face each, pass detector=None'
                )
            return TRANSFORMS.build(dict(crop)), steps

    # ---- calling -----------------------------------------------------------------------------------------------------
    def __call__(
        self,
        inputs: Any,
        channels: str | None = None,
        stride: int = 1,
        max_frames: int | None = None,
        out: str | Path | None = None,
    ) -> list[ImageResult]:
        """Look at images, folders, videos or a camera.

        Args:
            inputs: A path of an image, a video or a folder; a NumPy or PIL image; the bytes of a file; the number of a
                camera; or a list of these.
            channels: Of NumPy images with channels: 'rgb', 'bgr', 'rgba' or 'bgra'. There is no default.
            stride: Of videos and cameras every so many frames.
            max_frames: Of each video and camera at most so many; must be told of a camera, which never ends.
            out: File for the results as well, ``.jsonl`` or ``.csv``.

        Returns:
            One result an image or frame, in order. A file that cannot be read has ``error`` and no faces.

        Raises:
            TypeError: If an input is no image at all.
            ValueError: If an array is none, or its ``channels`` are not told.
        """
        if has_camera(inputs) and max_frames is None:
            raise ValueError('a camera never ends: tell max_frames, or take its frames one by one from stream()')
        if out is None:
            return list(self.stream(inputs, channels, stride, max_frames))
        check_output(out)
        results = []
        with open_writer(out, self.classes) as writer:
            for result in self.stream(inputs, channels, stride, max_frames):
                writer.write(result)
                results.append(result)
        return results

    def stream(
        self, inputs: Any, channels: str | None = None, stride: int = 1, max_frames: int | None = None
    ) -> Iterator[ImageResult]:
        """As a call, but one result after the other: for long videos, large folders and cameras.

        Faces wait until a batch is full; from a camera each frame is answered at once.
        """
        for _, result in self.stream_images(inputs, channels, stride, max_frames, keep_images=False):
            yield result

    def stream_images(
        self,
        inputs: Any,
        channels: str | None = None,
        stride: int = 1,
        max_frames: int | None = None,
        keep_images: bool = True,
    ) -> Iterator[tuple[np.ndarray | None, ImageResult]]:
        """As :meth:`stream`, each result with its image: uint8 BGR (H, W, 3), upright, None where it was not read."""
        waiting: deque[tuple[Source, list[Face], tuple]] = deque()
        ready: list[np.ndarray] = []
        held = 0
        tracks: dict[str, FaceTracks] = {}
        for source in open_sources(inputs, channels, stride, self.max_pixels, max_frames):
            faces, cut = [], []
            if source.image is not None:
                try:
                    faces, cut = self._cut(source)
                except (ValueError, cv2.error, MemoryError) as error:
                    text = ' '.join(str(error).split()) or type(error).__name__
                    source.error = text if source.name in text else f'{source.name}: {text}'
            size = (0, 0) if source.image is None else source.image.shape[:2]
            if not keep_images:
                source.image = None
            waiting.append((source, faces, size))
            ready += cut
            held += 0 if source.image is None else source.image.nbytes
            is_full = len(ready) >= self.batch_size or len(waiting) >= 4 * self.batch_size or held > HELD_BYTES
            if is_full or not ready or source.is_live:
                yield from self._answer(waiting, ready, tracks)
                ready, held = [], 0
        yield from self._answer(waiting, ready, tracks)

    def predict(self, faces: Sequence[np.ndarray], channels: str | None = None) -> list[FaceResult]:
        """Predictions for arrays that are one face each, cut out already, as the images of data sets; no detection.

        Args:
            faces: uint8 or uint16 (H, W), (H, W, 3) or (H, W, 4).
            channels: 'rgb', 'bgr', 'rgba' or 'bgra', where they have channels. There is no default.

        Raises:
            ValueError: If one is no image, or its ``channels`` are not told.
        """
        images = [from_array(face, channels) for face in faces]
        fields = self._classify([self._prepare(image) for image in images])
        return [self._judge(self._face(whole_image(image)[0], values)) for image, values in zip(images, fields)]

    # ---- the way of a face -------------------------------------------------------------------------------------------
    def _cut(self, source: Source) -> tuple[list[Face], list[np.ndarray]]:
        image = source.image
        if self.detector is None:
            return whole_image(image), [self._prepare(image, name=source.name)]
        faces = list(self.detector(image))
        if source.is_told and faces:
            self._check_colours(image, faces[0])
        return faces, [self._prepare(image, face, source.name) for face in faces]

    def _check_colours(self, image: np.ndarray, face: Face) -> None:
        """Skin is redder than it is blue, whosever it is, unless the channels are mixed up or the light is blue."""
        x1, y1, x2, y2 = (int(value) for value in face.box)
        dx, dy = (x2 - x1) // 4, (y2 - y1) // 4
        middle = image[max(y1 + dy, 0) : max(y2 - dy, 0), max(x1 + dx, 0) : max(x2 - dx, 0)]
        if self._warned_of_blue or not middle.size:
            return
        blue, _, red = middle.reshape(-1, 3).mean(0)
        if blue > red + BLUE:
            self._warned_of_blue = True
            warnings.warn(
                f'a face is {blue - red:.0f} of 255 more blue than red: is channels= the order of the array (OpenCV '
                "reads 'bgr', most other libraries 'rgb')?",
                stacklevel=2,
            )

    def _prepare(self, image: np.ndarray, face: Face | None = None, name: str = 'image') -> np.ndarray:
        """What the model sees of a face, or of an image that is one: uint8 BGR (3, H, W)."""
        sample = dict(img=image, img_path=name, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        if face is not None:
            sample = self._crop(dict(sample, face_box=face.box, face_landmarks=face.landmarks))
        for step in self._steps:
            sample = step(sample)
        return np.ascontiguousarray(sample['img'].transpose(2, 0, 1))

    def _classify(self, cut: Sequence[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, len(cut), self.batch_size):
            faces = cut[start : start + self.batch_size]
            if len({face.shape for face in faces}) > 1:
                raise ValueError(
                    f'{self.classifier.source}: the test pipeline gives images of no fixed size: end it with '
                    'dict(type=ImageResize, size=(H, W)), at the size of the training'
                )
            batch = np.stack(faces)
            outputs = self._predict(batch)
            for i in range(len(batch)):
                yield {name: values[i] for name, values in outputs.items()}

    def _predict(self, batch: np.ndarray) -> Mapping[str, np.ndarray]:
        if self.tta is None:
            return self.classifier(batch)
        return merge_views([self.classifier(view) for view in make_views(batch, self.tta)])

    def _answer(self, waiting: deque, ready: Sequence[np.ndarray], tracks: dict) -> Iterator[tuple]:
        fields = self._classify(ready)
        while waiting:
            source, faces, (height, width) = waiting.popleft()
            results = tuple(self._face(face, next(fields)) for face in faces)
            if source.frame is not None and self.half_life is not None:
                if source.frame == 0 or source.name not in tracks:
                    tracks.clear()  # another video
                    tracks[source.name] = FaceTracks(self.half_life)
                results = tracks[source.name].update(results)
            if source.error is not None:
                width = height = 0
            judged = tuple(map(self._judge, results))
            result = ImageResult(source.name, width, height, judged, source.error, source.frame, source.time)
            yield source.image, result

    def _face(self, face: Face, fields: Mapping[str, np.ndarray]) -> FaceResult:
        values = {name: fields.get(f'pred_{name}') for name in ('mean', 'std')}
        parts = {name: float(fields[name]) for name in ('uncertainty', 'aleatoric', 'epistemic') if name in fields}
        scores = fields['pred_score']
        if not np.isfinite(scores).all():
            raise ValueError(f'{self.classifier.source} answers {scores.tolist()}, which are no probabilities')
        return FaceResult(
            box=tuple(float(value) for value in face.box),
            classes=self.classes,
            label=self.classes[int(scores.argmax())],
            scores=scores,
            detection_score=None if face.score is None else float(face.score),
            landmarks=face.landmarks,
            **values,
            **parts,
        )

    def _judge(self, face: FaceResult) -> FaceResult:
        """``face`` with the interval of its scores, and whether to abstain."""
        changes: dict[str, Any] = dict(abstain=self.threshold is not None and face.uncertainty > self.threshold)
        if self.interval is not None and face.mean is not None and face.std is not None:
            weight, bias = self.classifier.calibration or (None, None)
            low, high = score_interval(face.mean, face.std, self.interval, weight, bias)
            changes.update(score_low=low, score_high=high)
        return replace(face, **changes)
