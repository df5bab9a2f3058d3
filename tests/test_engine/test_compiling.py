import copy

import pytest
import torch
from sam_steps import build
from sam_steps import step as sam_step
from small_runs import small_config, small_model
from torch import nn
from trial import compile_counts

from mmfer.apis import build_runner
from mmfer.engine.compiling import compile_features

TRACED = dict(backend='aot_eager')  # traces as inductor does, and needs no C++ compiler


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path)


def graphs(function, *args):
    """How many graphs were compiled, breaks and frames left alone meanwhile."""
    before = compile_counts()
    function(*args)
    return {name: count - before[name] for name, count in compile_counts().items()}


def step(model):
    torch.manual_seed(1)
    loss = model(torch.randn(4, 3, 32, 32), mode='tensor').square().mean()
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), grads, dict(model.named_buffers())


def assert_same(one, other):
    torch.testing.assert_close(one[0], other[0], rtol=1e-5, atol=1e-7)
    for values, others in zip(one[1:], other[1:]):
        assert values.keys() == others.keys()
        for name, value in values.items():
            torch.testing.assert_close(others[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_loss_gradients_and_statistics_are_the_same(model):
    other = copy.deepcopy(model)
    compile_features(other, TRACED)
    assert other.state_dict().keys() == model.state_dict().keys()
    results = []
    assert graphs(lambda: results.append(step(other))) == dict(graphs=1, graph_breaks=0, fallbacks=0)
    assert_same(step(model), results[0])


def test_only_trainings_are_compiled_and_false_does_nothing(model):
    for off in (False, None):
        compile_features(model, off)
        assert graphs(step, model)['graphs'] == 0
    compile_features(model, TRACED)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        assert graphs(model, images)['graphs'] == 0
    assert graphs(model.eval(), images)['graphs'] == 0
    assert graphs(model.train(), images)['graphs'] == 1


@pytest.mark.slow
def test_a_copy_computes_with_its_own_weights(model):
    compile_features(model, TRACED)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    images = torch.randn(2, 3, 32, 32)
    assert float(model(images).detach().abs().max()) > 0
    assert float(other(images).detach().abs().max()) == 0


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)).double()

    def extract_feat(self, inputs):
        return self.layers(inputs)

    def forward(self, inputs):
        return self.extract_feat(inputs)


@pytest.mark.parametrize('second_pass_bn', ['update', 'freeze'])
def test_steps_of_sam_are_the_same(second_pass_bn):
    states = []
    for compiled in (False, TRACED):
        torch.manual_seed(0)
        model = Small().train()
        compile_features(model, compiled)
        wrapper = build(model, second_pass_bn=second_pass_bn)
        losses = sum((sam_step(model, wrapper, seed) for seed in range(3)), [])
        states.append((losses, model.state_dict()))
    assert states[0][0] == pytest.approx(states[1][0])
    for name, value in states[0][1].items():
        torch.testing.assert_close(states[1][1][name], value, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_a_training_ends_with_the_same_weights(tmp_path):
    weights = []
    for compiled in (False, TRACED):
        config = small_config(tmp_path / str(bool(compiled)))
        config.compile = compiled
        runner = build_runner(config)
        counted = graphs(runner.train)
        assert (counted['graphs'] > 0) == bool(compiled)
        weights.append(runner.model.state_dict())
    log = next((tmp_path / 'True').rglob('*.log')).read_text()
    assert 'compile: the first step compiles backbone and neck' in log
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_what_cannot_be_compiled(model, tmp_path):
    with pytest.raises(TypeError, match="compile='yes': True, False, or a dict"):
        compile_features(model, 'yes')
    with pytest.raises(ValueError, match='Linear has no extract_feat'):
        compile_features(nn.Linear(1, 1), True)
    config = small_config(tmp_path)
    config.update(compile=True, checkpoint_activations=['neck'])
    with pytest.raises(ValueError, match='compile and checkpoint_activations do not go together'):
        build_runner(config)
    config.update(compile=1, checkpoint_activations=[])
    with pytest.raises(TypeError, match='compile=1'):
        build_runner(config)
