"""Putting samples together, where they are loaded: a worker sends a batch in one piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch import Tensor


@FUNCTIONS.register_module()
def stack_images(samples: Sequence[dict]) -> dict:
    """Batch of samples of ``PackInputs`` with their images in one tensor; the same batch as MMEngine's pseudo_collate.

    From a worker every tensor comes as a file of shared memory, with images and labels apart two or more a sample. Here
    it is one a batch: labels travel as arrays and become tensors again on arrival. ``FERDataPreprocessor`` and those of
    mmpretrain take both kinds of batch.

    Args:
        samples: B dicts with ``inputs``, uint8 (3, H, W), and ``data_samples``.

    Returns:
        dict: ``inputs``, uint8 (B, 3, H, W), or the list of B tensors where they differ in size; ``data_samples``, the
        list of B samples. What pseudo_collate makes of them where the samples are anything else: of V views of each
        image (``TestTimeAug``) V lists of B.
    """
    first = samples[0]
    if not isinstance(first, dict) or set(first) != {'inputs', 'data_samples'}:
        return pseudo_collate(samples)
    images, data_samples = ([sample[name] for sample in samples] for name in ('inputs', 'data_samples'))
    nested = any(isinstance(sample, (list, tuple, Mapping)) for sample in data_samples)
    if nested or not all(isinstance(image, Tensor) for image in images):
        return pseudo_collate(samples)
    if all(image.shape == images[0].shape for image in images):
        images = torch.stack(images)
    return dict(inputs=images, data_samples=_Samples(data_samples))


class _Samples(list):
    """A list of samples that is sent to another process without a file for each of its tensors."""

    def __reduce__(self) -> tuple:
        from mmpretrain.structures import DataSample  # here: inference by an exported model works without mmpretrain

        if not all(type(sample) is DataSample for sample in self):
            return list, (list(self),)
        return _rebuilt, ([(sample.metainfo, dict(map(_sent, sample.items()))) for sample in self],)


def _sent(item: tuple) -> tuple:
    name, value = item
    plain = isinstance(value, Tensor) and value.device.type == 'cpu' and value.dtype != torch.bfloat16
    return name, (value.detach().numpy() if plain else value, plain)


def _rebuilt(parts: list) -> list:
    from mmpretrain.structures import DataSample

    samples = []
    for metainfo, fields in parts:
        sample = DataSample()
        for name, value in metainfo.items():
            sample.set_field(value, name, field_type='metainfo')
        for name, (value, plain) in fields.items():
            sample.set_field(torch.from_numpy(value) if plain else value, name)
        samples.append(sample)
    return samples
