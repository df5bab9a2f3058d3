"""How far the predictions of sampled and distributional heads are from the distributions they stand for.

    python benchmarks/head_distributions.py

Heads of random weights see random features. What they predict is compared with their own distribution, computed in
another way: with 2^18 points of a scrambled Sobol sequence, by quadrature of the Dirichlet's marginals, from the
ensemble's members one by one, or with 2^17 random dropout masks. Printed is the largest error over the faces of a
probability, of ``aleatoric`` and of ``epistemic`` (nats), and the largest mean error of a class, its favour.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from scipy import special
from scipy.stats import qmc
from torch import Tensor, nn

from mmfer.experiments.page import markdown_table
from mmfer.models import EnsembleHead, EvidentialHead, HeteroscedasticHead, MCDropoutHead, SNGPHead, VICHead

CLASSES, CHANNELS = 7, 768
COLUMNS = ('probability', 'aleatoric', 'epistemic', 'favour of a class')
PASSES = (50, 200, 1000, 10_000)


def fill(head: nn.Module, logit: float = 2.0) -> nn.Module:
    """Weights with which the logits of standard normal features have this standard deviation."""
    generator = torch.Generator().manual_seed(0)
    for name, weight in head.named_parameters():
        spread = 0.8 if 'logvar' in name else logit  # standard deviations of the latent from 0.2 to 4
        drawn = torch.randn(weight.shape, generator=generator)
        weight.data.copy_(spread / weight.shape[-1] ** 0.5 * drawn if weight.ndim > 1 else 0 * drawn)
    return head.eval()


def moments(probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (K,) of probabilities (S, K), and of their entropy."""
    return probs.mean(0), special.entr(probs).sum(1).mean()


def gaussian(out: dict[str, Tensor], points: int) -> list[tuple]:
    """References of faces whose logits are Gaussian, from points that lie evenly and come in opposite pairs."""
    noise = special.ndtri(qmc.Sobol(CLASSES, seed=1).random(points // 2))
    noise = np.concatenate([noise, -noise])
    mean, std = (out[name].double().numpy() for name in ('pred_mean', 'pred_std'))
    return [moments(special.softmax(m + s * noise, axis=1)) for m, s in zip(mean, std)]


def dirichlet(alpha: np.ndarray) -> list[tuple]:
    """References from the Beta distributions of each class."""
    nodes, weight = special.roots_legendre(2000)
    p, other = (nodes + 1) / 2, alpha.sum(1, keepdims=True) - alpha
    log_density = (
        special.xlogy(alpha[..., None] - 1, p)
        + special.xlog1py(other[..., None] - 1, -p)
        - special.betaln(alpha, other)[..., None]
    )
    weight = np.exp(log_density) * weight / 2
    return list(zip(weight @ p, (weight @ special.entr(p)).sum(1)))


def members(head: EnsembleHead, x: Tensor) -> list[tuple]:
    weight, masks = head.fc.weight.double().unflatten(0, (head.num_members, CLASSES)), head.masks.double()
    logits = torch.einsum('mkc,mc,bc->bmk', weight, masks, x.double())
    return [moments(each) for each in logits.softmax(-1).detach().numpy()]


def dropped(head: MCDropoutHead, x: Tensor, masks: int) -> list[tuple]:
    """References from random masks, 1,024 at a time."""
    generator, keep = torch.Generator().manual_seed(1), 1 - head.drop_rate
    weight = (x.unsqueeze(1) * head.fc.weight.detach() / keep).flatten(0, 1).t()  # (C, B * K)
    scores, entropies = [], []
    for _ in range(0, masks, 1024):
        kept = torch.rand(1024, head.in_channels, generator=generator) < keep
        probs = (kept.float() @ weight).unflatten(1, (len(x), CLASSES)).softmax(-1)
        scores.append(probs.mean(0))
        entropies.append(torch.special.entr(probs).sum(-1).mean(0))
    return list(zip(*(torch.stack(each).double().mean(0).numpy() for each in (scores, entropies))))


def errors(out: dict[str, Tensor], references: list[tuple]) -> list[float]:
    """The largest over the faces, in the order of ``COLUMNS``."""
    score, aleatoric = (np.array(each) for each in zip(*references))
    gaps = out['pred_score'].double().numpy() - score
    epistemic = special.entr(score).sum(1) - aleatoric
    found = [gaps, *(out[n].double().numpy() - own for n, own in (('aleatoric', aleatoric), ('epistemic', epistemic)))]
    return [float(np.abs(each).max()) for each in (*found, gaps.mean(0))]


@torch.no_grad()
def compare(faces: int = 64, points: int = 2**18, masks: int = 2**17, passes: tuple[int, ...] = PASSES) -> dict:
    """Head -> its :func:`errors`."""
    x = torch.randn(faces, CHANNELS, generator=torch.Generator().manual_seed(2))
    own = dict(num_classes=CLASSES, in_channels=CHANNELS)
    found = {}
    for cls in (VICHead, HeteroscedasticHead):
        out = fill(cls(**own, integrate=True)).predictive(x)
        found[f'{cls.__name__}, integrate=True'] = errors(out, gaussian(out, points))
    torch.manual_seed(3)
    sngp = fill(SNGPHead(**own, amplitude=3.0), logit=0.7)
    phi = sngp.features(x[::2])  # the head knows every second face
    sngp.remember(phi, sngp.mean(phi))
    out = sngp.predictive(x)
    found['SNGPHead'] = errors(out, gaussian(out, points))
    evidential = fill(EvidentialHead(**own), logit=6.0)
    found['EvidentialHead'] = errors(evidential.predictive(x), dirichlet(evidential.concentration(x).double().numpy()))
    ensemble = fill(EnsembleHead(**own, feature_fraction=0.5))
    found['EnsembleHead'] = errors(ensemble.predictive(x), members(ensemble, x))
    references = dropped(fill(MCDropoutHead(**own)), x, masks)
    for number in passes:
        head = fill(MCDropoutHead(**own, test_samples=number))
        if number == min(passes):
            plain = torch.rand(head.test_masks.shape, generator=torch.Generator().manual_seed(0)) < 0.5
            balanced, head.test_masks = head.test_masks, 2.0 * plain
            found[f'MCDropoutHead, {number:,} masks, not balanced'] = errors(head.predictive(x), references)
            head.test_masks = balanced
        found[f'MCDropoutHead, {number:,} masks'] = errors(head.predictive(x), references)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--faces', type=int, default=64, help='that are predicted [64]')
    faces = parser.parse_args().faces
    rows = [[f'`{name}`', *(f'{error:.5f}' for error in own)] for name, own in compare(faces).items()]
    print(markdown_table(['head', *COLUMNS], rows))


if __name__ == '__main__':
    main()
