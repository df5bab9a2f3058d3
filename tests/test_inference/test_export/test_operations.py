import pytest
import torch

from mmfer.inference.export.operations import ExportableOperations, digamma, entr


def test_entropy_terms():
    x = torch.cat([torch.tensor([0.0, 1e-40, 1e-38, 1.0]), torch.rand(1000)])
    torch.testing.assert_close(entr(x), torch.special.entr(x), rtol=1e-6, atol=1e-7)


def test_digamma():
    x = torch.cat([torch.linspace(1, 20, 1000), torch.logspace(-3, 6, 100)]).double()
    torch.testing.assert_close(digamma(x), torch.digamma(x), rtol=1e-7, atol=1e-7)


def test_they_take_the_place_of_the_originals():
    x = torch.rand(10)
    seen = {}
    with ExportableOperations():
        seen['digamma'] = torch.digamma(x + 1)
        seen['entr'] = torch.special.entr(x)
        seen['clamp'] = x.clamp(0, 0.5)
        seen['integers'] = torch.arange(5).clamp(1, 3)
    assert torch.equal(seen['digamma'], digamma(x + 1))
    assert torch.equal(seen['entr'], entr(x))
    assert torch.equal(seen['clamp'], x.clamp(0, 0.5))
    assert seen['integers'].tolist() == [1, 1, 2, 3, 3]
    with pytest.raises(TypeError), ExportableOperations():
        torch.clamp('no tensor')
