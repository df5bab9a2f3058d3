"""Loops of trainings that can continue at any iteration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmengine.dist import get_world_size
from mmengine.hooks import SyncBuffersHook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.utils import calc_dynamic_intervals
from torch import nn
from torch.utils.data import DataLoader

from mmfer.registry import LOOPS

from .seeding import base_seed_of, is_endless, seeded_dataloader, start_at


def _length(items: object) -> int | None:
    try:
        return len(items)
    except TypeError:  # of a stream
        return None


class _Resumable:
    """What the loops share: where a training is, in a form that a checkpoint can hold.

    Attributes:
        validated (bool): False between the end of an epoch (or, without epochs, an iteration) and the end of the
            validation that may be due then.
    """

    validated = True
    _stepped = False  # the weights have been updated, but the iteration is not yet counted

    @property
    def steps(self) -> int:
        """Iterations whose update of the weights has been made."""
        return self._iter + self._stepped

    @property
    def batch(self) -> int:
        """Batches of the current epoch that have been used."""
        return self.steps - self._first_iter

    def layout(self) -> dict:
        """What must be the same for a training to continue within an epoch."""
        loader = self.dataloader
        sizes = dict(batch_size=loader.batch_size or 0, processes=get_world_size())
        return dict(sizes, samples=_length(loader.dataset), batches_per_epoch=_length(loader))

    def _step(self, batch_idx: int, data_batch: Sequence) -> None:
        runner = self.runner
        runner.call_hook('before_train_iter', batch_idx=batch_idx, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        self._stepped = True
        runner.call_hook('after_train_iter', batch_idx=batch_idx, data_batch=data_batch, outputs=outputs)
        self._stepped = False
        self._iter += 1

    def _check_layout(self, meta: dict, name: str, remedy: str) -> None:
        now, then = self.layout(), meta.get('layout', {})
        changes = [f'{key} was {then[key]} and is {now[key]}' for key in now if key in then and then[key] != now[key]]
        if changes:
            raise ValueError(
                f'{name} was saved within an epoch, which can only continue as it began: {", ".join(changes)}. {remedy}'
            )


@LOOPS.register_module()
class FERTrainLoop(_Resumable, EpochBasedTrainLoop):
    """MMEngine's EpochBasedTrainLoop, able to continue within an epoch.

    Each sample is loaded with random numbers of its own, which follow from (seed, epoch, place): data set and sampler
    of the config come into a ``SeededDataset`` and a ``SeededSampler``. Batches that were used before are left out
    without being loaded, and hooks see the counts of the whole epoch. A validation that was due when the training was
    stopped is made up for.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_epochs: int,
        val_begin: int = 1,
        val_interval: int = 1,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        dataloader = seeded_dataloader(dataloader, base_seed_of(runner), runner.rank)
        super().__init__(runner, dataloader, max_epochs, val_begin, val_interval, dynamic_intervals)
        if is_endless(self.dataloader):
            raise ValueError(
                'train_dataloader.sampler never ends, so no epoch would: use mmengine.dataset.DefaultSampler, or '
                'FERIterTrainLoop'
            )
        self._first_iter = 0  # of the current epoch

    def restore(self, meta: dict, name: str) -> None:
        """Continue where the checkpoint with this ``meta`` was saved.

        Raises:
            ValueError: If it was saved within an epoch and the batches are not the same any more.
        """
        self._epoch, self._iter = meta['epoch'], meta['iter']
        batch = meta.get('batch', 0)
        if batch:
            remedy = 'Set that back, or resume from the checkpoint of the end of an epoch.'
            self._check_layout(meta, name, remedy)
        self._first_iter = self._iter - batch
        self.validated = batch > 0 or meta.get('validated', True)

    def run(self) -> nn.Module:
        """Train."""
        self.runner.call_hook('before_train')
        if self._iter:  # hooks find all as they would have without a break
            self.runner.message_hub.update_info('iter', self._iter - 1)
        if not self.validated:
            self.runner.message_hub.update_info('epoch', self._epoch - 1)
            for hook in self.runner.hooks:
                if isinstance(hook, SyncBuffersHook):
                    hook.called_in_train = True  # before the checkpoint; a mean of equals may be another number
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Train for an epoch, or the rest of one."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        done = self.batch
        start_at(self.dataloader, self._epoch, done)
        if done < len(self.dataloader):
            for batch_idx, data_batch in enumerate(self.dataloader, done):
                self.run_iter(batch_idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
        self._first_iter = self._iter
        self.validated = False

    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Train with a batch."""
        self._step(idx, data_batch)

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()
        self.validated = True


@LOOPS.register_module()
class FERIterTrainLoop(_Resumable, IterBasedTrainLoop):
    """MMEngine's IterBasedTrainLoop, able to continue without loading the batches that were used before.

    Samples are seeded as in :class:`FERTrainLoop`. Where the sampler ends, it begins anew, with the next epoch's order.
    """

    _first_iter = 0

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        dataloader = seeded_dataloader(dataloader, base_seed_of(runner), runner.rank)
        BaseLoop.__init__(self, runner, dataloader)  # that of MMEngine's class starts to load the first batches
        if int(max_iters) != max_iters:
            raise ValueError(f'max_iters={max_iters} must be an integer')
        self._max_iters = int(max_iters)
        self._max_epochs = 1  # all of it counts as one epoch
        self._epoch = self._iter = 0
        self.val_begin = val_begin
        self.val_interval = val_interval
        self.stop_training = False
        self.runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, 'metainfo', None)
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(val_interval, dynamic_intervals)

    def restore(self, meta: dict, name: str) -> None:
        """Continue where the checkpoint with this ``meta`` was saved.

        Raises:
            ValueError: If the batches are not the same any more.
        """
        self._check_layout(meta, name, 'Set that back.')
        self._iter = meta['iter']
        self.validated = meta.get('validated', True)

    def run(self) -> nn.Module:
        """Train."""
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter:  # hooks find all as they would have without a break
            self.runner.message_hub.update_info('iter', self._iter - 1)
        if not self.validated:
            self._validate()
        self.dataloader_iterator = self._batches()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            self.run_iter(next(self.dataloader_iterator))
            self._validate()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def run_iter(self, data_batch: Sequence[dict]) -> None:
        """Train with a batch."""
        self._step(self._iter, data_batch)
        self.validated = False

    def _batches(self) -> Iterator:
        size = _length(self.dataloader)
        if size == 0:
            raise ValueError('train_dataloader has no batches')
        one_pass = size is None or is_endless(self.dataloader)
        epoch, batch = (0, self._iter) if one_pass else divmod(self._iter, size)
        while True:
            start_at(self.dataloader, epoch, batch)
            yield from self.dataloader
            epoch, batch = epoch + 1, 0

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
        if self.runner.val_loop is not None and self._iter >= self.val_begin and due:
            self.runner.val_loop.run()
        self.validated = True
