import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mmfer.experiments.jobs import Job, Step, job_environment, locked, run_jobs, visible_gpus


def make_job(tmp_path, name, *codes):
    """A job whose steps run Python code without any imports."""
    steps = [
        Step(f'step {i}', lambda code=code: [sys.executable, '-S', '-c', code], tmp_path / name / f'{i}.log')
        for i, code in enumerate(codes)
    ]
    return Job(name, steps)


def run(jobs, slots=1, **options):
    told = []
    number = run_jobs(
        jobs, slots, lambda slot: dict(os.environ, SLOT=str(slot)), lambda j: told.append((j.of, j.state))
    )
    return number, told


def test_steps_follow_each_other_and_print_into_their_logs(tmp_path):
    job = make_job(tmp_path, 'a', 'print(1)', 'import sys; print(2); print(3, file=sys.stderr)')
    assert run([job]) == (0, [('a', 'running'), ('a', 'running'), ('a', 'done')])
    assert (tmp_path / 'a/0.log').read_text().splitlines()[1:] == ['1']
    assert sorted((tmp_path / 'a/1.log').read_text().splitlines()[1:]) == ['2', '3']
    assert (tmp_path / 'a/0.log').read_text().startswith(f'$ {sys.executable} -S -c')
    assert job.seconds > 0


def test_a_failure_ends_its_job_and_no_other(tmp_path):
    def refuse():
        raise ValueError('nothing to test')

    jobs = [
        make_job(tmp_path, 'a', 'raise SystemExit(3)', 'print(1)'),
        make_job(tmp_path, 'b', 'import os; os.kill(os.getpid(), 9)'),
        Job('c', [Step('testing', refuse, tmp_path / 'c.log')]),
        Job('d', [Step('training', lambda: ['/no/such/program'], tmp_path / 'd.log')]),
        make_job(tmp_path, 'e', 'print(1)'),
    ]
    assert run(jobs, slots=2)[0] == 0
    assert [job.state for job in jobs] == ['failed'] * 4 + ['done']
    assert [job.detail for job in jobs[:3]] == ['exit code 3', 'killed by SIGKILL', 'nothing to test']
    assert '/no/such/program' in jobs[3].detail
    assert not (tmp_path / 'a/1.log').exists()


def test_without_a_log_the_terminal_shows_what_is_printed(tmp_path, capfd):
    job = make_job(tmp_path, 'a', 'print(6 * 7)')
    job.steps[0].log = None
    assert run([job])[1] == [('a', 'running'), ('a', 'done')]
    command, answer = capfd.readouterr().out.splitlines()
    assert command.startswith(sys.executable)
    assert answer == '42'


def test_slots_run_at_the_same_time(tmp_path):
    meet = (
        'import os, time, pathlib\n'
        f'here = pathlib.Path({str(tmp_path)!r})\n'
        '(here / os.environ["SLOT"]).touch()\n'
        'while len(list(here.glob("[01]"))) < 2: time.sleep(0.01)\n'
    )
    jobs = [make_job(tmp_path, name, meet) for name in 'ab']
    assert run(jobs, slots=2)[0] == 0
    assert [job.state for job in jobs] == ['done'] * 2


def test_a_signal_reaches_all_that_run_and_no_other_begins(tmp_path):
    wait = (
        'import signal, sys, time, pathlib\n'
        'signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))\n'
        'pathlib.Path({!r}).touch()\n'
        'time.sleep(60)\n'
    )
    ready = [tmp_path / 'ready_a', tmp_path / 'ready_b']
    jobs = [make_job(tmp_path, name, wait.format(str(path)), 'print(1)') for name, path in zip('ab', ready)]
    jobs.append(make_job(tmp_path, 'c', 'print(1)'))

    def stop():
        while not all(path.exists() for path in ready):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    before = signal.getsignal(signal.SIGTERM)
    assert run(jobs, slots=2)[0] == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert [job.state for job in jobs] == ['interrupted', 'interrupted', 'waiting']
    assert all('saved' in (tmp_path / name / '0.log').read_text() for name in 'ab')
    assert not (tmp_path / 'a/1.log').exists()


def test_the_cpus_are_shared(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: range(8), raising=False)
    assert 'OMP_NUM_THREADS' not in job_environment(0, 1, 1, environment={})
    assert job_environment(0, 2, 1, environment={})['OMP_NUM_THREADS'] == '4'
    assert job_environment(0, 2, 2, environment={})['OMP_NUM_THREADS'] == '2'
    assert job_environment(0, 9, 1, environment={})['OMP_NUM_THREADS'] == '1'
    assert job_environment(0, 2, 1, environment=dict(OMP_NUM_THREADS='7'))['OMP_NUM_THREADS'] == '7'
    assert job_environment(0, 1, 2, environment={})['TORCH_DISABLE_SHARE_RDZV_TCP_STORE'] == '1'


def test_several_gpus_are_dealt_out(monkeypatch):
    named = [job_environment(i, 3, 1, ['2', '5'], {}).get('CUDA_VISIBLE_DEVICES') for i in range(3)]
    assert named == ['2', '5', '2']
    for arguments in ((0, 3, 1, ['2']), (0, 1, 1, ['2', '5']), (0, 3, 2, ['2', '5'])):
        assert 'CUDA_VISIBLE_DEVICES' not in job_environment(*arguments, {})
    monkeypatch.setattr('torch.cuda.device_count', lambda: 2)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '2,5')
    assert visible_gpus() == ['2', '5']
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES')
    assert visible_gpus() == ['0', '1']


@pytest.mark.skipif(os.name == 'nt', reason='no such locks')
def test_a_folder_is_kept_until_the_last_process_has_ended(tmp_path):
    with locked(tmp_path / 'work') as files:
        with pytest.raises(ValueError, match='another comparison is at work'), locked(tmp_path / 'work'):
            pass
        child = subprocess.Popen([sys.executable, '-S', '-c', 'input()'], stdin=subprocess.PIPE, pass_fds=files)
    with pytest.raises(ValueError, match='left behind'), locked(tmp_path / 'work'):
        pass
    child.communicate(b'\n')
    with locked(tmp_path / 'work'):
        pass
