from __future__ import annotations

from collections.abc import Sequence

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.hooks import SyncBuffersHook
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmfer.registry import LOOPS

from .seeding import base_seed_of, seeded_dataloader, start_at


def _length(items: object) -> int | None:
    try:
        return len(items)
    except TypeError:  # of a stream
        return None


@LOOPS.register_module()
class FERTrainLoop(EpochBasedTrainLoop):
    """MMEngine's EpochBasedTrainLoop, able to continue within an epoch.

    Each sample is loaded with random numbers of its own, which follow from (seed, epoch, place): data set and sampler
    of the config come into a ``SeededDataset`` and a ``SeededSampler``. Batches that were used before are left out
    without being loaded, and hooks see the counts of the whole epoch. A validation that was due when the training was
    stopped is made up for.

    Attributes:
        validated (bool): False between the end of an epoch and the end of the validation that may be due then.
    """

    validated = True
    _stepped = False  # the weights have been updated, but the iteration is not yet counted

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
        sampler = self.dataloader.sampler
        if isinstance(getattr(sampler, 'inner', sampler), InfiniteSampler):
            raise ValueError(
                'train_dataloader.sampler never ends, so no epoch would: use mmengine.dataset.DefaultSampler, or '
                "MMEngine's IterBasedTrainLoop"
            )
        self._first_iter = 0  # of the current epoch

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

    def restore(self, meta: dict, name: str) -> None:
        """Continue where the checkpoint with this ``meta`` was saved.

        Raises:
            ValueError: If it was saved within an epoch and the batches are not the same any more.
        """
        self._epoch, self._iter = meta['epoch'], meta['iter']
        batch, now, then = meta.get('batch', 0), self.layout(), meta.get('layout', {})
        changes = [f'{key} was {then[key]} and is {now[key]}' for key in now if key in then and then[key] != now[key]]
        if batch and changes:
            raise ValueError(
                f'{name} was saved within an epoch, which can only continue as it began: {", ".join(changes)}. Set '
                'that back, or resume from the checkpoint of the end of an epoch.'
            )
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
        runner = self.runner
        runner.call_hook('before_train_iter', batch_idx=idx, data_batch=data_batch)
        outputs = runner.model.train_step(data_batch, optim_wrapper=runner.optim_wrapper)
        self._stepped = True
        runner.call_hook('after_train_iter', batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._stepped = False
        self._iter += 1

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()
        self.validated = True
