"""Steps of SAMOptimWrapper on a small network, as a runner makes them."""

import torch
from mmengine.logging import MessageHub
from torch import nn
from torch.nn import functional as F

from mmfer.engine.optim_wrappers import SAMOptimWrapper

SGD = dict(lr=0.1, momentum=0.9, weight_decay=0.01)
ADAMW = dict(lr=0.01, weight_decay=0.1)


def network(dtype=torch.float64, *extra):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), *extra, nn.Tanh(), nn.Linear(16, 3)).to(dtype)


def batch(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(8, 6, generator=generator, dtype=torch.float64)
    return images.to(dtype), torch.randint(0, 3, (8,), generator=generator)


def build(model, optimizer=None, **options):
    return SAMOptimWrapper(optimizer or torch.optim.SGD(model.parameters(), **SGD), **options)


def loss_of(model, seed):
    dtype = next(model.parameters()).dtype
    images, labels = batch(seed, dtype)
    return F.cross_entropy(model(images).to(dtype), labels)


def step(model, wrapper, seed, closure=None):
    """One step as a runner makes it; returns the losses of the passes."""
    losses = []

    def run():
        losses.append(loss_of(model, seed))
        return losses[-1]

    wrapper.set_closure(closure or run, model)
    with wrapper.optim_context(model):
        loss = run()
    wrapper.update_params(loss)
    return [loss.item() for loss in losses]


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def logged(name):
    return float(MessageHub.get_current_instance().get_scalar(f'train/{name}').current())
