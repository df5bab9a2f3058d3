"""Heads that learn from the votes of a face: their likelihood against quadrature and SciPy, and what it identifies."""

import numpy as np
import pytest
import torch
from head_checks import EVERY_HEAD, X, double, maker, softmax
from mmpretrain.models import CutMix
from mmpretrain.structures import DataSample
from scipy import stats
from torch.distributions import LowRankMultivariateNormal, MultivariateNormal, kl_divergence

from mmfer.models import EvidentialHead, FERDataPreprocessor, VICHead
from mmfer.models.heads.evidential_head import log_dirichlet_multinomial
from mmfer.models.heads.gaussian_head import sobol_points
from mmfer.models.heads.vic_head import kl_to_standard

VOTES = torch.tensor([[7, 2, 1], [0, 5, 5], [3, 3, 4], [10, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize('check', EVERY_HEAD)
@pytest.mark.parametrize('options', [dict(), dict(covariance='low_rank', rank=2, kl_weight=0.01)])
def test_vich_as_every_head(check, options):
    check(maker(VICHead, likelihood='votes', num_samples=8, **options))


@pytest.mark.parametrize('check', EVERY_HEAD)
def test_sampled_low_rank_as_every_head(check):
    check(maker(VICHead, covariance='low_rank', rank=1, num_samples=2))


@pytest.mark.parametrize('check', EVERY_HEAD)
@pytest.mark.parametrize('evidence', ['softplus', 'exp'])
def test_evidential_as_every_head(check, evidence):
    check(maker(EvidentialHead, likelihood='dirichlet_multinomial', evidence=evidence))


def quadrature(mean, variance, factor, votes, nodes=24):
    """Joint log-likelihood of each face's votes by Gauss-Hermite quadrature, with gradients."""
    dims = mean.shape[1] + (0 if factor is None else factor.shape[2])
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = torch.tensor(np.stack(np.meshgrid(*[x] * dims, indexing='ij'), -1).reshape(-1, dims))
    weight = torch.tensor(np.stack(np.meshgrid(*[w / w.sum()] * dims, indexing='ij'), -1).reshape(-1, dims)).prod(-1)
    z = mean + variance.sqrt() * grid[:, None, : mean.shape[1]]
    if factor is not None:
        z = z + (grid[:, None, None, mean.shape[1] :] * factor).sum(-1)
    joint = (votes * z.log_softmax(-1)).sum(-1)
    return (joint + weight.log().unsqueeze(-1)).logsumexp(0)


@pytest.mark.parametrize(('classes', 'rank'), [(2, 0), (3, 0), (2, 1)])
def test_loss_and_gradient_are_those_of_quadrature(classes, rank):
    torch.manual_seed(0)
    options = dict(covariance='low_rank', rank=rank) if rank else {}
    head = VICHead(classes, 4, likelihood='votes', num_samples=1 << 14, **options).double()
    x, votes = torch.randn(5, 4, dtype=torch.float64), VOTES[:, :classes] + 1
    loss = head.losses(x, votes)['loss_votes']
    loss.backward()
    found = {name: p.grad.clone() for name, p in head.named_parameters()}
    head.zero_grad()
    mean, logvar = head.latent(x)
    exact = -quadrature(mean, logvar.exp(), head.factor(x), votes).sum() / votes.sum()
    exact.backward()
    assert loss.item() == pytest.approx(exact.item(), abs=1e-4)
    for name, p in head.named_parameters():
        torch.testing.assert_close(found[name], p.grad, atol=1e-3, rtol=0)


def test_samples_are_normal_and_fill_evenly():
    torch.manual_seed(0)
    head = VICHead(3, 4, likelihood='votes', num_samples=32, covariance='low_rank', rank=1).double()
    mean, logvar, factor = torch.zeros(4000, 3), torch.zeros(4000, 3), torch.full((4000, 3, 1), 0.7)
    z = head.spread_samples(mean.double(), logvar.double(), factor.double())
    assert stats.kstest(z[:, ::40, 0].flatten().numpy(), stats.norm(0, np.sqrt(1.49)).cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.cov(z.flatten(0, 1).T), np.eye(3) + 0.49, atol=0.02)
    assert z.mean(0).var() < 0.2 * 1.49 / 32, 'the mean of independent samples scatters more'
    before = torch.random.get_rng_state()
    sobol_points(16, 5)
    assert torch.equal(before, torch.random.get_rng_state())


def fitted(votes, faces):
    """Deviation of the latent that a head learns for faces that all look alike."""
    torch.manual_seed(0)
    head = VICHead(2, 1, likelihood='votes', num_samples=32).double()
    x, votes = torch.ones(faces, 1, dtype=torch.float64), torch.as_tensor(votes)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    for _ in range(120):
        optimizer.zero_grad()
        head.losses(x, votes)['loss_votes'].backward()
        optimizer.step()
    _, logvar = head.latent(x[:1])
    return logvar.exp().sum().sqrt().item()  # of the difference of both logits, all that matters of two classes


@pytest.mark.parametrize('width', [0.0, 0.8, 2.0])
def test_ten_votes_a_face_tell_the_width(width):
    rng = np.random.default_rng(0)
    p = softmax(np.array([0.4, -0.2]) + width / np.sqrt(2) * rng.standard_normal((1000, 2)))
    assert fitted(rng.multinomial(10, p), 1000) == pytest.approx(width, abs=0.15 if width else 0.3)


def test_one_vote_a_face_does_not_tell_the_width():
    """Whatever the width, some mean gives one label a face the best likelihood there is."""
    head = VICHead(2, 1, likelihood='votes', num_samples=1 << 12).double()
    labels, x = torch.tensor([0, 0, 0, 1]), torch.ones(4, 1, dtype=torch.float64)
    for logvar in (-6.0, 0.0, 1.5):
        best = []
        for mean in np.linspace(0.5, 4, 60):
            with torch.no_grad():
                for p, value in zip(head.parameters(), (0.0, 0.0, 0.0, logvar)):
                    p.fill_(value)
                head.fc_mean.bias[0] = mean
                torch.manual_seed(0)
                best.append(head.losses(x, labels)['loss_votes'].item())
        assert min(best) == pytest.approx(stats.entropy([0.75, 0.25]), abs=2e-3)


def test_kl_of_a_low_rank_is_pytorchs():
    torch.manual_seed(0)
    mean, logvar, factor = torch.randn(5, 4), torch.randn(5, 4), torch.randn(5, 4, 2)
    q = LowRankMultivariateNormal(mean, factor, logvar.exp())
    full = MultivariateNormal(mean, q.covariance_matrix)
    expected = kl_divergence(full, MultivariateNormal(torch.zeros(4), torch.eye(4)))
    torch.testing.assert_close(kl_to_standard(mean, logvar, factor), expected, atol=1e-4, rtol=1e-4)


def test_prediction_of_a_low_rank_is_the_expectation():
    torch.manual_seed(0)
    head = VICHead(3, 8, likelihood='votes', num_samples=8, covariance='low_rank', rank=2).eval()
    for layer in (head.fc_mean, head.fc_logvar, head.fc_factor):
        torch.nn.init.normal_(layer.weight, std=0.05)
    out = {name: double(value) for name, value in head.predictive(X[:6]).items()}
    mean, logvar = map(double, head.latent(X[:6]))
    rng = np.random.default_rng(0)
    z = mean + np.exp(logvar / 2) * rng.standard_normal((100_000, 6, 3))
    z += (rng.standard_normal((100_000, 6, 1, 2)) * out['pred_factor']).sum(-1)
    p = softmax(z)
    np.testing.assert_allclose(out['pred_score'], p.mean(0), atol=2e-3)
    np.testing.assert_allclose(out['aleatoric'], stats.entropy(p, axis=-1).mean(0), atol=5e-3)
    np.testing.assert_allclose(out['pred_std'], z.std(0), rtol=0.02)


def test_dirichlet_multinomial_is_scipys():
    torch.manual_seed(0)
    alpha = torch.rand(5, 3).exp() * torch.tensor([0.1, 1.0, 2000.0])
    found = log_dirichlet_multinomial(alpha, VOTES)
    for row, a, n in zip(found, double(alpha), VOTES.numpy()):
        coefficient = stats.multinomial.logpmf(n, n.sum(), [1 / 3] * 3) - n.sum() * np.log(1 / 3)
        assert row.item() == pytest.approx(stats.dirichlet_multinomial.logpmf(n, a, n.sum()) - coefficient, abs=1e-4)


@pytest.mark.parametrize('evidence', ['softplus', 'exp', 'relu'])
def test_loss_of_the_evidential_head(evidence):
    torch.manual_seed(0)
    head = EvidentialHead(3, 4, likelihood='dirichlet_multinomial', evidence=evidence, loss_weight=2.0)
    x = torch.randn(5, 4)
    losses = head.losses(x, VOTES)
    assert losses.keys() == {'loss_votes'}
    expected = -2 * log_dirichlet_multinomial(head.concentration(x), VOTES).sum() / VOTES.sum()
    assert losses['loss_votes'].item() == pytest.approx(expected.item(), rel=1e-6)
    (first, *_) = head.eval().predict((x,))
    assert torch.equal(first.pred_concentration, head.concentration(x)[0])
    assert 'vacuity' not in first


def with_votes(rows):
    samples = [DataSample().set_gt_label(int(row.argmax())) for row in rows]
    for sample, row in zip(samples, rows):
        sample.set_field(row, 'votes', dtype=torch.Tensor)
    return samples


HEADS = [
    VICHead(3, 4, likelihood='votes', num_samples=8),
    EvidentialHead(3, 4, likelihood='dirichlet_multinomial'),
]


@pytest.mark.parametrize('head', HEADS)
def test_votes_come_from_the_samples(head):
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(2)
    loss = head.loss((x,), with_votes(VOTES))['loss_votes']
    torch.manual_seed(2)
    assert torch.equal(loss, head.losses(x, VOTES)['loss_votes'])


@pytest.mark.parametrize('head', HEADS)
def test_labels_given_in_the_place_of_votes_count_as_one(head):
    x, labels = torch.randn(3, 4), torch.tensor([0, 2, 2])
    torch.manual_seed(2)
    loss = head.losses(x, labels)['loss_votes']
    torch.manual_seed(2)
    assert torch.equal(loss, head.losses(x, torch.eye(3, dtype=torch.long)[labels])['loss_votes'])


@pytest.mark.parametrize('head', HEADS)
def test_samples_without_votes_are_refused(head):
    x = torch.randn(5, 4)
    plain, soft = with_votes(VOTES), [sample.set_gt_score(VOTES[0] / 10) for sample in with_votes(VOTES)]
    for samples in (plain, soft):
        for sample in samples:
            sample.pop('votes')
        with pytest.raises(ValueError, match='5 of 5 samples have none. Set votes=True in PackInputs'):
            head.loss((x,), samples)
    some = with_votes(VOTES)
    some[3].pop('votes')
    with pytest.raises(ValueError, match='1 of 5 samples have none'):
        head.loss((x,), some)
    with pytest.raises(ValueError, match='votes have 2 entries, the head has num_classes=3'):
        head.loss((x,), with_votes(VOTES[:, :2]))


def test_mixed_faces_have_no_votes():
    preprocessor = FERDataPreprocessor(num_classes=3, batch_augments=dict(augments=CutMix(alpha=1.0)))
    samples = with_votes(VOTES)
    images = [torch.zeros(3, 8, 8, dtype=torch.uint8)] * 5
    assert all('votes' in s for s in preprocessor(dict(inputs=images, data_samples=samples))['data_samples'])
    mixed = preprocessor(dict(inputs=images, data_samples=samples), training=True)['data_samples']
    assert not any('votes' in sample for sample in mixed)


@pytest.mark.parametrize(
    ('cls', 'options', 'message'),
    [
        (VICHead, dict(likelihood='vote'), "'sampled' or 'votes'"),
        (VICHead, dict(likelihood='votes'), 'num_samples=1'),
        (VICHead, dict(covariance='full'), "'diagonal' or 'low_rank'"),
        (VICHead, dict(covariance='low_rank', rank=4), 'rank=4'),
        (EvidentialHead, dict(likelihood='votes'), "'labels' or 'dirichlet_multinomial'"),
    ],
)
def test_wrong_arguments(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(3, 4, **options)
