import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from small_runs import small_config

from mmfer.apis import build_runner
from mmfer.engine.hooks import speed_hook
from mmfer.engine.hooks.speed_hook import SpeedHook, process_memory


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speed_hook.time, 'perf_counter', clock)
    return clock


def speeds(hook, clock, seconds, images=8, batch=None):
    runner = SimpleNamespace(message_hub=MessageHub('speed'))
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    for i, duration in enumerate(seconds):
        clock.now += duration
        hook.after_train_iter(runner, i, dict(inputs=torch.zeros(images, 3)) if batch is None else batch)
        buffer = runner.message_hub.log_scalars.get('train/images_per_s')
        yield None if buffer is None else buffer.current()


def test_the_first_iterations_do_not_count(clock):
    assert list(speeds(SpeedHook(warmup=2), clock, [60, 9, 0.5, 1.5])) == [None, None, 16, 8]


def test_mean_of_the_last_iterations(clock):
    assert list(speeds(SpeedHook(warmup=0, window=2), clock, [1, 2, 8])) == [8, 5.3, 1.6]


def test_images_of_all_processes(clock, monkeypatch):
    monkeypatch.setattr(speed_hook, 'get_world_size', lambda: 4)
    assert list(speeds(SpeedHook(warmup=0), clock, [1])) == [32]


def test_several_views_of_an_image_count_once(clock):
    views = dict(inputs=dict(weak=torch.zeros(5, 3), strong=torch.zeros(5, 3)))
    assert list(speeds(SpeedHook(warmup=0), clock, [1], batch=views)) == [5]
    images, samples = list(torch.zeros(5, 3)), [object()] * 5
    for batch in ((torch.zeros(5, 2, 3), samples), ([images] * 2, samples), ([images] * 2, [samples] * 2)):
        batch = dict(zip(('inputs', 'data_samples'), batch))
        assert list(speeds(SpeedHook(warmup=0), clock, [1], batch=batch)) == [5]


def test_time_between_epochs_does_not_count(clock):
    hook = SpeedHook(warmup=0)
    list(speeds(hook, clock, [1]))
    runner = SimpleNamespace(message_hub=MessageHub('between'))
    clock.now += 1000  # validation
    hook.before_train_epoch(runner)
    clock.now += 1
    hook.after_train_iter(runner, 0, dict(inputs=torch.zeros(8, 3)))
    assert runner.message_hub.get_scalar('train/images_per_s').current() == 8


def test_a_new_training_is_measured_anew(clock):
    hook = SpeedHook(warmup=1)
    assert list(speeds(hook, clock, [1, 1])) == [None, 8]
    assert list(speeds(hook, clock, [1, 2])) == [None, 4]


@pytest.mark.skipif(not Path('/proc/self/status').is_file(), reason='needs /proc')
def test_memory_of_this_process():
    size = re.search(r'VmRSS:\s+(\d+) kB', Path('/proc/self/status').read_text())[1]
    assert process_memory() == pytest.approx(int(size) / 1024, abs=32)
    assert isinstance(process_memory(), int)


@pytest.mark.parametrize('options', [dict(warmup=-1), dict(window=0)])
def test_wrong_arguments_are_named(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        SpeedHook(**options)


def test_log_lines_show_what_is_needed_to_follow_a_run(tmp_path):
    config = small_config(tmp_path)
    config.train_dataloader.batch_size = 2
    config.default_hooks.logger.interval = 7
    config.custom_hooks = [dict(type='SpeedHook', warmup=2)]
    runner = build_runner(config)
    runner.train()
    log = next(tmp_path.glob('*/*.log')).read_text()
    line = [line for line in log.splitlines() if 'Epoch(train)' in line][-1]
    for name in ('lr', 'eta', 'time', 'data_time', 'memory', 'images_per_s', 'grad_norm', 'loss'):
        assert f'{name}: ' in line
    records = [json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    assert type(records[0]['memory']) is int
    assert records[0]['images_per_s'] > 0
    content = torch.load(tmp_path / 'epoch_1.pth', weights_only=True)
    assert 'train/loss' in content['message_hub']['log_scalars']
    assert 'train/images_per_s' not in content['message_hub']['log_scalars']
    assert 'prefix is not set' not in log
