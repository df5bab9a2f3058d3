"""Packing of a sample for the model."""

from collections.abc import Sequence

import numpy as np
import torch
from mmpretrain.structures import DataSample

from mmfer.faces.cropping import name_of
from mmfer.faces.resizing import contiguous
from mmfer.registry import TRANSFORMS

from ..votes import votes_problem
from .image_args import ImageTransform


@TRANSFORMS.register_module()
class PackInputs(ImageTransform):
    """Turn a sample into ``dict(inputs=..., data_samples=...)``.

    ``inputs`` is the image as a contiguous uint8 tensor (3, H, W), still BGR. ``data_samples`` is an mmpretrain
    ``DataSample`` with ``gt_label`` (1,), the meta information, and on request the soft label and the votes.

    A head trains on ``gt_score`` wherever it is there, so whether it is there is chosen here. So it is with ``votes``.

    Args:
        soft_label: Pack the data set's ``gt_score`` (K,), for training on it.
        keep_score: Pack it as ``gt_distribution`` (K,), float32, which evaluators read and no head trains on.
        votes: Pack the data set's ``votes`` (K,), int64: how many people chose each class. Heads that train on the
            likelihood of votes read them, and metrics of votes.
        meta_keys: Further keys carried as meta information where the sample has them, such as a column that
            ``GroupMetric`` reads. The path, the index, and the shapes before and after the pipeline always are.

    Raises:
        ValueError: The image is not uint8 (H, W, 3), or the sample has no ``gt_score`` or ``votes`` though they are
            asked for, or votes that are negative, not whole, all zero, or of another number than ``gt_score``.
    """

    META_KEYS = ('img_path', 'sample_idx', 'ori_shape', 'img_shape')

    def __init__(
        self,
        soft_label: bool = False,
        keep_score: bool = False,
        votes: bool = False,
        meta_keys: Sequence = (),
    ):
        if isinstance(meta_keys, str):
            raise TypeError(f'PackInputs: meta_keys={meta_keys!r} must be a sequence of names')
        self.soft_label = soft_label
        self.keep_score = keep_score
        self.votes = votes
        self.meta_keys = tuple(dict.fromkeys((*self.META_KEYS, *meta_keys)))

    def transform(self, results: dict) -> dict:
        """``inputs`` and ``data_samples`` of a sample: ``img``, and its labels where it has them."""
        img = results['img']
        if img.dtype != np.uint8 or img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(
                f'PackInputs: {name_of(results)}: img must be uint8 (H, W, 3), not {img.dtype} {img.shape}; '
                "normalisation is the model's data_preprocessor's work"
            )
        # permuting the tensor is faster than permuting the array
        inputs = torch.from_numpy(contiguous(img)).permute(2, 0, 1).contiguous()

        sample = DataSample()
        if results.get('gt_label') is not None:
            sample.set_gt_label(int(results['gt_label']))
        if self.soft_label or self.keep_score:
            score = self._score(results)
            if self.soft_label:
                sample.set_gt_score(score)
            if self.keep_score:
                sample.set_field(score.clone(), 'gt_distribution', dtype=torch.Tensor)
        if self.votes:
            sample.set_field(self._votes(results), 'votes', dtype=torch.Tensor)
        meta = {key: results[key] for key in self.meta_keys if key in results}
        sample.set_metainfo(meta)
        return dict(inputs=inputs, data_samples=sample)

    def _score(self, results: dict) -> torch.Tensor:
        score = results.get('gt_score')
        if score is None:
            option = 'soft_label' if self.soft_label else 'keep_score'
            raise ValueError(
                f'PackInputs: {name_of(results)} has no gt_score: this data set gives no soft labels; '
                f'set {option}=False or use a data set with votes or intensities'
            )
        return torch.tensor(np.asarray(score), dtype=torch.float32)

    def _votes(self, results: dict) -> torch.Tensor:
        votes, score = results.get('votes'), results.get('gt_score')
        if votes is None:
            raise ValueError(
                f'PackInputs: {name_of(results)} has no votes: its data set gives none, or a wrapper dropped them; '
                'set votes=False or use a data set with votes, all of them where several are joined'
            )
        problem = votes_problem(votes, None if score is None else len(score))
        if problem:
            raise ValueError(f'PackInputs: {name_of(results)}: votes {problem}; expected one count a class')
        return torch.tensor(np.asarray(votes), dtype=torch.int64)
