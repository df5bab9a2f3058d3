"""Runs an exported ONNX file, with NumPy and onnxruntime alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmfer.structures.label_sets import check_sets

KEY = 'mmfer'  # of the description among an ONNX file's metadata
CUDA = 'CUDAExecutionProvider'
BATCH = 'batch'  # name of the size that varies
FIELDS = dict(probs='pred_score', mean='pred_mean', std='pred_std')  # other outputs have the names of their fields
REMEDY = 'expected a file written by mmfer export CONFIG CHECKPOINT FILE.onnx'


class OnnxClassifier:
    """A model that ``mmfer export`` wrote, run by onnxruntime.

    It can be pickled and copied; the copy loads the file again.

    Legend: B images, K classes, H and W the size that the model takes.

    Args:
        path: The ONNX file.
        threads: Threads that an operation is divided over; None leaves it to onnxruntime, which takes the cores.
        batch: How many images every call will have, where that is known: onnxruntime then finds the shapes of all maps
            once, not in each call.
        gpu: Number of the NVIDIA GPU that runs it; None is the CPU.

    Attributes:
        classes: Names of the K expressions, in label order.
        pipeline: Of :class:`mmfer.inference.inferencer.Classifier`, as ``face_crop``, ``calibration``, ``abstention``,
            ``sets``, ``votes``.
        metadata: All that the file says of itself, see :func:`mmfer.inference.export.describe.describe`.
        size: (H, W).
        source: The path.

    Raises:
        ImportError: If onnxruntime is not installed.
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, or no model of mmfer, or onnxruntime cannot use the GPU.

    Examples:
        >>> model = OnnxClassifier('poster_var.onnx')  # doctest: +SKIP
        >>> model(faces)['pred_score']  # doctest: +SKIP
    """

    def __init__(
        self, path: str | Path, threads: int | None = None, batch: int | None = None, gpu: int | None = None
    ) -> None:
        import onnxruntime

        for name, value in dict(threads=threads, batch=batch).items():
            if value is not None and value < 1:
                raise ValueError(f'{name}={value}: 1 or more, or None')
        if not Path(path).is_file():
            raise FileNotFoundError(f'no such file: {path} ({REMEDY})')
        self.source, self._arguments = str(path), (Path(path).resolve(), threads, batch, gpu)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised, too
        if threads is not None:
            options.intra_op_num_threads = threads
        if batch is not None:
            options.add_free_dimension_override_by_name(BATCH, batch)
        providers: list = ['CPUExecutionProvider']
        if gpu is not None and can_use_gpu():
            providers.insert(0, (CUDA, dict(device_id=str(gpu))))
        try:
            self.session = onnxruntime.InferenceSession(str(path), options, providers)
            content = self.session.get_modelmeta().custom_metadata_map.get(KEY)
        except Exception as error:  # of onnxruntime's own kinds, which have no common base
            raise ValueError(
                f'{path} is no ONNX model that onnxruntime can load: {first_line(error)}; {REMEDY}'
            ) from None
        if gpu is not None and CUDA not in self.session.get_providers():
            raise ValueError(f'{path} cannot run on GPU {gpu}: onnxruntime lacks CUDA. pip install onnxruntime-gpu')
        if content is None:
            raise ValueError(f'{path} is an ONNX model, but none of mmfer: it has no description; {REMEDY}')
        try:
            self._read(json.loads(content))
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f'{path}: its description is damaged ({first_line(error)}); {REMEDY}') from None

    def __reduce__(self) -> tuple:
        return type(self), self._arguments

    def _read(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata
        self.classes = tuple(map(str, metadata['classes']))
        self.pipeline = list(metadata['pipeline'])
        self.face_crop: Mapping | None = metadata['face_crop']
        check_steps([*self.pipeline, *([self.face_crop] if self.face_crop else [])])
        self.abstention = metadata['abstention']
        if self.abstention is not None and not math.isfinite(self.abstention['threshold']):
            raise ValueError('the threshold of abstention is not finite')
        self.votes = metadata.get('votes') is True
        self.sets = check_sets(metadata.get('sets'), len(self.classes))
        self.calibration = metadata['calibration']
        if self.calibration is not None:
            self.calibration = tuple(np.array(self.calibration[name], np.float32) for name in ('weight', 'bias'))
        taken = metadata['input']
        self.size = tuple(map(int, taken['size']))
        self._flip = {'RGB': True, 'BGR': False}[taken['channel_order']]
        self._mean, self._std = (np.array(taken[name], np.float32).reshape(3, 1, 1) for name in ('mean', 'std'))
        if not (np.isfinite(self._mean).all() and np.isfinite(self._std).all() and (self._std > 0).all()):
            raise ValueError('mean or std are no numbers to normalise with')
        (images,) = self.session.get_inputs()
        self.outputs = [output.name for output in self.session.get_outputs()]
        classes = self.session.get_outputs()[self.outputs.index('probs')].shape[1]
        right = list(images.shape[1:]) == [3, *self.size] and images.type == 'tensor(float)'
        if not right or 'uncertainty' not in self.outputs:
            raise ValueError(f'the model takes {images.type} {images.shape}')
        if isinstance(classes, int) and classes != len(self.classes):
            raise ValueError(f'{len(self.classes)} names for {classes} classes')
        self._images = images.name

    def normalise(self, images: np.ndarray) -> np.ndarray:
        """uint8 BGR images (B, 3, H, W) as float32 that the network takes; equal to ``FERDataPreprocessor``'s.

        Raises:
            TypeError: If they are no uint8 array.
            ValueError: If they have another shape.
        """
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            kind = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
            raise TypeError(f'images must be a NumPy array of uint8, 0..255, in BGR order, not {kind}')
        batch, shape = self._arguments[2], (3, *self.size)
        if images.ndim != 4 or images.shape[1:] != shape or not len(images) or batch not in (None, len(images)):
            raise ValueError(f'images must be ({batch or "B"}, 3, {self.size[0]}, {self.size[1]}), not {images.shape}')
        return normalise(images, self._mean, self._std, self._flip)

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Predictions for uint8 BGR images ``(B, 3, H, W)``, as ``PackInputs`` makes them.

        Returns:
            ``pred_score`` (B, K) and ``uncertainty`` (B,) in nats; where the head has them ``pred_mean`` and
            ``pred_std`` (B, K) of the latent logits, ``aleatoric`` and ``epistemic`` (B,), and what else it has.
        """
        return {FIELDS.get(name, name): value for name, value in self.run(self.normalise(images)).items()}

    def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs, by the names that the file gives them, for normalised images: float32 (B, 3, H, W)."""
        found = self.session.run(self.outputs, {self._images: np.ascontiguousarray(images)})
        return dict(zip(self.outputs, found))

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.source!r}: {len(self.classes)} classes, {self.size[0]}x{self.size[1]})'


def can_use_gpu() -> bool:
    """Whether the installed onnxruntime can use NVIDIA GPUs."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def gpu_number(device: Any) -> int | None:
    """Number of the GPU of a device name of PyTorch; None for other devices.

    >>> gpu_number('cuda:1'), gpu_number('cuda'), gpu_number('cpu'), gpu_number(None)
    (1, 0, None, None)
    """
    kind, _, number = str(device).partition(':')
    return int(number or 0) if kind == 'cuda' and (number.isdigit() or not number) else None


def normalise(images: np.ndarray, mean: np.ndarray, std: np.ndarray, flip: bool) -> np.ndarray:
    """uint8 images (B, 3, H, W) as float32 less ``mean``, over ``std`` (3, 1, 1), with channels turned round first."""
    batch = np.subtract(images[:, ::-1] if flip else images, mean, dtype=np.float32)
    return np.divide(batch, std, out=batch)


def check_steps(settings: Any) -> None:
    """Look that every ``type`` in settings of a file is a plain name: a dotted one would import what it names.

    Raises:
        ValueError: If one is not.
    """
    if isinstance(settings, Mapping):
        name = settings.get('type')
        if 'type' in settings and not (isinstance(name, str) and re.fullmatch(r'[A-Za-z_]\w*', name)):
            raise ValueError(f'{name!r} is no name of a transform')
        settings = settings.values()
    elif not isinstance(settings, (list, tuple)):
        return
    for value in settings:
        check_steps(value)


def first_line(error: Exception) -> str:
    """The kind of an error and the begin of its text."""
    lines = str(error).strip().splitlines()
    return f'{type(error).__name__}: {lines[0][:200]}' if lines else type(error).__name__
