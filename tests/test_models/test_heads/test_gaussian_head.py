import pytest
import torch
from head_checks import X, maker, predict

from mmfer.models import VICHead
from mmfer.models.heads.gaussian_head import GaussianHead
from mmfer.models.heads.heteroscedastic_head import HeteroscedasticHead


@pytest.mark.parametrize('cls', [VICHead, HeteroscedasticHead])
def test_same_weights_same_predictions(cls):
    """The heads on this base differ by their loss alone."""
    assert issubclass(cls, GaussianHead)
    out = predict(maker(cls)(integrate=True), X)
    expected = predict(maker(VICHead)(integrate=True), X)
    assert out.keys() == expected.keys()
    assert all(torch.equal(out[name], expected[name]) for name in out)


def test_a_huge_variance_does_not_overflow():
    head = maker(VICHead)(integrate=True, kl_weight=1.0)
    torch.nn.init.constant_(head.fc_logvar.bias, 1e6)
    assert predict(head, X)['pred_std'].isfinite().all()
    assert sum(head.losses(X, torch.zeros(len(X), dtype=torch.long)).values()).isfinite()
