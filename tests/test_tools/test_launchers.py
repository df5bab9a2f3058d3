"""The shell scripts that start trainings: what they call, and what comes of signals and dying processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest
import torch
from processes import ROOT
from small_runs import small_config

from mmfer.apis import convert, init_model

# Acts once, in the first start of the training: kills rank 1, or asks the launcher to stop.
PLUG_IN = """
import os, signal
from mmengine.hooks import Hook
from mmfer.registry import HOOKS


@HOOKS.register_module()
class ActOnce(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter != 3 or os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') != '0' or runner._resume:
            return
        if runner.rank == 1 and os.environ['ACTION'] == 'die':
            os.kill(os.getpid(), signal.SIGKILL)
        if runner.rank == 1 and os.environ['ACTION'] == 'one':
            os.kill(os.getpid(), signal.SIGUSR1)
        if runner.rank == 0 and os.environ['ACTION'] == 'all':
            os.kill(os.getppid(), signal.SIGTERM)
"""


def changes(path, **more):
    """Changes of the environment: programs and modules in ``path`` come first, nothing is known of a cluster."""
    unset = dict.fromkeys(('SLURM_RESTART_COUNT', 'TORCHELASTIC_RESTART_COUNT', 'SLURM_JOB_ID', 'BATCH'))
    search = os.pathsep.join([str(path), str(Path(sys.executable).parent), os.environ['PATH']])
    return {**unset, **more, 'PATH': search, 'PYTHONPATH': str(path)}


def run(*args, path, **env):
    return processes.run(*args, env=changes(path, **env))


# ---- torchrun -----------------------------------------------------------------------------------------------------
@pytest.fixture
def two(tmp_path):
    """A config for two processes with the plug-in: four iterations of two epochs each."""
    (tmp_path / 'act_once.py').write_text(PLUG_IN)
    config = small_config(tmp_path / 'work', epochs=2)
    config.train_dataloader.update(batch_size=4)
    config.custom_hooks = [dict(type='ActOnce')]
    config.custom_imports = dict(imports=['act_once'])
    config.dump(tmp_path / 'two.py')

    def start(work_dir, *options, **env):
        args = ['tools/dist_train.sh', tmp_path / 'two.py', 2, '--work-dir', work_dir, *options]
        return run(*args, path=tmp_path, **env)

    return start


@pytest.mark.long
@pytest.mark.skipif(not torch.distributed.is_available(), reason='this PyTorch has no torch.distributed')
def test_two_processes_stop_and_start_as_one(two, tmp_path):
    whole = two(tmp_path / 'whole', ACTION='none')
    assert whole.returncode == 0, whole.stderr[-3000:]
    expected = torch.load(tmp_path / 'whole/epoch_2.pth', weights_only=True)['state_dict']

    # one process is killed: all start again and continue from the newest checkpoint, here the beginning
    died = two(tmp_path / 'died', ACTION='die', MAX_RESTARTS='1')
    assert died.returncode == 0, died.stderr[-3000:]
    # one process gets a signal: all of them stop at the same iteration
    stopped = two(tmp_path / 'stopped', ACTION='one')
    assert stopped.returncode != 0
    assert (tmp_path / 'stopped/epoch_0_iter_4.pth').is_file() or (tmp_path / 'stopped/epoch_1.pth').is_file()
    assert 'Stopped by SIGUSR1' in stopped.stdout + stopped.stderr
    two(tmp_path / 'stopped', '--resume', ACTION='none')

    for folder in ('died', 'stopped'):
        found = torch.load(tmp_path / folder / 'epoch_2.pth', weights_only=True)['state_dict']
        assert all(torch.equal(found[name], value) for name, value in expected.items()), folder


@pytest.mark.long
@pytest.mark.skipif(not torch.distributed.is_available(), reason='this PyTorch has no torch.distributed')
def test_a_signal_to_the_launcher_saves(two, tmp_path):
    stopped = two(tmp_path / 'work', ACTION='all', MAX_RESTARTS='1')
    assert stopped.returncode != 0
    assert 'Stopped by SIGTERM' in stopped.stdout + stopped.stderr
    assert list((tmp_path / 'work').glob('epoch_*.pth'))


def test_restarts_are_handed_to_torchrun(tmp_path):
    fake(tmp_path, 'python', 'echo "$@"')
    args = ['tools/dist_train.sh', 'config.py', 4, '--seed', 3]
    plain = run(*args, path=tmp_path).stdout.split()
    assert plain[plain.index('--nproc_per_node') + 1] == '4'
    assert plain[plain.index('--max_restarts') + 1] == '0'
    assert plain[-5:] == ['config.py', '--launcher', 'pytorch', '--seed', '3']
    many = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='head')
    words = run(*args, path=tmp_path, **many).stdout.split()
    assert words[words.index('--node_rank') + 1] == '1'
    assert '--standalone' not in words
    words = run(*args, path=tmp_path, MAX_RESTARTS='3', **many).stdout.split()
    assert words[words.index('--max_restarts') + 1] == '3'
    assert words[words.index('--nnodes') + 1] == '2'
    assert words[words.index('--rdzv_endpoint') + 1] == 'head:29500'
    assert words[-1] == '--resume'


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason='written for the CPU; needs two GPUs otherwise')
@pytest.mark.skipif(not torch.distributed.is_available(), reason='this PyTorch has no torch.distributed')
def test_the_documented_way_to_shard_a_model(tmp_path):
    """The program of docs/running.md with FSDP on two processes; what it saves can be converted."""
    page = (ROOT / 'docs/running.md').read_text()
    (script,) = (code for code in re.findall(r'```python\n(.*?)```', page, flags=re.DOTALL) if 'FlexibleRunner' in code)
    (tmp_path / 'train_sharded.py').write_text(script)
    small_config(tmp_path / 'work').dump(tmp_path / 'small.py')
    launch = ['python', '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', 2]
    args = (tmp_path / 'train_sharded.py', tmp_path / 'small.py', 'fsdp', tmp_path / 'work')
    result = run(*launch, *args, path=tmp_path)
    assert result.returncode == 0, result.stderr[-3000:]
    report = convert(tmp_path / 'work/epoch_1.pth', tmp_path / 'converted.pth', tmp_path / 'small.py')
    assert 'wrote' in report
    init_model(tmp_path / 'small.py', tmp_path / 'converted.pth')


# ---- Slurm --------------------------------------------------------------------------------------------------------
def fake(folder, name, body):
    path = folder / name
    path.write_text(f'#!/usr/bin/env bash\n{body}\n')
    path.chmod(0o755)
    return path


def test_srun_gets_a_signal_before_the_end(tmp_path):
    fake(tmp_path, 'srun', 'printf "%s\\n" "$@"')
    result = run('tools/slurm_train.sh', 'part', 'job', 'c.py', '--seed', 1, path=tmp_path, GPUS='4', GRACE='300')
    words = result.stdout.splitlines()
    assert {'part', '--job-name=job', '--ntasks=4', '--gres=gpu:4', '--signal=USR1@300'} <= set(words)
    assert words[-5:] == ['c.py', '--launcher', 'slurm', '--seed', '1']


def test_batch_job_is_submitted(tmp_path):
    fake(tmp_path, 'sbatch', 'printf "%s\\n" "$@"; cat > "$(dirname "$0")/job.sh"')
    args = ['part', 'job', 'my config.py', '--cfg-options', "a='b c'"]
    result = run('tools/slurm_train.sh', *args, path=tmp_path, BATCH='1', GPUS='2', SBATCH_ARGS='--time=1:00:00')
    assert result.returncode == 0, result.stderr
    words = set(result.stdout.splitlines())
    assert {'--requeue', '--open-mode=append', '--signal=B:USR1@120', '--time=1:00:00', '--ntasks=2'} <= words
    job = (tmp_path / 'job.sh').read_text()
    assert job.startswith('#!/usr/bin/env bash\n')
    fake(tmp_path, 'srun', 'printf "%s\\n" "$@"')
    inside = run('bash', tmp_path / 'job.sh', path=tmp_path, GPUS='2', SLURM_JOB_ID='7')
    assert inside.returncode == 0, inside.stderr
    words = inside.stdout.splitlines()
    assert words[-5:] == ['my config.py', '--launcher', 'slurm', '--cfg-options', "a='b c'"]
    assert '--ntasks=2' in words
    again = run('bash', tmp_path / 'job.sh', path=tmp_path, GPUS='2', SLURM_JOB_ID='7', SLURM_RESTART_COUNT='1')
    assert again.stdout.splitlines()[-1] == '--resume'


@pytest.mark.parametrize('code', [0, 138])
def test_batch_job_is_queued_again_at_its_time_limit(tmp_path, code):
    fake(
        tmp_path,
        'srun',
        f'trap "exit {code}" USR1\necho started > "$(dirname "$0")/started"\nwhile :; do sleep 0.1; done',
    )
    fake(tmp_path, 'scontrol', 'echo "$@"')
    process = subprocess.Popen(
        ['tools/slurm_train.sh', 'part', 'job', 'config.py'],
        cwd=ROOT,
        env=processes.environment(**changes(tmp_path, BATCH='inside', SLURM_JOB_ID='7')),
        stdout=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / 'started').exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)  # of a preemption: left to the training
    process.send_signal(signal.SIGUSR1)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert out.strip() == ('requeue 7' if code else '')


def test_a_failing_batch_job_is_not_queued_again(tmp_path):
    fake(tmp_path, 'srun', 'exit 3')
    fake(tmp_path, 'scontrol', 'echo "$@"')
    result = run('tools/slurm_train.sh', 'part', 'job', 'config.py', path=tmp_path, BATCH='inside', SLURM_JOB_ID='7')
    assert (result.returncode, result.stdout) == (3, '')
