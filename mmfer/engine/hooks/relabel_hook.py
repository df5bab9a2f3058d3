from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmpretrain.structures import DataSample
from torch import Tensor, nn
from torch.utils.data import ConcatDataset  # of which MMEngine's derives

from mmfer.registry import HOOKS
from mmfer.utils.nesting import walk

from ..processes import unwrapped

KEY = 'relabelled'  # in checkpoints


def find_new_labels(logits: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Which images the model would label otherwise, and how.

    Args:
        logits: (B, K).
        labels: (B,).
        margin: By so much the largest probability must exceed that of the label.

    Returns:
        tuple: Whether to relabel, bool (B,), and the most probable class, int64 (B,).
    """
    probs = logits.float().softmax(-1)
    best, predicted = probs.max(-1)
    return best - probs.gather(1, labels[:, None]).squeeze(1) > margin, predicted


@HOOKS.register_module()
class RelabelHook(Hook):
    """Relabelling of SCN: images that the model is sure are something else get that label while training goes on.

    Paper: Suppressing Uncertainties for Large-Scale Facial Expression Recognition, https://arxiv.org/abs/2002.10392

    From epoch ``begin`` on, an image of a training batch whose largest probability exceeds that of its label by more
    than ``margin`` has the predicted class as its label from then on, until it is relabelled again. Begin when the
    training has all but converged: a model that is still often wrong replaces good labels by its own mistakes, and
    learns these. The log tells the share of relabelled images after each epoch; it should not exceed that of the wrong
    labels which you expect.

    The data set is not written to: workers hold copies of it. The new labels are kept here, by ``sample_idx``, and put
    into each batch before it is used. They are the same on all processes, and saved in checkpoints under
    ``relabelled``, so that a training continues exactly. Samplers go on with the data set's own labels.

    The head must train on labels and call its own ``forward`` once an image, as ``SCNHead``, ``LinearHead`` and
    ``EACHead`` do. With SAM the first pass counts.

    Args:
        begin: The first epoch that relabels, counted from 1.
        margin: How far the largest probability must lie above that of the label.

    Raises:
        ValueError: If an argument is out of range, or the training cannot be relabelled: its loop has no epochs, its
            data set is MMEngine's ``ConcatDataset``, whose parts number their samples alike, or it has soft labels.
        TypeError: If the head does not give logits while training.

    Examples:
        >>> custom_hooks = [dict(type=RelabelHook, begin=10, margin=0.2)]
    """

    def __init__(self, begin: int = 10, margin: float = 0.2) -> None:
        if isinstance(begin, bool) or not isinstance(begin, int) or begin < 1:
            raise ValueError(f'begin={begin!r}: an epoch, counted from 1')
        if not 0 <= margin < 1:
            raise ValueError(f'margin={margin}: a difference of probabilities, in [0, 1)')
        self.begin = begin
        self.margin = margin
        self.labels: dict[int, int] = {}
        self._size = 0  # samples of the data set
        self._logits: list[Tensor] | None = None  # of this iteration; None: not needed
        self._handle: Any = None

    # ---- begin and end --------------------------------------------------------------------------------------------
    def before_train(self, runner: Runner) -> None:
        dataset = runner.train_dataloader.dataset
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError('RelabelHook counts epochs: use FERTrainLoop or EpochBasedTrainLoop')
        if self.begin > runner.max_epochs:
            raise ValueError(
                f'RelabelHook begins with epoch {self.begin}, and the training has {runner.max_epochs}. '
                'Set another begin in custom_hooks, or leave out the hook.'
            )
        if any(isinstance(part, ConcatDataset) for part in walk(dataset)):
            raise ValueError(
                "RelabelHook knows samples by their sample_idx, which the parts of MMEngine's ConcatDataset share. "
                'Join them with mmfer.datasets.ConcatDataset'
            )
        self._size = len(dataset)
        model = unwrapped(runner.model)
        self.after_train(runner)
        self._handle = model.head.register_forward_hook(self._keep)

    def after_train(self, runner: Runner) -> None:
        self._logits = None
        if self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _keep(self, module: nn.Module, inputs: tuple, output: Tensor) -> None:
        if self._logits is not None:
            self._logits.append(output.detach())

    # ---- iterations -----------------------------------------------------------------------------------------------
    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        samples = data_batch['data_samples']
        _refuse_soft(samples)
        for sample in samples:
            label = self.labels.get(_index(sample))
            if label is not None:
                sample.set_gt_label(label)
        self._logits = [] if runner.epoch + 1 >= self.begin else None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        if self._logits is None:
            return
        logits, self._logits = self._logits, None
        samples = data_batch['data_samples']
        _refuse_soft(samples)  # the data preprocessor may have mixed labels
        if not logits or len(logits[0]) < len(samples):
            model = unwrapped(runner.model)
            raise TypeError(
                f'RelabelHook reads the logits of each training image from the forward of the head, but the losses of '
                f'{type(model.head).__name__} do not call it: use SCNHead, or leave out RelabelHook'
            )
        labels = torch.cat([sample.gt_label for sample in samples]).to(logits[0].device)
        changed, predicted = find_new_labels(logits[0][: len(samples)], labels, self.margin)
        rows = zip(samples, changed.tolist(), predicted.tolist())
        own = {_index(sample): label for sample, wanted, label in rows if wanted}
        for labels in all_gather_object(own):
            self.labels.update(labels)

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.epoch + 1 >= self.begin:
            share = 100 * len(self.labels) / max(self._size, 1)
            runner.logger.info(
                f'{len(self.labels)} of {self._size} training samples ({share:.1f} %) have been relabelled so far'
            )

    # ---- checkpoints ----------------------------------------------------------------------------------------------
    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        indices, labels = list(self.labels), list(self.labels.values())
        checkpoint[KEY] = dict(
            indices=torch.tensor(indices, dtype=torch.int64),
            labels=torch.tensor(labels, dtype=torch.int64),
        )

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if runner._resume and KEY in checkpoint:  # else the weights alone are of interest
            state = checkpoint[KEY]
            self.labels = dict(zip(map(int, state['indices']), map(int, state['labels'])))


def _index(sample: DataSample) -> int:
    index = sample.get('sample_idx')
    if index is None:
        raise ValueError("RelabelHook needs to know which samples it has: add 'sample_idx' to meta_keys of PackInputs")
    return int(index)


def _refuse_soft(samples: Sequence[DataSample]) -> None:
    if 'gt_score' in samples[0]:
        raise ValueError(
            'RelabelHook replaces labels, but this training is on soft ones: set soft_label=False of PackInputs '
            'and no batch_augments, or leave out RelabelHook'
        )
