from __future__ import annotations

from collections.abc import Sequence

import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmfer.registry import MODELS

from .data_preprocessor import FERDataPreprocessor


@MODELS.register_module()
class TwoViewPreprocessor(FERDataPreprocessor):
    """FERDataPreprocessor that, while training, adds to each image a second view of it: by default the flipped image.

    Batches of B images become 2 B: all images, then all second views in the same order. So do their samples, of which
    the second ones carry ``view=1`` as meta information. A head that compares views splits the batch; any other just
    trains on twice as many images. Nothing changes at test.

    Where the pipeline ends with ``TwoViews``, the second view is the one made there. EAC's authors flip the erased
    image, but erase both views independently in their experiments with noisy labels.

    Args:
        See :class:`FERDataPreprocessor`. ``batch_augments`` are applied before the image is flipped.
    """

    def forward(self, data: dict, training: bool = False) -> dict:
        """Normalise and add the second views.

        Args:
            data: ``inputs``, B images (3, H, W) or, from ``TwoViews``, pairs (2, 3, H, W); ``data_samples``, B or None.
            training: Whether to add them.

        Returns:
            dict: ``inputs``, float32 (2 B, 3, H, W), and ``data_samples``, 2 B or None.

        Raises:
            ValueError: If ``batch_augments`` meet pairs, whose views cannot be mixed alike.
        """
        if not training:
            return super().forward(data, training)
        images = data['inputs']
        if isinstance(images[0], Tensor) and images[0].ndim == 4:
            if self.batch_augments is not None:
                raise ValueError('batch_augments cannot mix the views that TwoViews makes: use one of both')
            first = super().forward(dict(data, inputs=[pair[0] for pair in images]), training)
            second = self.normalise([pair[1] for pair in images])
        else:
            first = super().forward(data, training)
            second = first['inputs'].flip(-1)
        samples = first.get('data_samples')
        if samples is not None:
            samples = [*samples, *second_views(samples)]
        return dict(first, inputs=torch.cat([first['inputs'], second]), data_samples=samples)


def second_views(samples: Sequence[DataSample]) -> list[DataSample]:
    """Copies of ``samples``, marked as second views; labels are shared."""
    copies = [sample.new() for sample in samples]
    for copy in copies:
        copy.set_metainfo(dict(view=1))
    return copies
