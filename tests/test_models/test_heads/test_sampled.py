import numpy as np
import torch
from head_checks import double, softmax

from mmfer.models.heads.sampled import gaussian_mixture, sampled_mixture, split

LOGITS = 3 * torch.randn(9, 4, 5, generator=torch.Generator().manual_seed(0))


def test_mixture_is_the_mutual_information_split():
    out = sampled_mixture(LOGITS)
    probs = softmax(double(LOGITS))
    mean = probs.mean(0)
    np.testing.assert_allclose(double(out['pred_score']), mean, atol=1e-6)
    np.testing.assert_allclose(double(out['uncertainty']), -(mean * np.log(mean)).sum(-1), atol=1e-6)
    # mutual information as the mean divergence of the samples from their mean
    information = (probs * np.log(probs / mean)).sum(-1).mean(0)
    np.testing.assert_allclose(double(out['epistemic']), information, atol=1e-6)


def test_samples_that_agree_have_no_epistemic_part():
    out = sampled_mixture(LOGITS[:1].expand(50, -1, -1))
    assert out['epistemic'].max() <= 1e-6
    assert out['epistemic'].min() >= 0


def test_rounding_cannot_make_a_part_negative():
    score = torch.full((1, 7), 1 / 7)
    out = split(score, torch.tensor([5.0]))
    assert out['epistemic'].item() == 0
    assert out['uncertainty'].item() <= np.log(7)


def test_spread_of_the_logits():
    out = sampled_mixture(LOGITS)
    np.testing.assert_allclose(double(out['pred_mean']), double(LOGITS).mean(0), atol=1e-6)
    np.testing.assert_allclose(double(out['pred_std']), double(LOGITS).std(0), atol=1e-6)
    assert sampled_mixture(LOGITS[:1])['pred_std'].tolist() == torch.zeros(4, 5).tolist()


def test_gaussian_mixture():
    mean, std = LOGITS[0], LOGITS[1].abs()
    out = gaussian_mixture(mean, std)
    samples = sampled_mixture(mean + std * torch.randn(100_000, 1, 5, generator=torch.Generator().manual_seed(1)))
    for name in ('pred_score', 'uncertainty', 'aleatoric', 'epistemic'):
        np.testing.assert_allclose(double(out[name]), double(samples[name]), atol=0.01)
    assert torch.equal(out['pred_mean'], mean)
    assert torch.equal(out['pred_std'], std)
    none = gaussian_mixture(mean, torch.zeros_like(std))
    np.testing.assert_allclose(double(none['pred_score']), softmax(double(mean)), atol=1e-6)
    assert none['epistemic'].max() < 1e-4
