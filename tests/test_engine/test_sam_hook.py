import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from small_runs import small_config
from torch import nn
from torch.nn import functional as F

from mmfer.apis import build_runner
from mmfer.engine.hooks.sam_hook import SAMHook
from mmfer.engine.optim_wrappers import SAMOptimWrapper


class Noisy(BaseDataPreprocessor):
    """Augmentation of whole batches, at random while training."""

    def forward(self, data, training=False):
        data = super().forward(data, training)
        return dict(data, inputs=data['inputs'] + torch.randn_like(data['inputs'])) if training else data


class Tiny(BaseModel):
    def __init__(self, preprocessor=None):
        super().__init__(preprocessor or BaseDataPreprocessor())
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).double()
        self.seen = []

    def forward(self, inputs, labels, mode='tensor'):
        self.seen.append(inputs)
        return dict(loss_ce=F.cross_entropy(self.net(inputs), labels))


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(8, 6, generator=generator, dtype=torch.float64)
    return dict(inputs=inputs, labels=torch.randint(0, 3, (8,), generator=generator))


def runner_of(model, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return SimpleNamespace(model=model, optim_wrapper=SAMOptimWrapper(optimizer, **options))


def iterate(runner, hook, data):
    """What MMEngine's loop does with a batch."""
    hook.before_train_iter(runner, 0, data)
    outputs = runner.model.train_step(data, runner.optim_wrapper)
    hook.after_train_iter(runner, 0, data, outputs)
    return outputs


def test_the_batch_is_preprocessed_once():
    runner, hook = runner_of(Tiny(Noisy())), SAMHook()
    hook.before_train(runner)
    for seed in range(2):
        iterate(runner, hook, batch(seed))
    first, again, second, _ = runner.model.seen
    assert torch.equal(first, again)
    assert not torch.equal(first, batch(0)['inputs'])
    assert not torch.equal(first, second)
    assert not runner.model.data_preprocessor._forward_hooks


def test_an_iteration_that_failed_leaves_nothing_behind():
    runner, hook = runner_of(Tiny()), SAMHook()
    hook.before_train_iter(runner, 0, batch(0))
    hook.before_train_iter(runner, 0, batch(1))  # the one before ended with an error
    runner.model.train_step(batch(1), runner.optim_wrapper)
    hook.after_train(runner)
    assert not runner.model.data_preprocessor._forward_hooks


def test_a_refused_step_waits_until_all_processes_meet():
    """In a distributed training it may be refused in one of them alone."""
    runner, hook = runner_of(Tiny()), SAMHook()
    before = [p.detach().clone() for p in runner.model.parameters()]
    next(runner.model.parameters()).register_hook(lambda grad: grad * float('inf'))
    hook.before_train(runner)
    hook.before_train_iter(runner, 0, batch(0))
    outputs = runner.model.train_step(batch(0), runner.optim_wrapper)
    assert outputs['loss'].isfinite()
    with pytest.raises(FloatingPointError, match='second pass is nan'):
        hook.after_train_iter(runner, 0, batch(0), outputs)
    assert all(map(torch.equal, runner.model.parameters(), before))


def test_other_wrappers_are_left_alone():
    runner = SimpleNamespace(model=Tiny(), optim_wrapper=object())
    hook = SAMHook()
    hook.before_train(runner)
    hook.before_train_iter(runner, 0, batch(0))
    assert not runner.model.data_preprocessor._forward_hooks


def test_models_that_cannot_be_repeated_are_refused():
    hook = SAMHook()
    with pytest.raises(TypeError, match='MMDistributedDataParallel, not with DataParallel'):
        hook.before_train(runner_of(nn.DataParallel(Tiny())))
    with pytest.raises(TypeError, match='BaseModel, not Linear'):
        hook.before_train(runner_of(nn.Linear(2, 2)))
    runner = runner_of(Tiny())
    hook.before_train_iter(runner, 0, batch(0))
    for _ in range(2):
        data = runner.model.data_preprocessor(batch(0), True)
    loss = runner.model(**data)['loss_ce']
    with pytest.raises(RuntimeError, match='2 times.*train_step'):
        runner.optim_wrapper.update_params(loss)


def sam_config(work_dir, **options):
    config = small_config(work_dir, epochs=2)
    optimizer = dict(type='AdamW', lr=1e-3, weight_decay=0.05)
    config.optim_wrapper = dict(type='SAMOptimWrapper', optimizer=optimizer, **options)
    config.custom_hooks = [dict(type='SAMHook')]
    return config


@pytest.mark.parametrize(
    'options', [dict(), dict(dtype='bfloat16', interval=2, second_pass_bn='freeze', clip_grad=dict(max_norm=5.0))]
)
def test_training(tmp_path, options):
    runner = build_runner(sam_config(tmp_path, **options))
    passes = []
    runner.model.backbone.register_forward_hook(lambda module, inputs, output: passes.append(module.training))
    runner.train()
    iterations, interval = runner.iter, options.get('interval', 1)
    assert iterations == 4
    assert sum(passes) == iterations + iterations // interval
    content = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)
    assert content['optimizer']['sam_steps'] == iterations
    history, _ = runner.message_hub.get_scalar('train/sharpness').data
    assert len(history) == iterations // interval
    norms, _ = runner.message_hub.get_scalar('train/grad_norm').data
    assert len(norms) == iterations
    log = next(tmp_path.glob('*/*.log')).read_text()
    assert 'sharpness' in log
    assert 'grad_norm' in log


def test_both_passes_draw_noise_in_the_head(tmp_path):
    runner = build_runner(sam_config(tmp_path, rho=1e-9))  # the weights of both passes are all but equal
    samples = []
    runner.model.head.loss_module.register_forward_pre_hook(lambda module, inputs: samples.append(inputs[0].detach()))
    runner.train()
    first, second = samples[:2]
    assert (first - second).abs().mean() > 0.1


PROCESS = """
import sys
from types import SimpleNamespace

import torch
from mmengine.model import MMDistributedDataParallel
from torch import distributed

sys.path[:0] = sys.argv[4:]
from test_sam_hook import SAMHook, Tiny, batch, iterate, runner_of
from mmfer.engine.runner import leave_group

rank, rendezvous, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
distributed.init_process_group('gloo', init_method=f'file://{rendezvous}', rank=rank, world_size=2)
results = {}
for name, options in {OPTIONS}.items():
    model = MMDistributedDataParallel(module=Tiny(), device_ids=None, broadcast_buffers=False)
    runner, hook = runner_of(model, **options), SAMHook()
    hook.before_train(runner)
    for seed in range(4):
        iterate(runner, hook, {key: value[4 * rank:4 * rank + 4] for key, value in batch(seed).items()})
    results[name] = [p.detach() for p in model.parameters()]
torch.save(results, f'{out}/{rank}.pt')
leave_group()
"""
OPTIONS = dict(
    plain=dict(),
    adaptive=dict(adaptive=True, rho=0.5, interval=2, clip_grad=dict(max_norm=0.3)),
    low=dict(dtype='bfloat16', second_pass_bn='freeze'),
)


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    folder = Path(__file__).parent
    script = PROCESS.replace('{OPTIONS}', repr(OPTIONS))
    arguments = [str(tmp_path / 'rendezvous'), str(tmp_path), str(folder), str(folder.parent)]
    processes = [
        subprocess.Popen([sys.executable, '-c', script, str(rank), *arguments], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for process in processes:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
    first, second = (torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(2))
    for name, options in OPTIONS.items():
        assert all(map(torch.equal, first[name], second[name]))
        runner, hook = runner_of(Tiny(), **options), SAMHook()
        for seed in range(4):
            iterate(runner, hook, batch(seed))
        for a, b in zip(first[name], runner.model.parameters()):
            torch.testing.assert_close(a, b.detach(), rtol=1e-10, atol=1e-12)
