import pytest
import torch

from mmfer.models.layers import ClassTokenEncoder


@pytest.mark.parametrize('depth', [1, 2, 3])
def test_class_token_is_the_same_as_with_all_tokens(depth):
    torch.manual_seed(0)
    encoder = ClassTokenEncoder(24, 10, depth=depth, num_heads=4).double()
    tokens = torch.randn(3, 10, 24, dtype=torch.float64, requires_grad=True)
    out = encoder(tokens)
    (grad,) = torch.autograd.grad(out.square().sum(), tokens)
    x = torch.cat([encoder.cls_token.expand(3, -1, -1), tokens], 1) + encoder.pos_embed
    for block in encoder.blocks:
        x = block(x)
    full = encoder.norm(x)[:, 0]
    (full_grad,) = torch.autograd.grad(full.square().sum(), tokens)
    assert torch.allclose(out, full, atol=1e-12)
    assert torch.allclose(grad, full_grad, atol=1e-12)


def test_attention_agrees_with_torch():
    torch.manual_seed(0)
    own = ClassTokenEncoder(24, 10, depth=1, num_heads=4).blocks[0].attn
    other = torch.nn.MultiheadAttention(24, 4, batch_first=True)
    other.in_proj_weight.data, other.in_proj_bias.data = own.qkv.weight.data, own.qkv.bias.data
    other.out_proj.weight.data, other.out_proj.bias.data = own.proj.weight.data, own.proj.bias.data
    x = torch.randn(2, 11, 24)
    assert torch.allclose(own(x), other(x, x, x)[0], atol=1e-6)


def test_needs_a_block():
    with pytest.raises(ValueError, match='depth'):
        ClassTokenEncoder(24, 10, depth=0)
