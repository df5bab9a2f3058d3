"""Several processes at a time, that all stop when they are told to."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmfer.utils.threads import usable_cores

PAUSE = 0.05  # seconds between looks at the processes


@dataclass
class Step:
    """A process of a job.

    Args:
        what: What it does, e.g. ``'training'``.
        args: Gives its command line, once the steps before it are done. A ValueError fails the job.
        log: What it prints is added to this file; None leaves it on the terminal.
    """

    what: str
    args: Callable[[], Sequence]
    log: Path | None = None


@dataclass
class Job:
    """Steps one after another.

    Args:
        of: What the job is for.
        steps: Those to do.
        state: ``'waiting'``, ``'running'``, ``'done'``, ``'failed'`` or ``'interrupted'``.
        detail: Why it failed.
        step: The step that runs, or was the last to run.
        seconds: How long it took.
    """

    of: Any
    steps: list[Step]
    state: str = 'waiting'
    detail: str = ''
    step: Step | None = None
    seconds: float = 0.0


def run_jobs(
    jobs: Sequence[Job],
    slots: int,
    environment: Callable[[int], Mapping[str, str]],
    told: Callable[[Job], object],
) -> int:
    """Run jobs, several at a time. One that fails does not keep the others from running.

    SIGINT, SIGTERM and SIGUSR1 are handed on to the processes that run. These are waited for, and no other is begun.

    Args:
        jobs: In their order.
        slots: How many run at a time.
        environment: Gives the environment of the processes in a slot, from its number.
        told: Called whenever a step begins and when a job has ended.

    Returns:
        Number of the signal that stopped them, else 0.
    """
    waiting = list(jobs)
    running: dict[int, tuple[Job, subprocess.Popen, float]] = {}
    received: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        received.append(number)
        for _, process, _ in tuple(running.values()):
            _hand_on(process, number)

    def begin(slot: int, job: Job, since: float) -> None:
        before = len(received)
        try:
            job.step, job.state = job.steps.pop(0), 'running'
            args = [str(arg) for arg in job.step.args()]
            told(job)
            process = _start(args, job.step.log, environment(slot))
        except (OSError, ValueError) as error:
            job.state, job.detail = 'failed', str(error)
            told(job)
            return
        running[slot] = (job, process, since)
        for number in received[before:]:  # that came before the process was there
            _hand_on(process, number)

    with _signal_handlers(pass_on):
        try:
            while running or (waiting and not received):
                for slot in range(slots):
                    while slot not in running and waiting and not received:
                        begin(slot, waiting.pop(0), time.monotonic())
                time.sleep(PAUSE)
                for slot, (job, process, since) in list(running.items()):
                    returned = process.poll()
                    if returned is None:
                        continue
                    del running[slot]
                    job.seconds = time.monotonic() - since
                    if returned == 0 and job.steps and not received:
                        begin(slot, job, since)
                        continue
                    done = returned == 0 and not job.steps
                    job.state = 'done' if done else 'interrupted' if received else 'failed'
                    job.detail = _failure(returned) if job.state == 'failed' else ''
                    told(job)
        finally:
            for _, process, _ in running.values():  # only after an error in here
                process.terminate()
                process.wait()
    return received[0] if received else 0


def _start(args: list[str], log: Path | None, env: Mapping[str, str]) -> subprocess.Popen:
    if log is None:
        print(shlex.join(args), flush=True)
        return subprocess.Popen(args, env=dict(env))
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, 'a', encoding='utf-8') as file:
        file.write(f'$ {shlex.join(args)}\n')
        file.flush()
        return subprocess.Popen(args, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


def _hand_on(process: subprocess.Popen, number: int) -> None:
    if not (number == signal.SIGINT and _from_terminal()):  # which has told the processes itself
        process.send_signal(number)


def _from_terminal() -> bool:
    """Whether Ctrl-C comes from a terminal, which sends it to all of its processes."""
    try:
        with open('/dev/tty') as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except (OSError, AttributeError):  # no terminal, or Windows
        return os.name == 'nt'


@contextmanager
def _signal_handlers(handler: Callable) -> Iterator[None]:
    """Within it, ``handler`` gets the signals at which a training saves."""
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers there alone
        yield
        return
    names = ('SIGINT', 'SIGTERM', 'SIGUSR1')
    before = {getattr(signal, n): signal.signal(getattr(signal, n), handler) for n in names if hasattr(signal, n)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _failure(returned: int) -> str:
    """Why a process that returned this is not what it should be."""
    if returned >= 0:
        return f'exit code {returned}' if returned else 'ended early'
    try:
        return f'killed by {signal.Signals(-returned).name}'
    except ValueError:
        return f'killed by signal {-returned}'


def job_environment(
    slot: int, slots: int, processes: int, gpus: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Environment of the processes in a slot: its share of the CPUs and, where there are several, one of the GPUs.

    Args:
        slot: Its number, from 0.
        slots: Number of slots.
        processes: Processes of a job; with several the GPUs are left to their launcher.
        gpus: What CUDA_VISIBLE_DEVICES calls the GPUs.
        environment: That of this process by default. OMP_NUM_THREADS is left as it is where it is set.
    """
    result = dict(os.environ if environment is None else environment)
    parallel = slots * processes
    if parallel > 1:
        result.setdefault('OMP_NUM_THREADS', str(max(1, usable_cores() // parallel)))
    if processes > 1:  # or restarted ones can find addresses of the dead: github.com/pytorch/pytorch/issues/135712
        result.setdefault('TORCH_DISABLE_SHARE_RDZV_TCP_STORE', '1')
    if processes == 1 and slots > 1 and len(gpus) > 1:
        result['CUDA_VISIBLE_DEVICES'] = gpus[slot % len(gpus)]
    return result


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES calls the GPUs that this process may use."""
    import torch

    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    names = [str(i) for i in range(torch.cuda.device_count())]
    return names if named is None else [name.strip() for name in named.split(',')][: len(names)]
