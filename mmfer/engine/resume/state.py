"""What a training needs to continue beside its weights, and whether it can continue under the present config."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapper, _ParamScheduler
from mmengine.runner import Runner
from torch import Tensor, nn

from mmfer.utils.checkpoint import to_plain

from ..processes import unwrapped

# Attributes of schedulers that follow from arguments, and arguments that are counters or of no effect.
DERIVED = {'total_iters', '_schedule_phases', 'cumulative_periods', 'min_values'}
NOT_SETTINGS = {'self', 'optimizer', 'last_step', 'verbose', 'args', 'kwargs'}


# ---- schedules -------------------------------------------------------------------------------------------------------
def _settings(scheduler: _ParamScheduler) -> dict:
    names = set(DERIVED)
    for cls in type(scheduler).__mro__:
        names |= set(inspect.signature(cls.__init__).parameters)
    own = vars(scheduler)
    return {name: to_plain(own[name]) for name in sorted(names - NOT_SETTINGS) if name in own}


def _same_so_far(scheduler: _ParamScheduler, state: dict) -> bool:
    """Whether a schedule that only ends elsewhere would have come to where the saved one is (but for its last step)."""
    done, old, new = state['_global_step'], state['end'], scheduler.end
    return type(scheduler).__module__.startswith('mmengine.') and (done < min(old, new) or done == old < new)


def check_schedules(schedulers: Sequence | None, saved: Sequence[dict] | None, name: str) -> None:
    """Look whether the schedules in a checkpoint can go on as those of the config.

    Args:
        schedulers: Freshly built by the config.
        saved: Their states in the checkpoint.
        name: What errors call the checkpoint.

    Raises:
        ValueError: If they would jump.
    """
    schedulers, saved, problems = schedulers or [], saved or [], []
    if len(schedulers) != len(saved):
        problems.append(f'param_scheduler: {len(saved)} schedules in the checkpoint, {len(schedulers)} in the config')
    for scheduler, state in zip(schedulers, saved):
        own, kind = _settings(scheduler), type(scheduler).__name__
        changed = [key for key, value in own.items() if state.get(key, 'not there') != value]
        if changed == ['end'] and _same_so_far(scheduler, state):
            continue  # MMEngine's default for `end` is the length of the training
        problems += [
            f'{kind}.{key}: {state.get(key, "not there")} in the checkpoint, {own[key]} in the config'
            for key in sorted(set(changed) - DERIVED or changed)
        ]
    if problems:
        raise ValueError(
            f'{name} cannot continue under this config, since its schedule would jump:\n  '
            + '\n  '.join(problems)
            + '\nSet these back (schedules also change with the length of the training, those that go by iterations '
            'with the batch size, the number of processes and the data set, too); or begin a new training from these '
            'weights, with --cfg-options load_from=FILE and another --work-dir, without --resume. '
            '(mmfer explain cannot-resume)'
        )


def restore_schedules(schedulers: Sequence | None, saved: Sequence[dict] | None) -> None:
    """Let freshly built schedules go on from their saved states; the optimizer must already have its own.

    What is no plain value, and the settings, stay as they were built.
    """
    for scheduler, state in zip(schedulers or (), saved or ()):
        own, settings = vars(scheduler), _settings(scheduler)
        scheduler.load_state_dict(
            {key: value for key, value in state.items() if key not in settings and not callable(own.get(key))}
        )
        if state['_global_step'] == state['end'] < scheduler.end and not getattr(scheduler, 'need_val_args', False):
            scheduler._global_step -= 1  # its last step was left out, as the training was to end there
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # the optimizer has not made a step in this process
                scheduler.step()


# ---- optimizers ------------------------------------------------------------------------------------------------------
def check_optimizer(optim_wrapper: OptimWrapper, saved: dict, kind: str | None, name: str) -> None:
    """Look whether the state of an optimizer in a checkpoint is one for that of the config.

    Args:
        optim_wrapper: Freshly built by the config.
        saved: Its state in the checkpoint.
        kind: The class of the optimizer at that time; None where it is unknown.
        name: What errors call the checkpoint.

    Raises:
        ValueError: If it is another optimizer, or has other groups of parameters.
    """
    own = type(optim_wrapper.optimizer).__name__
    now = _described(own, optim_wrapper.optimizer.param_groups)
    then = _described(kind or own, saved['param_groups'])
    if now != then:
        raise ValueError(
            f'{name} cannot continue with the optimizer of this config: {then} in the checkpoint, {now} in the config. '
            'Set it back, or begin a new training from these weights: --cfg-options load_from=FILE and another '
            '--work-dir, without --resume. (mmfer explain cannot-resume)'
        )


def _described(kind: str, groups: list) -> str:
    return f'{kind} of {" + ".join(str(len(group["params"])) for group in groups)} parameters'


# ---- what differs between processes ----------------------------------------------------------------------------------
def modules_of(runner: Runner) -> Iterator[tuple[str, nn.Module]]:
    yield 'model', unwrapped(runner.model)
    for hook in runner.hooks:
        if isinstance(hook, EMAHook):
            yield 'ema', hook.ema_model.module


def _buffers(runner: Runner) -> dict[str, Tensor]:
    found = {}
    for part, module in modules_of(runner):
        found.update({f'{part}.{name}': buffer for name, buffer in module.named_buffers()})
    return found


def rank_states(runner: Runner) -> list[dict] | None:
    """What each process has of its own; call it in all of them.

    That is buffers, such as running statistics, which differ from those of the first process, and gradients that wait
    for others to be added.

    Returns:
        On the first process a dict for each process, or None if nobody has anything; None on the others.
    """
    waiting = not runner.optim_wrapper.should_update()
    if get_world_size() == 1 and not waiting:
        return None
    state = {'buffers': {name: buffer.detach().cpu() for name, buffer in _buffers(runner).items()}}
    if waiting:
        model = next(modules_of(runner))[1]
        grads = {name: p.grad.detach().cpu() for name, p in model.named_parameters() if p.grad is not None}
        state['gradients'] = grads
    states = all_gather_object(state)
    if get_rank() != 0:
        return None
    first = dict(states[0]['buffers'])
    for state in states:
        state['buffers'] = {
            name: buffer for name, buffer in state['buffers'].items() if not torch.equal(buffer, first[name])
        }
    return states if any(part for state in states for part in state.values()) else None


@torch.no_grad()
def restore_rank_state(runner: Runner, states: list[dict] | None) -> None:
    """Give this process back what it had of its own, if there are as many processes as before."""
    if not states or len(states) != get_world_size():
        return
    state = states[get_rank()]
    buffers = _buffers(runner)
    for name, value in state.get('buffers', {}).items():
        if name in buffers:  # those of an EMAHook may not be there any more
            buffers[name].copy_(value)
    parameters = dict(next(modules_of(runner))[1].named_parameters())
    for name, value in state.get('gradients', {}).items():
        parameters[name].grad = value.to(parameters[name])
