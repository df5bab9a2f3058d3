"""Trainings that are killed and resumed, compared with one that is left alone.

As a script it plays one scenario, given as JSON, and prints what happened as JSON. It imports everything once and forks
a process for each start of a training (which takes a second that way instead of six); each gets a SIGKILL, its workers
too, at a time or in a file operation of the scenario.

    python tests/killed_runs.py \
        '[{"case": "plain", "work_dir": "/tmp/x", "epochs": 3, "kills": [["write", 40], ["time", 1.5]]}]'

Kills: [operation, n] in the n-th write, fsync, replace or unlink of a checkpoint; ["time", seconds] after the start;
["term", n] and ["term_in_validation", n] are SIGTERMs in an iteration, which save and exit; ["full", n] is a disk that
is full at the n-th fsync.
"""

import errno
import gc
import hashlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

CASES = dict(
    plain=dict(workers=2, persistent=True),
    fresh_workers=dict(workers=2, persistent=False),
    no_workers=dict(workers=0, persistent=False),
    everything=dict(workers=2, persistent=True, wrapper='SAMOptimWrapper'),
    compiled=dict(workers=0, persistent=False, compile=dict(backend='aot_eager')),
)
META = ('epoch', 'iter', 'batch', 'validated', 'seed', 'max_epochs', 'max_iters', 'layout')
LEFT_OUT = ('time', 'memory', 'images_per_s')  # measured, not computed


def make_config(case, work_dir, epochs):
    """A small training with augmentation, EMA and bfloat16 (or with SAM on top)."""
    from mmengine.hooks import EMAHook
    from small_runs import shallow_config, small_config

    from mmfer.datasets import ColorJitter

    options = CASES[case]
    config = (shallow_config if case == 'compiled' else small_config)(work_dir, epochs)
    config.compile = options.get('compile', False)
    config.train_dataloader.update(batch_size=6, num_workers=options['workers'])
    config.train_dataloader.update(persistent_workers=options['persistent'])
    config.train_dataloader.dataset.update(num_samples=24)
    jitter = dict(type=ColorJitter, brightness=0.4, contrast=0.4)
    config.train_dataloader.dataset.pipeline.insert(0, jitter)
    config.optim_wrapper.type = options.get('wrapper', 'AutocastOptimWrapper')
    config.optim_wrapper.dtype = 'bfloat16'
    config.custom_hooks.append(dict(type=EMAHook, momentum=0.1))
    return config


def train(case, work_dir, epochs, rank=0, processes=1, resume=True, port=0):
    """Train in this process."""
    from mmfer.apis import build_runner

    if processes > 1:
        places = dict(RANK=rank, LOCAL_RANK=rank, WORLD_SIZE=processes, MASTER_ADDR='127.0.0.1', MASTER_PORT=port)
        os.environ.update({name: str(value) for name, value in places.items()})
    launcher = 'pytorch' if processes > 1 else 'none'
    build_runner(make_config(case, work_dir, epochs), resume=resume, launcher=launcher).train()


# ---- dying -----------------------------------------------------------------------------------------------------------
def die_in(operation, count):
    """Let this process be killed when the operation comes for the given time."""
    from mmengine.runner import ValLoop

    from mmfer.engine import FERTrainLoop
    from mmfer.utils import checkpoint

    owners = dict(unlink=Path, write=checkpoint._Sink, term=FERTrainLoop, term_in_validation=ValLoop)
    names = dict(term='run_iter', term_in_validation='run_iter', full='fsync')
    owner, name = owners.get(operation, os), names.get(operation, operation)
    original = getattr(owner, name)
    left = [count]

    def dying(*args, **kwargs):
        left[0] -= operation in ('write', 'fsync') or operation in names or '.pth' in str(args[0])
        if left[0] == 0 and operation == 'full':
            raise OSError(errno.ENOSPC, 'No space left on device')
        if left[0] == 0 and operation in names:
            os.kill(os.getpid(), signal.SIGTERM)
        elif left[0] == 0:
            if operation == 'write':
                sink, data = args
                sink.file.write(bytes(data)[: len(data) // 2])
                sink.file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, dying)


def start(scenario, kill, resume, log):
    """Fork the processes of a training; their ids."""
    processes = scenario.get('processes', 1)
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(processes):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.setsid()
                file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, 1)
                os.dup2(file, 2)
                if kill and kill[0] != 'time' and rank == 0:
                    die_in(*kill)
                train(scenario['case'], scenario['work_dir'], scenario['epochs'], rank, processes, resume, port)
                code = 0
            except SystemExit as error:
                code = error.code
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        pids.append(pid)
    return pids


def finish(pids, seconds=None):
    """Wait for all processes, and no longer than ``seconds`` after one was killed; their exit codes."""
    codes = {}
    end = None if seconds is None else time.monotonic() + seconds
    while len(codes) < len(pids):
        for pid in set(pids) - set(codes):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
                if codes[pid]:  # the others go with it, at once or after they have said why
                    end = min(end or 1e18, time.monotonic() + (1 if codes[pid] < 0 else 30))
        if end is not None and time.monotonic() > end:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        time.sleep(0.005)
    return [codes[pid] for pid in pids]


def play(scenario):
    """Run the scenario; how often it was killed, where that left it, and the exit codes of the last start."""
    work_dir = Path(scenario['work_dir'])
    work_dir.mkdir(parents=True, exist_ok=True)
    log = work_dir.parent / f'{work_dir.name}.log'
    left, starts = [], 0
    for kill in [*scenario.get('kills', ()), None]:
        began = time.monotonic()
        pids = start(scenario, kill, resume=starts > 0, log=log)
        starts += 1
        codes = finish(pids, kill[1] if kill and kill[0] == 'time' else None)
        if kill and not all(codes):  # the training was over before
            break
        seconds = round(time.monotonic() - began, 2)
        files = sorted(path.name for path in work_dir.glob('*.pth'))
        parts = len(list(work_dir.glob('.*part')))
        left.append(dict(kill=kill, codes=codes, seconds=seconds, files=files, parts=parts))
    return dict(starts=starts, left=left, codes=codes)


# ---- comparing -------------------------------------------------------------------------------------------------------
def digest(value):
    """A text that tells values apart, bit for bit."""
    if isinstance(value, dict):
        return repr({key: digest(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return repr([digest(item) for item in value])
    if not hasattr(value, 'numpy'):
        return repr(value)
    import torch

    data = value.contiguous().reshape(-1).view(torch.uint8).numpy() if value.numel() else b''
    return f'{value.dtype} {tuple(value.shape)} {hashlib.sha256(data).hexdigest()}'


def outcome(work_dir, epochs):
    """Digests of all that a training computed, by name."""
    from mmfer.utils.checkpoint import load_checkpoint

    found = {}
    names = [f'epoch_{epochs}.pth', *(path.name for path in Path(work_dir).glob('best_*.pth'))]
    for name in sorted(names):
        content = load_checkpoint(Path(work_dir, name))
        hub = content.pop('message_hub')
        for key, value in content.items():
            if key == 'meta':
                found[f'{name}: meta'] = digest([value[key] for key in META])
            else:
                for part, item in value.items() if isinstance(value, dict) else enumerate(value):
                    found[f'{name}: {key}.{part}'] = digest(item)
        for key, value in hub['log_scalars'].items():
            if not key.endswith(LEFT_OUT):
                found[f'{name}: {key}'] = digest(value)
        for key in ('best_score', 'best_ckpt', 'iter', 'epoch'):
            found[f'{name}: hub.{key}'] = digest(hub['runtime_info'].get(key))
    return found


if __name__ == '__main__':
    import matplotlib.pyplot  # noqa: F401 (once, for all that are forked)
    from mmengine.config import Config

    from mmfer.apis import build_runner  # noqa: F401

    gc.freeze()  # what is imported is not to be searched by every process
    Config.pretty_text = property(lambda self: str(self._cfg_dict))  # yapf takes longer than the training
    print(json.dumps([play(scenario) for scenario in json.loads(sys.argv[1])]))
