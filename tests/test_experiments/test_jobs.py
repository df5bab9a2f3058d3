import os
import sys

from mmfer.experiments.jobs import Job, Step, job_environment, run_jobs, visible_gpus


def make_job(tmp_path, name, *codes):
    """A job whose steps run Python code without any imports."""
    steps = [
        Step(f'step {i}', lambda code=code: [sys.executable, '-S', '-c', code], tmp_path / name / f'{i}.log')
        for i, code in enumerate(codes)
    ]
    return Job(name, steps)


def run(jobs, slots=1):
    told = []
    number = run_jobs(
        jobs, slots, lambda slot: dict(os.environ, SLOT=str(slot)), lambda j: told.append((j.of, j.state))
    )
    return number, told


def test_steps_follow_each_other_and_print_into_their_logs_or_the_terminal(tmp_path, capfd):
    job = make_job(tmp_path, 'a', 'print(1)', 'import sys; print(2); print(3, file=sys.stderr)', 'print(6 * 7)')
    job.steps[2].log = None
    assert run([job]) == (0, [*[('a', 'running')] * 3, ('a', 'done')])
    assert (tmp_path / 'a/0.log').read_text().splitlines()[1:] == ['1']
    assert sorted((tmp_path / 'a/1.log').read_text().splitlines()[1:]) == ['2', '3']
    assert (tmp_path / 'a/0.log').read_text().startswith(f'$ {sys.executable} -S -c')
    command, answer = capfd.readouterr().out.splitlines()
    assert (command.split()[0], answer) == (sys.executable, '42')
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


def test_the_cpus_are_shared(monkeypatch):
    monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: range(8), raising=False)
    found = [job_environment(0, *n, environment={}).get('OMP_NUM_THREADS') for n in ((1, 1), (2, 1), (2, 2), (9, 1))]
    assert found == [None, '4', '2', '1']
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
