import numpy as np
import pytest
import torch
from head_checks import CENTRES, EVERY_HEAD, FAR, LABELS, X, double, maker, predict, softmax, train
from processes import python

from mmfer.models.heads.sngp_head import SNGPHead

build = maker(SNGPHead, num_features=64)


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_as_every_head(check):
    check(build)


def features(head, x):
    angle = double(x) @ double(head.frequencies).T + double(head.phases)
    return head.amplitude * np.sqrt(2 / len(head.phases)) * np.cos(angle)


def test_features_stand_for_the_kernel():
    kernels = []
    for seed in range(200):
        torch.manual_seed(seed)
        phi = double(SNGPHead(3, 8, num_features=100, length_scale=3.0, amplitude=2.0).features(X[:10]))
        kernels.append(phi @ phi.T)
    distances = np.linalg.norm(double(X[:10, None] - X[None, :10]), axis=-1)
    np.testing.assert_allclose(np.mean(kernels, 0), 4 * np.exp(-(distances**2) / (2 * 9)), atol=0.1)


def test_variance_is_that_of_the_laplace_approximation():
    """Two batches and then the posterior, as the paper's equations say, in NumPy."""
    head = build(memory=10, amplitude=3.0)
    batches = (X[:40], X[40:])
    labels = (LABELS[:40], LABELS[40:])
    precision = np.stack([np.eye(64)] * 3)
    for x, y in zip(batches, labels):
        head.losses(x, y)
        phi = features(head, x)
        probs = softmax(phi @ double(head.fc.weight).T)
        batch = np.stack([(phi.T * (p * (1 - p))) @ phi for p in probs.T])
        precision = np.eye(64) + 0.9 * (precision - np.eye(64)) + batch
    out = predict(head, X)
    phi = features(head, X)
    variance = np.stack([np.einsum('bi,ij,bj->b', phi, np.linalg.inv(p), phi) for p in precision], 1)
    np.testing.assert_allclose(double(out['pred_std']), np.sqrt(variance), rtol=1e-4)
    np.testing.assert_allclose(double(out['pred_mean']), phi @ double(head.fc.weight).T, atol=1e-4)
    noise = np.random.default_rng(0).standard_normal((20_000, 1, 3))
    samples = softmax(double(out['pred_mean']) + noise * np.sqrt(variance))
    np.testing.assert_allclose(double(out['pred_score']), samples.mean(0), atol=0.01)


def test_only_training_is_remembered():
    head = build().eval()
    head.losses(X, LABELS)
    assert not head.information.any()
    head.train().losses(X, LABELS)
    assert head.information.any()


def test_a_batch_that_overflowed_is_not_remembered():
    head = build()
    head.losses(X, LABELS)
    before = head.information.clone()
    head.losses(torch.full_like(X, torch.inf), LABELS)
    assert torch.allclose(head.information, before * (1 - 1 / head.memory))


def test_uncertain_far_from_the_data():
    head = build()
    train(head)
    near, far, between = predict(head, X), predict(head, FAR), predict(head, CENTRES[:2].mean(0, keepdim=True))
    assert far['pred_std'].mean() > 2 * near['pred_std'].mean()
    assert far['uncertainty'].mean() > 0.5
    assert near['uncertainty'].mean() < 0.1
    assert between['uncertainty'] > 0.3


RANKS = """
import os, sys
import torch
from torch import distributed as dist
from head_checks import LABELS, X, maker
from mmfer.models.heads.sngp_head import SNGPHead
from mmfer.engine.runner import leave_group

other = os.fork()
rank = int(other > 0)
dist.init_process_group('gloo', init_method=f'file://{os.getcwd()}/meeting', world_size=2, rank=rank)
head = maker(SNGPHead, num_features=64)()
head.losses(X[rank::2], LABELS[rank::2])
torch.save(head.information, f'{rank}.pt')
leave_group()
if other:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]))
"""


@pytest.mark.slow
def test_processes_add_their_parts_of_the_batch(tmp_path, root):
    result = python('-c', RANKS, cwd=tmp_path, env=dict(PYTHONPATH=str(root / 'tests')), timeout=120)
    assert result.returncode == 0, result.stderr
    head = build()
    head.losses(X, LABELS)
    for rank in range(2):
        part = torch.load(tmp_path / f'{rank}.pt', weights_only=True)
        assert torch.allclose(part, head.information, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('wrong', [dict(num_features=0), dict(length_scale=0.0), dict(amplitude=-1.0), dict(memory=0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        build(**wrong)
