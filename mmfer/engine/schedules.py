"""Schedules against the length of a training: compared before its first step, and set together."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

from mmengine.config import Config
from mmengine.optim import (
    ConstantParamScheduler,
    ExponentialParamScheduler,
    LinearParamScheduler,
    MultiStepParamScheduler,
    ReduceOnPlateauParamScheduler,
    StepParamScheduler,
    _ParamScheduler,
)
from mmengine.runner import IterBasedTrainLoop, Runner

ENDLESS = (ExponentialParamScheduler, StepParamScheduler, ReduceOnPlateauParamScheduler)
FOREVER = 10**8  # MMEngine's default for `end` is more


# ---- the check -------------------------------------------------------------------------------------------------------
def check_lengths(schedulers: Sequence[_ParamScheduler], runner: Runner) -> None:
    """Look whether the schedules end where the training does.

    ExponentialLR and StepLR have no end, and so fit any length; a constant rate after a warm-up, after ConstantLR or
    after the last step of MultiStepLR is meant.

    Args:
        schedulers: Built.
        runner: Knows how long the training is.

    Raises:
        ValueError: If one ends before the training, and the rate would then stand still, rise again or crash; or if
            the training ends amid one.
    """
    problems = list(_misfits(schedulers, runner))
    if problems:
        raise ValueError(
            f'the schedule does not fit the training: {"; ".join(problems)}. mmfer train --epochs N (epochs=N in '
            'Python) sets both; or make train_cfg and param_scheduler agree. (mmfer explain schedule)'
        )


def _misfits(schedulers: Sequence[_ParamScheduler], runner: Runner) -> Iterator[str]:
    last: dict = {}  # of each parameter: when its last schedule ends, as a share of the training, and what to say then
    by_iter = isinstance(runner.train_loop, IterBasedTrainLoop)
    unit, total = ('iteration', runner.max_iters) if by_iter else ('epoch', runner.max_epochs)
    for i, scheduler in enumerate(schedulers):
        what = f'param_scheduler.{i} ({type(scheduler).__name__})'
        length = runner.max_epochs if scheduler.by_epoch else runner.max_iters
        if scheduler.by_epoch and by_iter:
            if not isinstance(scheduler, ReduceOnPlateauParamScheduler):
                yield f'{what} counts epochs, of which a training by iterations has none: set by_epoch=False'
            continue
        if scheduler.begin >= length:
            yield f'{what} begins only after the training'
            continue
        course, slack = _course(scheduler), int(hasattr(scheduler, 'T_max'))  # a cosine may end with the last step
        end = scheduler.end if course is None else scheduler.begin + course
        late = end > length
        if isinstance(scheduler, MultiStepParamScheduler):
            end = scheduler.begin + max(scheduler.milestones, default=0)
            late = end > length
        elif slack:
            late = course > length  # it is often as long as the training, with a warm-up before
        elif isinstance(scheduler, (*ENDLESS, ConstantParamScheduler)):
            late = False
        shown = end if scheduler.by_epoch or by_iter else end * runner.max_epochs / runner.max_iters
        here = f'{what} ends at {unit} {shown:.4g}, the training at {total}'
        if late or (course is not None and end + slack < min(scheduler.end, length)):
            yield here
        else:
            share = min(scheduler.end, length if course is None else end + slack) / length
            last[scheduler.param_name] = max(last.get(scheduler.param_name, (0,)), (share, i, here))
    for share, i, here in last.values():
        if share < 1 and not _may_stand(schedulers[i]):
            yield here


def _course(scheduler: _ParamScheduler) -> float | None:
    """Steps (epochs or iterations) that a schedule takes by itself, whatever its ``end``."""
    if hasattr(scheduler, 'periods'):
        return sum(scheduler.periods)
    return getattr(scheduler, 'total_steps', getattr(scheduler, 'T_max', None))


def _may_stand(scheduler: _ParamScheduler) -> bool:
    """Whether a constant rate after the end of a schedule is meant."""
    rising = isinstance(scheduler, LinearParamScheduler) and scheduler.end_factor >= scheduler.start_factor
    return rising or isinstance(scheduler, (*ENDLESS, ConstantParamScheduler, MultiStepParamScheduler))


# ---- --epochs --------------------------------------------------------------------------------------------------------
def set_epochs(config: Config, epochs: int) -> None:
    """Set the length of a training, and stretch every schedule of the config to it.

    Warm-ups, milestones and steps keep their share of the training, rounded to whole epochs and at least one; a phase
    for which no epoch is left is left out. A validation at the end only stays there.

    Args:
        config: Changed in place.
        epochs: From 1.

    Raises:
        ValueError: If the training is not counted in epochs.
    """
    train = config.get('train_cfg') or {}
    if epochs < 1:
        raise ValueError(f'epochs={epochs} must be at least 1')
    if not isinstance(train.get('max_epochs'), int):
        found = f'max_iters={train["max_iters"]}' if 'max_iters' in train else 'no max_epochs'
        raise ValueError(f'epochs={epochs}: train_cfg of {config.filename} has {found}, so there is nothing to set')
    before, train['max_epochs'] = train['max_epochs'], epochs
    if 1 < before <= train.get('val_interval', 1):
        train['val_interval'] = epochs
    if train.get('val_begin', 1) > epochs:
        train['val_begin'] = epochs
    settings = config.get('param_scheduler')
    if settings:
        each = [settings] if isinstance(settings, Mapping) else settings
        stretched = [_stretched(part, before, epochs) for part in each]
        config.param_scheduler = [part for part in stretched if part is not None]


def _stretched(settings: Mapping, before: int, epochs: int) -> dict | None:
    """One schedule of a training of other length; None if no epoch is left for it."""

    def at(step: float) -> int:
        new = round(step * epochs / before)
        if step <= 0 or not settings.get('by_epoch', True):
            return max(new, int(step > 0))
        return min(max(new, 1), epochs - 1) if step < before else new

    new, begin = copy.deepcopy(settings), settings.get('begin', 0)
    new.update({key: at(settings[key]) for key in ('begin', 'end') if 0 < settings.get(key, 0) < FOREVER})
    for key in ('total_steps', 'T_max'):
        if settings.get(key):
            new[key] = at(begin + settings[key]) - at(begin)
    if 'step_size' in settings:
        new['step_size'] = max(at(settings['step_size']), 1)
    if 'milestones' in settings:
        new['milestones'] = [at(step) for step in settings['milestones'] if at(step)]
    empty = new.get('end', FOREVER) <= new.get('begin', 0) or 0 in (new.get('total_steps'), new.get('T_max'))
    return None if empty else new
