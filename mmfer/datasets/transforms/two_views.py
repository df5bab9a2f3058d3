"""Two differently augmented views of a sample."""

from collections.abc import Sequence
from typing import Callable, Optional, Union

import torch
from mmengine.dataset import Compose

from mmfer.registry import TRANSFORMS

from .image_args import ImageTransform


@TRANSFORMS.register_module()
class TwoViews(ImageTransform):
    """End a pipeline with two views of the sample, each augmented and packed on its own.

    For heads that compare views, such as ``EACHead``, where the second view is not simply the flipped first one (for
    that, ``TwoViewPreprocessor`` alone is enough, and costs nothing in the data loader). The model needs
    ``data_preprocessor=dict(type=TwoViewPreprocessor)``, which arranges the views of a batch.

    Args:
        first: Transforms of the first view; the last one is ``PackInputs``.
        second: Those of the second view.

    Raises:
        ValueError: A view has no transforms, is not packed, or the views differ in size.

    Examples:
        The views of EAC's experiments with noisy labels, erased independently:

        ``erase = dict(type=ImageRandomErasing, scale=(0.02, 0.25))``
        ``flip = dict(type=RandomFlip, prob=1.0)``
        ``TwoViews(first=[erase, dict(type=PackInputs)], second=[flip, erase, dict(type=PackInputs)])``
    """

    def __init__(self, first: Sequence[Union[dict, Callable]], second: Sequence[Union[dict, Callable]]):
        for name, view in (('first', first), ('second', second)):
            if isinstance(view, dict) or not isinstance(view, Sequence) or len(view) == 0:
                raise ValueError(f'TwoViews: {name}={view!r} must be a list of transforms, the last one PackInputs')
        self.first, self.second = Compose(first), Compose(second)

    def transform(self, results: dict) -> Optional[dict]:
        """``inputs``, uint8 (2, 3, H, W), and the ``data_samples`` of the first view.

        Both views share the arrays of the sample, which transforms do not write to. None where one of them drops it.
        """
        views = [view(dict(results)) for view in (self.first, self.second)]
        if any(view is None for view in views):
            return None
        if not all(isinstance(view.get('inputs'), torch.Tensor) for view in views):
            raise ValueError('TwoViews: both views must end with PackInputs')
        inputs = [view['inputs'] for view in views]
        if inputs[0].shape != inputs[1].shape:
            raise ValueError(
                f'TwoViews: the views must be of one size, got {tuple(inputs[0].shape)} and {tuple(inputs[1].shape)}'
            )
        return dict(inputs=torch.stack(inputs), data_samples=views[0]['data_samples'])
