"""A copy of a classifier for inference alone: the same outputs in less time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from .fast_blocks import fast_blocks
from .folding import fold_batch_norms, fold_shifts
from .packed import can_pack

# On a CPU so many pixels go through the network at a time: eight images of 224x224. More gains little and takes memory.
PIXELS = 8 * 224 * 224


class OptimizedClassifier(BaseModel):
    """A trained classifier that only predicts, with the outputs of the original to about 1e-6 of their scale.

    - Batch normalisation is folded into the layers before it, layer scales into linear layers, and what does not depend
      on the image is computed once (:mod:`mmfer.deploy.folding`, :mod:`mmfer.deploy.fast_blocks`).
    - Maps are in channels-last, and nothing is recorded for gradients.
    - On a CPU weights lie in the order of its kernels (:mod:`mmfer.deploy.packed`), activations and shortcuts are part
      of the convolutions, and large batches go through the network in pieces. It computes in float32, autocast or not.
      On other devices autocast acts as usual.

    It is called like the original, ``model(images, mode='tensor')`` or ``mode='predict'``, and has its head,
    ``classes`` and ``abstention``. It stays on its device, and there are no parameters to train or to save.

    Args:
        model: A classifier with ``backbone``, ``neck`` (or None) and ``head``; it is copied, not changed.

    Raises:
        TypeError: If the model has no such parts.
    """

    def __init__(self, model: nn.Module) -> None:
        missing = [name for name in ('backbone', 'head', 'data_preprocessor') if getattr(model, name, None) is None]
        if missing:
            raise TypeError(f'{type(model).__name__} cannot be optimized: it has no {", ".join(missing)}')
        super().__init__(data_preprocessor=copy.deepcopy(model.data_preprocessor))
        device = next(model.parameters()).device
        self.on_cpu = device.type == 'cpu'
        floats = {p.dtype for p in model.parameters()} == {torch.float32}
        packed = self.on_cpu and floats and can_pack()
        parts = copy.deepcopy(nn.ModuleList([model.backbone, getattr(model, 'neck', None) or nn.Identity()]))
        parts.eval().requires_grad_(False)
        fold_batch_norms(parts)
        fold_shifts(parts)
        self.backbone, self.neck = (fast_blocks(part, packed) for part in parts)
        self.head = copy.deepcopy(model.head)
        self.classes, self.abstention = getattr(model, 'classes', None), getattr(model, 'abstention', None)
        self.to(memory_format=torch.channels_last)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> OptimizedClassifier:
        """
        Raises:
            RuntimeError: With ``mode=True``; it cannot be trained.
        """
        if mode:
            raise RuntimeError('an optimized model only predicts: train the one that init_model() gives by default')
        return super().train(False)

    @torch.inference_mode()
    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """What the neck gives, for normalised images (B, 3, H, W)."""
        if not self.on_cpu:
            return self._features(inputs.contiguous(memory_format=torch.channels_last))
        size = max(1, PIXELS // (inputs.shape[2] * inputs.shape[3]))
        with torch.autocast('cpu', enabled=False):
            pieces = [self._features(piece) for piece in inputs.float().split(size)]
        return pieces[0] if len(pieces) == 1 else tuple(map(torch.cat, zip(*pieces)))

    def _features(self, inputs: Tensor) -> tuple[Tensor, ...]:
        feats = self.neck(self.backbone(inputs))
        return feats if isinstance(feats, tuple) else (feats,)

    @torch.inference_mode()
    def forward(self, inputs: Tensor, data_samples: Sequence | None = None, mode: str = 'tensor') -> Any:
        """Logits (B, K) with ``mode='tensor'``, one DataSample an image with ``mode='predict'``.

        Raises:
            ValueError: If ``mode`` is another.
        """
        feats = self.extract_feat(inputs)
        if mode == 'tensor':
            return self.head(feats)
        if mode == 'predict':
            return self.head.predict(feats, data_samples)
        raise ValueError(f"mode={mode!r}: an optimized model knows 'tensor' and 'predict'")
