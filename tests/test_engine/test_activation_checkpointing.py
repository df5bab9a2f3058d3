import copy

import pytest
import torch
from sam_steps import build, network
from sam_steps import step as sam_step
from small_runs import small_config, small_model
from torch import nn

from mmfer.apis import build_runner
from mmfer.engine.activation_checkpointing import checkpoint_activations
from mmfer.registry import MODELS


@pytest.fixture
def model(tmp_path):
    return small_model(tmp_path)


def parts_of(model):
    """Every child of backbone and neck that has weights to train."""
    return [
        f'{part}.{name}'
        for part in ('backbone', 'neck')
        for name, child in getattr(model, part).named_children()
        if any(p.requires_grad for p in child.parameters()) and type(child).forward is not nn.Module.forward
    ]


def step(model):
    """Loss, gradients, buffers and the bytes that the forward pass kept."""
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    images = torch.randn(4, 3, 32, 32)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        # where nothing is recomputed the tensors stay alive, so no address is counted for two of them
        loss = model(images, mode='tensor').square().mean()
    size = sum(value for address, value in kept.items() if address not in own)
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return loss.detach(), grads, dict(model.named_buffers()), size


def test_loss_gradients_and_statistics_are_the_same_with_less_memory(model):
    other = copy.deepcopy(model)
    parts = parts_of(other)
    assert len(parts) >= 3
    checkpoint_activations(other, parts)
    loss, grads, buffers, size = step(model)
    loss2, grads2, buffers2, size2 = step(other)
    assert torch.equal(loss, loss2)
    assert grads.keys() == grads2.keys()
    assert all(torch.allclose(grads[name], grads2[name], rtol=1e-5, atol=1e-8) for name in grads)
    assert all(torch.equal(buffers[name], buffers2[name]) for name in buffers)
    assert size2 < 0.5 * size


def test_a_copy_recomputes_with_its_own_weights(model):
    checkpoint_activations(model, parts_of(model))
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    images = torch.randn(2, 3, 32, 32)
    model.eval()
    assert not torch.equal(other.eval()(images, mode='tensor'), model(images, mode='tensor'))


def test_training_with_recomputation_ends_with_the_same_weights(tmp_path):
    weights = []
    for recompute in (False, True):
        config = small_config(tmp_path / str(recompute))
        if recompute:
            config.checkpoint_activations = parts_of(MODELS.build(config.model))
        runner = build_runner(config)
        runner.train()
        weights.append(runner.model.state_dict())
    assert all(torch.allclose(weights[0][k].float(), weights[1][k].float(), rtol=1e-4, atol=1e-6) for k in weights[0])


@pytest.mark.parametrize('second_pass_bn', ['update', 'freeze'])
def test_a_step_of_sam_is_the_same(second_pass_bn):
    states = []
    for recompute in (False, True):
        model = network(torch.float64, nn.BatchNorm1d(16), nn.Dropout(0.2)).train()
        whole = nn.Sequential(model, nn.Identity())
        if recompute:
            checkpoint_activations(whole, ['0'])
        wrapper = build(whole, second_pass_bn=second_pass_bn)
        torch.manual_seed(1)
        losses = sum((sam_step(whole, wrapper, seed) for seed in range(3)), [])
        states.append((losses, whole.state_dict()))
    assert states[0][0] == pytest.approx(states[1][0])
    counted = states[0][1]['0.1.num_batches_tracked']
    assert counted == (6 if second_pass_bn == 'update' else 3)
    for name, value in states[0][1].items():
        torch.testing.assert_close(states[1][1][name], value, rtol=1e-10, atol=1e-12)


def test_names_that_do_not_fit(model):
    with pytest.raises(ValueError, match=r"no submodule 'backbone.imag'; backbone has .*image"):
        checkpoint_activations(model, ['backbone.imag'])
    with pytest.raises(ValueError, match='no submodule'):
        checkpoint_activations(model, [''])
    with pytest.raises(ValueError, match=r"'backbone.image' lies inside 'backbone'"):
        checkpoint_activations(model, ['backbone', 'backbone.image'])
    with pytest.raises(TypeError, match='list'):
        checkpoint_activations(model, 'backbone')
