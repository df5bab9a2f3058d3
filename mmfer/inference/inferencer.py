"""From a photo, a folder or a video to expressions with their uncertainty.

What only some inputs and options need is imported where it is used, so that a photo gets its answer soon.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mmfer.faces.detectors import build_detector, whole_image
from mmfer.faces.following import FaceFollower, check_speed
from mmfer.structures.label_sets import name_set
from mmfer.structures.results import Face, FaceResult, ImageResult, Results
from mmfer.utils.images import MAX_PIXELS, from_array
from mmfer.utils.threads import limit_threads
from mmfer.weights import DEFAULT, shipped_file

from .bounds import find_bounds
from .onnx import OnnxClassifier, can_use_gpu, gpu_number
from .sources import DEFAULT_CROP, FAILURES, NetworkView, Source, blueness, find_faces, has_camera, open_sources
from .tracks import People

HELD_BYTES = 256 * 2**20  # of images that wait for their answers
BLUE = 25  # so much more blue than red, of 255, a face is suspicious
WEIGHTS = ('.pth', '.pt', '.tar', '.safetensors')


class Classifier(Protocol):
    """The interface of a model that the inferencer can use.

    Attributes:
        classes: Names of the K expressions, in label order.
        pipeline: Transforms between the loaded face and the batch, as configs have them.
        face_crop: How faces are cropped from photos, as a transform's config; None if the model does not say.
        calibration: Weight and bias, (K,) each, of the calibrated probabilities; None if they are not calibrated.
        abstention: ``meta['abstention']`` of the checkpoint: ``threshold`` (nats) and how it was found; or None.
        sets: ``meta['sets']`` of the checkpoint: ``method`` and ``threshold`` of prediction sets; or None.
        votes: Whether the Gaussian was fitted to annotator votes. Then bounds are shares of people.
        source: Name of the model's file, for messages.
    """

    classes: tuple[str, ...]
    pipeline: list
    face_crop: Mapping | None
    calibration: tuple[np.ndarray, ...] | None
    abstention: Mapping | None
    sets: Mapping | None
    votes: bool
    source: str

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predictions for uint8 BGR images ``(B, 3, H, W)``: those of ``FIELDS`` that the head has."""


def open_classifier(
    model: Any, checkpoint: str | Path | None = None, device: Any = None, threads: int | None = None
) -> Classifier:
    """Open the model of an ONNX file, of a config with a checkpoint, or of a name in the index; None is ``DEFAULT``.

    The arguments are those of :class:`ExpressionInferencer`. A :class:`Classifier` is returned unchanged.
    """
    if callable(model) and hasattr(model, 'classes'):
        return model
    if model is None and checkpoint is not None:
        raise ValueError(f'checkpoint={checkpoint} without a model. Give its config first.')
    gpu = gpu_number(device)
    if checkpoint is None and (model is None or str(model) == DEFAULT):
        runs_here = device in (None, 'cpu') or (gpu is not None and can_use_gpu())
        # PyTorch runs the shipped weights, too, and not those of the user's own training of that config.
        model, checkpoint = (shipped_file(DEFAULT, '.onnx'), None) if runs_here else (DEFAULT, DEFAULT)
    if not isinstance(model, (str, Path)):
        return _open_torch(model, checkpoint, device)
    suffix = Path(model).suffix.lower()
    if suffix == '.onnx':
        if checkpoint is not None or (gpu is None and device not in (None, 'cpu')):
            more = f'checkpoint={checkpoint}' if checkpoint is not None else f'device={device}'
            raise ValueError(f'{model} holds its weights and runs on the CPU or on cuda: no {more} beside it')
        return OnnxClassifier(model, threads, gpu=gpu)
    if suffix in WEIGHTS:
        raise ValueError(f'{model} is a checkpoint: give its config first, then the checkpoint')
    if suffix != '.py' and '/' not in str(model):
        from mmfer.utils.model_index import model_info

        info = model_info(str(model))
        if checkpoint is None:
            from mmfer.utils.optional import require_training

            require_training(f'{model} is run by PyTorch')
            from mmfer.models.build import find_weights

            checkpoint = find_weights(info)
        model = info['config']
    return _open_torch(model, checkpoint, device)


def _open_torch(config: Any, checkpoint: str | Path | None, device: Any) -> Classifier:
    from mmfer.utils.optional import require_training

    require_training(f'{getattr(config, "filename", config)} is run by PyTorch')
    from .torch_classifier import TorchClassifier

    return TorchClassifier(config, checkpoint, device)


class ExpressionInferencer:
    """Finds the faces in images and videos, and predicts the expression of each with its uncertainty.

    Faces are cropped and prepared by the transforms of the model's test data, so the same face gives the same
    prediction here as in ``mmfer test``. Files and PIL images define the order of their channels. For arrays,
    ``channels`` must be given; if the faces in them look blue, a warning says so.

    Args:
        model: Config file or object, name of the model index (``mmfer.list_models``), or an exported ``.onnx``
            file, which needs neither checkpoint nor PyTorch. None takes the shipped model.
        checkpoint: A checkpoint that mmfer trained or converted. For a name of the index, None takes the newest
            checkpoint of its training, see ``mmfer.get_model``. For a config, None leaves random weights, with a
            warning.
        device: Such as ``'cpu'`` or ``'cuda:1'``; by default a GPU if there is one.
        detector: What :func:`mmfer.faces.detectors.build_detector` takes, such as ``'yunet'``, ``'haar'`` or a callable
            from a uint8 BGR array (H, W, 3) to a list of ``Face``. None means that each image is one cropped face.
        crop: How faces are cropped: a transform's config, such as ``dict(type='AlignFace', size=224)``. ``'auto'``
            crops as the tests of the model do, or else with a margin of 0.1.
        batch_size: Number of faces in a batch.
        threshold: Uncertainty in nats above which a face's ``abstain`` is True. ``'auto'`` takes that of the checkpoint
            (``mmfer calibrate --coverage``), None never abstains.
        interval: Level of ``score_low`` and ``score_high``, see :class:`~mmfer.structures.results.FaceResult`; None
            leaves them out.
        half_life: Of the pooling over the frames of a video, in frames, see
            :class:`mmfer.inference.tracks.FaceTracks`. 0 tracks the faces without pooling, and None does not track
            them.
        max_pixels: Larger image files are refused.
        tta: Test-time augmentation: ``'flip'`` averages over the face and its mirror image, ``'flip+shifts'`` over
            small shifts of both as well, at 2 and 10 times the cost, see :func:`mmfer.utils.views.merge_views`.
        speed: How faces are searched in videos: 'accurate', 'balanced' or 'fast', see
            :class:`mmfer.faces.following.FaceFollower`.
        threads: Threads of the model and of OpenCV in this process, 1 or more; None leaves it to these libraries.
        allow_network: Open addresses of streams and videos, such as ``rtsp://``.

    Attributes:
        classes: Names of the expressions, in the order of all scores.
        threshold: As above; None if there is no threshold.

    Raises:
        FileNotFoundError: If a file of the model is not there.
        ValueError: If an argument is wrong; the message names it.

    Examples:
        ``ExpressionInferencer()('photo.jpg')[0].faces[0].label``
    """

    def __init__(
        self,
        model: Any = None,
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
        speed: str = 'balanced',
        threads: int | None = None,
        allow_network: bool = False,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f'batch_size={batch_size!r}: a whole number from 1 on')
        if interval is not None and not 0 < interval < 1:
            raise ValueError(f'interval={interval}: a level between 0 and 1, or None')
        if threshold not in ('auto', None) and (isinstance(threshold, str) or not 0 <= threshold < math.inf):
            raise ValueError(f"threshold={threshold!r}: a number of nats from 0 on, None or 'auto'")
        if half_life is not None and not half_life >= 0:
            raise ValueError(f'half_life={half_life}: a number of frames from 0 on, or None')
        if tta is not None:
            from mmfer.utils.views import check_views

            check_views(tta)
        self.detector = None if detector is None else build_detector(detector)
        self.classifier: Classifier = open_classifier(model, checkpoint, device, threads)
        limit_threads(threads)
        self.speed, self.allow_network = check_speed(speed), allow_network
        self.classes, self.tta = tuple(self.classifier.classes), tta
        self.batch_size, self.interval, self.half_life, self.max_pixels = batch_size, interval, half_life, max_pixels
        found = (self.classifier.abstention or {}).get('threshold')
        self.threshold = found if threshold == 'auto' else None if threshold is None else float(threshold)
        if self.detector is None:
            crop = None
        elif isinstance(crop, str) and crop == 'auto':
            crop = self.classifier.face_crop
        elif not isinstance(crop, Mapping):
            raise ValueError(
                f"crop={crop!r}: a transform's config such as {DEFAULT_CROP}, or 'auto'; for images that are one face "
                'each, pass detector=None'
            )
        self._view = NetworkView(self.classifier.pipeline, crop)
        self._warned_of_blue = False

    def __repr__(self) -> str:
        threshold = None if self.threshold is None else f'{self.threshold:.3g} nats'
        model, classes = self.classifier.source, ', '.join(self.classes)
        fields = dict(model=model, classes=classes, detector=self.detector, threshold=threshold)
        return '\n'.join(['ExpressionInferencer', *(f'  {name}: {value}' for name, value in fields.items())])

    def __call__(
        self,
        inputs: Any,
        channels: str | None = None,
        stride: int = 1,
        max_frames: int | None = None,
        out: str | Path | None = None,
    ) -> Results:
        """Predict the expressions in images, folders, videos or from a camera.

        Args:
            inputs: See :func:`mmfer.inference.sources.open_sources`.
            channels: Order of the channels of NumPy images: 'rgb', 'bgr', 'rgba' or 'bgra'. There is no default.
            stride: Of videos and cameras, use every ``stride``-th frame.
            max_frames: Largest number of frames of each video and camera; required for a camera, which never ends.
            out: Also write the results to this file: ``.jsonl``, ``.csv`` or ``.parquet``.

        Returns:
            One result for each image or frame, in order. A file that cannot be read has ``error`` and no faces.

        Raises:
            TypeError: If an input is not an image.
            ValueError: If an array is not an image, or its ``channels`` are not given.
        """
        if has_camera(inputs) and max_frames is None:
            raise ValueError('a camera never ends: tell max_frames, or take its frames one by one from stream()')
        results = self.stream(inputs, channels, stride, max_frames)
        if out is None:
            return Results(results)
        from .writers import open_writer

        found = Results()
        with open_writer(out, self.classes) as writer:
            for result in results:
                writer.write(result)
                found.append(result)
        return found

    def stream(
        self, inputs: Any, channels: str | None = None, stride: int = 1, max_frames: int | None = None
    ) -> Iterator[ImageResult]:
        """Like a call, but yields one result after the other: for long videos, large folders and cameras.

        Faces wait until a batch is full. Frames of a camera do not wait.
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
        """Like :meth:`stream`, but yields each image with its result: uint8 BGR (H, W, 3), upright; None if unread."""
        waiting: deque[tuple[Source, list[Face], tuple]] = deque()
        ready: list[np.ndarray] = []
        held, people = 0, People()
        follow = FaceFollower(self.detector or whole_image, 'accurate' if self.half_life is None else self.speed)
        sources = open_sources(inputs, channels, stride, self.max_pixels, max_frames, self.allow_network)
        for source, faces in find_faces(sources, follow):
            cut: list[np.ndarray] = []
            try:
                cut = self._cut(source, faces)
            except FAILURES as error:
                faces = source.refuse(error)
            size = (0, 0) if source.image is None else source.image.shape[:2]
            if not keep_images:
                source.image = None
            waiting.append((source, faces, size))
            ready += cut
            held += 0 if source.image is None else source.image.nbytes
            is_full = len(ready) >= self.batch_size or len(waiting) >= 4 * self.batch_size or held > HELD_BYTES
            if is_full or not ready or source.is_live:
                yield from self._answer(waiting, ready, people)
                ready, held = [], 0
        yield from self._answer(waiting, ready, people)

    def predict(self, faces: Sequence[np.ndarray], channels: str | None = None) -> list[FaceResult]:
        """Predictions for a list of cropped faces: arrays of uint8 or uint16, (H, W) or (H, W, 3 or 4).

        Raises:
            TypeError: If ``faces`` is a single array or a path, not a list of arrays.
            ValueError: If an array is not an image, or its ``channels`` are not given.
        """
        if isinstance(faces, (np.ndarray, str, Path)) or not all(isinstance(face, np.ndarray) for face in faces):
            raise TypeError(
                'predict takes a list of arrays. Put one array into a list; for files and photos call the inferencer.'
            )
        images = [from_array(face, channels) for face in faces]
        fields = self._classify([self._view(image) for image in images])
        return [self._judge(self._face(whole_image(image)[0], values)) for image, values in zip(images, fields)]

    def _cut(self, source: Source, faces: Sequence[Face]) -> list[np.ndarray]:
        image: Any = source.image
        if self.detector is None:
            return [self._view(image, name=source.name)] if faces else []
        if source.is_told and faces:
            self._check_colours(image, faces[0])
        return [self._view(image, face, source.name) for face in faces if not face.is_repeated]

    def _check_colours(self, image: np.ndarray, face: Face) -> None:
        more = 0.0 if self._warned_of_blue else blueness(image, face)
        if more > BLUE:
            self._warned_of_blue = True
            warnings.warn(
                f'a face is {more:.0f} of 255 more blue than red: is channels= the order of the array (OpenCV '
                "reads 'bgr', most other libraries 'rgb')?",
                stacklevel=2,
            )

    def _classify(self, cut: Sequence[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, len(cut), self.batch_size):
            faces = cut[start : start + self.batch_size]
            if len({face.shape for face in faces}) > 1:
                raise ValueError(
                    f'{self.classifier.source}: the test pipeline gives images of no fixed size: end it with '
                    'dict(type=ImageResize, size=(H, W)), at the size of the training'
                )
            batch = np.stack([face.transpose(2, 0, 1) for face in faces])
            if self.tta is None:
                outputs = self.classifier(batch)
            else:
                from mmfer.utils.views import make_views, merge_views

                outputs = merge_views([self.classifier(view) for view in make_views(batch, self.tta)])
            for i in range(len(batch)):
                yield {name: values[i] for name, values in outputs.items()}

    def _answer(self, waiting: deque, ready: Sequence[np.ndarray], people: People) -> Iterator[tuple]:
        fields = self._classify(ready)
        while waiting:
            source, faces, (height, width) = waiting.popleft()
            faces = [face for face in faces if not face.is_repeated or face.person in people.last]
            fresh = tuple(self._face(face, next(fields)) for face in faces if not face.is_repeated)
            if source.frame is not None and self.half_life is not None:
                fresh = people.update(fresh, source.name, source.frame, self.half_life)
            answers = iter(map(self._judge, fresh))
            judged = tuple(people.repeat(face) if face.is_repeated else next(answers) for face in faces)
            people.last = {face.track: face for face in judged}
            width, height = (0, 0) if source.error is not None else (width, height)
            result = ImageResult(source.name, width, height, judged, source.error, source.frame, source.time)
            yield source.image, result

    def _face(self, face: Face, fields: Mapping[str, np.ndarray]) -> FaceResult:
        known = [name for name in ('uncertainty', 'aleatoric', 'epistemic') if name in fields]
        parts: dict[str, Any] = {name: float(fields[name]) for name in known}
        scores = fields['pred_score']
        if not np.isfinite(scores).all():
            raise ValueError(f'{self.classifier.source} answers {scores.tolist()}, which are no probabilities')
        x1, y1, x2, y2 = map(float, face.box)
        return FaceResult(
            box=(x1, y1, x2, y2),
            classes=self.classes,
            label=self.classes[int(scores.argmax())],
            scores=scores,
            detection_score=None if face.score is None else float(face.score),
            landmarks=face.landmarks,
            track=face.person,
            mean=fields.get('pred_mean'),
            std=fields.get('pred_std'),
            factor=fields.get('pred_factor'),
            **parts,
        )

    def _judge(self, face: FaceResult) -> FaceResult:
        """``face`` with the interval of its scores, its set, and whether to abstain."""
        changes: dict[str, Any] = dict(abstain=self.threshold is not None and face.uncertainty > self.threshold)
        if self.classifier.sets is not None:
            changes.update(label_set=name_set(face.scores, self.classes, self.classifier.sets))
        if self.interval is not None:
            changes.update(find_bounds(self.classifier, face, self.interval))
        return replace(face, **changes)
