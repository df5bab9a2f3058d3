import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn import functional as F

from mmfer.engine.optim_wrappers import AutocastOptimWrapper
from mmfer.engine.optim_wrappers import autocast as module

fp16_on_cpu = pytest.mark.skipif(not hasattr(torch.amp, 'GradScaler'), reason='needs torch 2.3')


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(8, 6, generator=generator), torch.randint(0, 3, (8,), generator=generator)


def train(model, wrapper, steps, first=0, loss_of=F.cross_entropy):
    for seed in range(first, first + steps):
        images, labels = batch(seed)
        with wrapper.optim_context(model):
            logits = model(images)
        wrapper.update_params(loss_of(logits.float(), labels))
    return [p.detach().clone() for p in model.parameters()]


def build(model, kind=AutocastOptimWrapper, **options):
    return kind(optimizer=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), **options)


def test_full_precision_is_mmengines_wrapper():
    clip = dict(max_norm=0.5)
    ours, theirs = network(), network()
    first = train(ours, build(ours, accumulative_counts=2, clip_grad=clip), 6)
    second = train(theirs, build(theirs, OptimWrapper, accumulative_counts=2, clip_grad=dict(clip)), 6)
    assert all(map(torch.equal, first, second))
    assert clip == dict(max_norm=0.5)


def test_the_config_keeps_its_dict():
    clip = dict(type='value', clip_value=0.1)
    build(network(), clip_grad=clip)
    assert clip == dict(type='value', clip_value=0.1)


@pytest.mark.parametrize('dtype', ['bfloat16', pytest.param('float16', marks=fp16_on_cpu)])
def test_low_precision_is_close(dtype):
    reference, low = network(), network()
    start = [p.detach().clone() for p in reference.parameters()]
    expected = train(reference, build(reference), 5)
    wrapper = build(low, dtype=dtype)
    with wrapper.optim_context(low):
        assert low(batch(0)[0]).dtype is getattr(torch, dtype)
    for a, b, s in zip(train(low, wrapper, 5), expected, start):
        assert a.dtype is torch.float32
        assert (a - b).norm() < 0.05 * (b - s).norm()
        assert not torch.equal(a, b)


@fp16_on_cpu
def test_overflow_leaves_the_step_out_and_lowers_the_scale():
    model = network()
    wrapper = build(model, dtype='float16', clip_grad=dict(max_norm=1.0))
    before = train(model, wrapper, 0)
    scale = wrapper.loss_scaler.get_scale()
    after = train(model, wrapper, 1, loss_of=lambda logits, labels: logits.sum() * 1e36)
    assert all(map(torch.equal, before, after))
    assert wrapper.loss_scaler.get_scale() == scale / 2
    assert not all(map(torch.equal, before, train(model, wrapper, 1)))


@fp16_on_cpu
def test_clipping_sees_true_gradients():
    model = network()
    wrapper = build(model, dtype='float16', loss_scale=1024.0, clip_grad=dict(max_norm=1e6))
    train(model, wrapper, 1)
    norm = float(wrapper.message_hub.get_scalar('train/grad_norm').current())
    model.zero_grad()
    images, labels = batch(0)
    fresh = network()
    F.cross_entropy(fresh(images), labels).backward()
    assert norm == pytest.approx(float(torch.stack([p.grad.norm() for p in fresh.parameters()]).norm()), rel=0.01)
    assert wrapper.loss_scaler.get_scale() == 1024  # a fixed scale stays


@fp16_on_cpu
def test_the_scale_is_resumed():
    options = dict(dtype='float16', loss_scale=dict(init_scale=256.0, growth_interval=3))
    model = network()
    wrapper = build(model, **options)
    train(model, wrapper, 4)
    state = copy.deepcopy(wrapper.state_dict())
    assert state['loss_scaler']['scale'] == 512
    assert {type(value) for value in state['loss_scaler'].values()} <= {int, float}
    other = copy.deepcopy(model)
    resumed = build(other, **options)
    resumed.load_state_dict(state)
    assert 'loss_scaler' in state  # the caller's dict is left whole
    assert all(map(torch.equal, train(model, wrapper, 4, 4), train(other, resumed, 4, 4)))
    assert resumed.state_dict()['loss_scaler'] == wrapper.state_dict()['loss_scaler']


@fp16_on_cpu
def test_state_fits_other_precisions():
    low, full = network(), network()
    wrapper, other = build(low, dtype='float16'), build(full)
    train(low, wrapper, 2)
    other.load_state_dict(wrapper.state_dict())
    wrapper.load_state_dict(other.state_dict())
    assert torch.equal(
        other.optimizer.state_dict()['state'][0]['momentum_buffer'],
        wrapper.optimizer.state_dict()['state'][0]['momentum_buffer'],
    )


def test_float16_on_an_old_torch_is_refused(monkeypatch):
    monkeypatch.delattr(module.torch.amp, 'GradScaler', raising=False)
    with pytest.raises(ValueError, match=r"dtype='float16' on cpu needs torch 2\.3.*bfloat16"):
        build(network(), dtype='float16')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(dtype='float32'), "dtype='float32'"),
        (dict(dtype='bfloat16', loss_scale=128.0), "loss_scale=128.0 is for dtype='float16'"),
        (dict(dtype='float16', loss_scale=-1.0), 'loss_scale=-1.0'),
        (dict(dtype='float16', loss_scale='static'), "loss_scale='static'"),
        pytest.param(dict(dtype='float16', loss_scale=dict(scale=2.0)), 'loss_scale=.*scale', marks=fp16_on_cpu),
        (dict(dtype='float16', loss_scale=dict(enabled=False)), 'loss_scale=.*bfloat16'),
        (dict(accumulative_counts=0), 'accumulative_counts=0'),
        (dict(clip_grad=dict(type='norm')), 'clip_grad='),
        (dict(clip_grad=5.0), 'clip_grad=5.0'),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        build(network(), **options)
