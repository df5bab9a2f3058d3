"""SAMOptimWrapper against the published algorithm, written out, and against recorded steps of the authors' code."""

import json
import math
from functools import partial

import golden
import pytest
import torch
from sam_steps import ADAMW, SGD, batch, build, logged, network, step
from torch.func import functional_call
from torch.nn import functional as F

from mmfer.apis import init_model
from mmfer.engine.optim_wrappers import SAMOptimWrapper
from mmfer.models.released.names import to_mmfer

ROOT = golden.GOLDEN.parents[2]


class StraightSAM:
    """The published algorithm, each formula as it stands, on a dict of float64 weights."""

    def __init__(self, model, kind, rho=0.05, adaptive=False, interval=1, max_norm=None):
        self.model, self.kind, self.rho, self.adaptive = model, kind, rho, adaptive
        self.interval, self.max_norm = interval, max_norm
        self.w = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.m = {name: torch.zeros_like(w) for name, w in self.w.items()}
        self.v = {name: torch.zeros_like(w) for name, w in self.w.items()}
        self.steps = 0

    def gradient(self, w, seed):
        w = {name: value.clone().requires_grad_() for name, value in w.items()}
        images, labels = batch(seed)
        loss = F.cross_entropy(functional_call(self.model, w, (images,)), labels)
        return loss.item(), dict(zip(w, torch.autograd.grad(loss, list(w.values()))))

    @staticmethod
    def norm(values):
        return math.sqrt(sum(float((value**2).sum()) for value in values))

    def step(self, seed):
        first, g = self.gradient(self.w, seed)
        losses = [first]
        if self.steps % self.interval == 0:
            t = {name: w.abs() if self.adaptive else torch.ones_like(w) for name, w in self.w.items()}
            length = self.norm(t[name] * g[name] for name in g) + 1e-12
            near = {name: w + self.rho * t[name] ** 2 * g[name] / length for name, w in self.w.items()}
            second, g = self.gradient(near, seed)
            losses.append(second)
        self.steps += 1
        self.grad_norm = self.norm(g.values())
        if self.max_norm is not None:
            g = {name: value * min(1, self.max_norm / (self.grad_norm + 1e-6)) for name, value in g.items()}
        for name, w in self.w.items():
            getattr(self, self.kind)(name, w, g[name])
        return losses

    def sgd(self, name, w, g):
        self.m[name] = SGD['momentum'] * self.m[name] + g + SGD['weight_decay'] * w
        self.w[name] = w - SGD['lr'] * self.m[name]

    def adamw(self, name, w, g):
        self.m[name] = 0.9 * self.m[name] + 0.1 * g
        self.v[name] = 0.999 * self.v[name] + 0.001 * g**2
        mean, square = self.m[name] / (1 - 0.9**self.steps), self.v[name] / (1 - 0.999**self.steps)
        w = w * (1 - ADAMW['lr'] * ADAMW['weight_decay'])
        self.w[name] = w - ADAMW['lr'] * mean / (square.sqrt() + 1e-8)


@pytest.mark.parametrize('interval', [1, 2])
@pytest.mark.parametrize('max_norm', [None, 0.3])
@pytest.mark.parametrize(('adaptive', 'rho'), [(False, 0.05), (True, 0.5)])
@pytest.mark.parametrize('kind', ['sgd', 'adamw'])
def test_step_by_step(kind, adaptive, rho, max_norm, interval):
    model = network()
    maker, settings = dict(sgd=(torch.optim.SGD, SGD), adamw=(torch.optim.AdamW, ADAMW))[kind]
    clip = None if max_norm is None else dict(max_norm=max_norm)
    options = dict(rho=rho, adaptive=adaptive, interval=interval)
    wrapper = build(model, maker(model.parameters(), **settings), clip_grad=clip, **options)
    straight = StraightSAM(network(), kind, max_norm=max_norm, **options)
    for seed in range(6):
        losses, expected = step(model, wrapper, seed), straight.step(seed)
        assert losses == pytest.approx(expected, rel=1e-12)
        if len(expected) == 2:
            assert logged('sharpness') == pytest.approx(expected[1] - expected[0], rel=1e-9)
        assert logged('grad_norm') == pytest.approx(straight.grad_norm, rel=1e-10)
        for name, p in model.named_parameters():
            torch.testing.assert_close(p.detach(), straight.w[name], rtol=1e-11, atol=1e-13)
            assert p.grad is None
    assert wrapper.inner_count == 6


def test_mixed_types():
    """The norm is taken over all parameters, whatever their types."""
    model = network(torch.float32)
    model[2].double()
    model.forward = lambda x: model[2](model[1](model[0](x.float())).double())
    straight = StraightSAM(network(), 'sgd')
    step(model, build(model), 0)
    straight.step(0)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach().double(), straight.w[name], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope='module')
def released():
    config = ROOT / 'configs/poster_var/raf.py'
    model = init_model(config, golden.converted('poster_var_7', config)).requires_grad_(True).eval()
    model.backbone.frozen = False  # the recorded steps train the landmark stream, too
    return model, {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['sgd', pytest.param('adamw', marks=pytest.mark.long)])
def test_the_authors_steps(released, kind):
    """Three steps from the same weights as the authors' code made them."""
    model, start = released
    recorded = json.loads((golden.GOLDEN / 'poster_var_7_sam.json').read_text())
    expected = recorded[kind]
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, p in parameters.items():
            p.copy_(start[name])
    settings = {key: expected[key] for key in ('lr', 'momentum', 'weight_decay') if key in expected}
    optimizer = dict(sgd=torch.optim.SGD, adamw=torch.optim.AdamW)[kind](model.parameters(), **settings)
    wrapper = SAMOptimWrapper(optimizer, rho=recorded['rho'], adaptive=recorded['adaptive'])
    losses = []

    def run(images, labels):
        loss = F.cross_entropy(model(images, mode='tensor'), labels)
        losses.append(loss.item())
        return loss

    for seed in range(recorded['steps']):
        data = golden.images(2, 224, seed), golden.labels(2, 7, seed)
        wrapper.set_closure(partial(run, *data), model)
        wrapper.update_params(run(*data))
    assert losses == pytest.approx(expected['losses'], abs=1e-4)
    with torch.no_grad():
        logits = model(golden.images(2, 224, 0), mode='tensor')
    torch.testing.assert_close(logits, torch.tensor(expected['logits_after']), rtol=0, atol=1e-3)
    # a tensor holding its position finds each recorded name's place in mmfer
    norms = expected['update_norms']
    renamed, dropped = to_mmfer({name: torch.tensor(i) for i, name in enumerate(norms)}, 'poster_var')
    assert not dropped
    assert len(renamed) == len(norms)
    for name, index in renamed.items():
        update = float((parameters[name].detach() - start[name]).norm())
        assert update == pytest.approx(list(norms.values())[int(index)], rel=0.01, abs=1e-9), name
