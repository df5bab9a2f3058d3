import copy
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from sam_steps import ADAMW, SGD, batch, build, logged, loss_of, network, step, weights
from torch import nn

fp16_on_cpu = pytest.mark.skipif(not hasattr(torch.amp, 'GradScaler'), reason='needs torch 2.3')


def test_plain_steps_are_the_optimizers_own():
    model, other = network(), network()
    wrapper = build(model, interval=3)
    plain = OptimWrapper(torch.optim.SGD(other.parameters(), **SGD))
    assert len(step(model, wrapper, 0)) == 2
    other.load_state_dict(model.state_dict())
    plain.load_state_dict(copy.deepcopy(wrapper.state_dict()))
    for seed in (1, 2):
        assert len(step(model, wrapper, seed)) == 1
        plain.update_params(loss_of(other, seed))
    assert all(map(torch.equal, weights(model), weights(other)))
    assert len(step(model, wrapper, 3)) == 2


@pytest.mark.parametrize('adaptive', [False, True])
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_weights_are_restored_bit_for_bit(adaptive, memory_format):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.PReLU(), nn.Flatten(), nn.Linear(32, 3)).to(
        memory_format=memory_format
    )
    with torch.no_grad():
        model[0].weight[0] = -0.0
        model[3].weight[0] = 1e-40  # subnormal
    bits = [p.detach().clone().view(torch.int32) for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer.step = lambda: None  # any real step would turn -0.0 into 0.0
    wrapper = build(model, optimizer, rho=3.7, adaptive=adaptive)
    images = torch.randn(4, 3, 4, 4)
    pointers = [p.data_ptr() for p in model.parameters()]
    moved = []

    def run():
        moved.append([not torch.equal(p.detach().view(torch.int32), b) for p, b in zip(model.parameters(), bits)])
        return model(images).square().mean()

    for _ in range(2):
        wrapper.set_closure(run, model)
        wrapper.update_params(run())
        assert all(torch.equal(p.detach().view(torch.int32), b) for p, b in zip(model.parameters(), bits))
    assert moved == [[False] * len(bits), [True] * len(bits)] * 2
    assert [p.data_ptr() for p in model.parameters()] == pointers  # restored in place


@pytest.mark.parametrize('error', [RuntimeError, KeyboardInterrupt])
def test_weights_are_restored_when_the_second_pass_fails(error):
    model = network()
    before = weights(model)

    def fail():
        assert not torch.equal(model[0].weight, before[0])
        raise error('interrupted')

    with pytest.raises(error, match='interrupted'):
        step(model, build(model), 0, fail)
    assert all(map(torch.equal, weights(model), before))


@pytest.mark.parametrize(('option', 'updates'), [('update', 2), ('freeze', 1)])
def test_running_statistics(option, updates):
    model = network(torch.float64, nn.BatchNorm1d(16))
    wrapper = build(model, second_pass_bn=option)
    seen = []

    def look(module, inputs, output):
        seen.append(inputs[0].detach().mean(0))
        torch.testing.assert_close(output.mean(0), module.bias)  # either way normalised by the batch's statistics

    model[1].register_forward_hook(look)
    step(model, wrapper, 0)
    assert len(seen) == 2
    mean = torch.zeros(16, dtype=torch.float64)
    for value in seen[:updates]:
        mean = 0.9 * mean + 0.1 * value
    torch.testing.assert_close(model[1].running_mean, mean)
    assert model[1].num_batches_tracked == updates
    assert model[1].track_running_stats


def test_frozen_statistics_of_layers_in_eval_mode():
    model = network(torch.float64, nn.BatchNorm1d(16))
    model[1].eval()
    first, second = step(model, build(model, rho=1e-12, second_pass_bn='freeze'), 0)
    assert second == pytest.approx(first, rel=1e-9)
    assert model[1].num_batches_tracked == 0


def test_zero_gradients():
    model = network()
    before = weights(model)
    wrapper = build(model, torch.optim.SGD(model.parameters(), lr=0.1))
    images = batch(0)[0]
    for adaptive in (False, True):
        wrapper.adaptive = adaptive
        wrapper.set_closure(lambda: (model(images) * 0).sum(), model)
        wrapper.update_params((model(images) * 0).sum())
        assert all(map(torch.equal, weights(model), before))
        assert logged('sharpness') == 0


def test_parameters_without_gradients_stay():
    model = network()
    model.unused = nn.Linear(2, 2).double()
    model.forward = lambda x: model[2](model[1](model[0](x)))
    model[0].bias.requires_grad_(False)
    before = dict(unused=model.unused.weight.detach().clone(), bias=model[0].bias.detach().clone())
    groups = [dict(params=[model[0].bias, model[0].weight]), dict(params=list(model.unused.parameters()), lr=0.5)]
    groups.append(dict(params=list(model[2].parameters()), lr=0.2))
    losses = step(model, build(model, torch.optim.SGD(groups, **SGD)), 0)
    assert losses[1] > losses[0]
    assert torch.equal(model.unused.weight, before['unused'])
    assert torch.equal(model[0].bias, before['bias'])


def test_a_loss_that_is_not_finite_updates_nothing():
    for interval in (1, 2):
        model = network()
        wrapper = build(model, interval=interval)
        if interval == 2:
            step(model, wrapper, 0)
        before = weights(model)
        state = copy.deepcopy(wrapper.optimizer.state_dict()['state'])
        wrapper.set_closure(lambda model=model: loss_of(model, 1), model)
        wrapper.update_params(loss_of(model, 1) * math.nan)  # the guards see this loss in the log
        assert all(map(torch.equal, weights(model), before))
        assert str(wrapper.optimizer.state_dict()['state']) == str(state)
        assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_a_second_loss_that_is_not_finite_is_an_error(bad):
    model = network()
    before = weights(model)
    with pytest.raises(FloatingPointError, match=rf'second pass is {bad}.*first is 1\.'):
        step(model, build(model), 0, lambda: loss_of(model, 0) * bad)
    assert all(map(torch.equal, weights(model), before))


def test_gradients_that_are_not_finite_are_an_error():
    model = network()
    before = weights(model)
    model[2].bias.register_hook(lambda g: g * math.nan)
    with pytest.raises(FloatingPointError, match='second pass|gradient'):
        step(model, build(model), 0)
    wrapper = build(model, interval=2)
    wrapper.load_state_dict(dict(wrapper.state_dict(), sam_steps=1))
    with pytest.raises(FloatingPointError, match='gradient of step 2 has norm nan'):
        step(model, wrapper, 0)
    assert all(map(torch.equal, weights(model), before))


def test_a_closure_serves_once():
    model = network()
    wrapper = build(model)
    with pytest.raises(RuntimeError, match='SAMHook.*set_closure'):
        wrapper.update_params(loss_of(model, 0))
    step(model, wrapper, 0)
    with pytest.raises(RuntimeError, match='SAMHook'):
        wrapper.update_params(loss_of(model, 0))


@pytest.mark.parametrize('steps', [3, 4])
def test_resume_is_exact(steps):
    model = network()
    make = lambda model: build(model, torch.optim.AdamW(model.parameters(), **ADAMW), interval=2)  # noqa: E731
    wrapper = make(model)
    for seed in range(steps):
        step(model, wrapper, seed)
    other = copy.deepcopy(model)
    resumed = make(other)
    state = copy.deepcopy(wrapper.state_dict())
    assert state['sam_steps'] == steps
    resumed.load_state_dict(state)
    for seed in range(steps, 8):
        assert step(model, wrapper, seed) == step(other, resumed, seed)
    assert all(map(torch.equal, weights(model), weights(other)))


def test_resume_from_a_run_without_sam():
    model = network()
    plain = OptimWrapper(torch.optim.SGD(model.parameters(), **SGD))
    plain.update_params(loss_of(model, 0))
    wrapper = build(model)
    wrapper.load_state_dict(plain.state_dict())
    assert len(step(model, wrapper, 1)) == 2
    plain.load_state_dict(wrapper.state_dict())


def test_bfloat16_is_close():
    full, low = network(torch.float32), network(torch.float32)
    start = weights(full)
    first, second = build(full), build(low, dtype='bfloat16')
    for seed in range(4):
        step(full, first, seed)
        step(low, second, seed)
    for a, b, s in zip(weights(low), weights(full), start):
        assert (a - b).norm() < 0.05 * (b - s).norm()
        assert not torch.equal(a, b)


@fp16_on_cpu
@pytest.mark.parametrize('adaptive', [False, True])
def test_float16_does_not_depend_on_the_scale(adaptive):
    results = []
    for options in (dict(), dict(dtype='float16', loss_scale=4.0), dict(dtype='float16', loss_scale=3000.0)):
        model = network(torch.float32)
        wrapper = build(model, adaptive=adaptive, clip_grad=dict(max_norm=0.5), **options)
        for seed in range(3):
            step(model, wrapper, seed)
        results.append(weights(model))
        if options:
            assert wrapper.loss_scaler.get_scale() == options['loss_scale']
    for full, small, large in zip(*results):
        torch.testing.assert_close(small, large, rtol=0.01, atol=1e-3)
        torch.testing.assert_close(full, large, rtol=0.01, atol=1e-3)


@fp16_on_cpu
@pytest.mark.parametrize('overflow_in', [1, 2])
def test_float16_overflow_leaves_the_step_out(overflow_in):
    model = network(torch.float32)
    wrapper = build(model, dtype='float16')
    scale, passes, before = wrapper.loss_scaler.get_scale(), [], weights(model)

    def run():
        passes.append(1)
        factor = 1e36 if len(passes) == overflow_in else 1
        return loss_of(model, 0) * factor

    wrapper.set_closure(run, model)
    with wrapper.optim_context(model):
        loss = run()
    wrapper.update_params(loss)
    assert len(passes) == overflow_in  # after an overflow there is no gradient to follow
    assert all(map(torch.equal, weights(model), before))
    assert wrapper.loss_scaler.get_scale() == scale / 2
    step(model, wrapper, 1)
    assert not any(map(torch.equal, weights(model), before))
    assert wrapper.state_dict()['loss_scaler']['scale'] == scale / 2
    assert wrapper.inner_count == 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(rho=0.0), 'rho=0.0'),
        (dict(rho=math.nan), 'rho=nan'),
        (dict(adaptive='yes'), "adaptive='yes'"),
        (dict(interval=0), 'interval=0'),
        (dict(second_pass_bn='eval'), "second_pass_bn='eval'.*'freeze'"),
        (dict(accumulative_counts=2), 'accumulative_counts=2.*batch_size'),
        (dict(dtype='fp16'), "dtype='fp16'"),
        (dict(clip_grad=dict()), 'clip_grad='),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        build(network(), **options)
