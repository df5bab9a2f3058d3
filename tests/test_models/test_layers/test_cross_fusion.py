import pytest
import torch

from mmfer.models.layers.cross_fusion import CrossFusion, WindowCrossAttention


def reference(attn, image, landmark):
    """The same attention, one query at a time, for a map of one window."""
    b, h, w, c = image.shape
    heads, d, s = attn.num_heads, c // attn.num_heads, attn.window_size
    key, value = attn.kv(image.reshape(b, h * w, c)).split(c, -1)
    query = landmark.reshape(b, h * w, c)
    out = torch.zeros(b, h * w, c, dtype=image.dtype)
    for head in range(heads):
        part = slice(head * d, (head + 1) * d)
        for i in range(h * w):
            scores = (key[..., part] * query[:, i : i + 1, part]).sum(-1) / d**0.5
            for j in range(h * w):
                row = (i // w - j // w + s - 1) * (2 * s - 1) + i % w - j % w + s - 1
                scores[:, j] += attn.relative_position_bias_table[row, head]
            out[:, i, part] = (scores.softmax(-1)[..., None] * value[..., part]).sum(1)
    return attn.proj(out).view(b, h, w, c)


def test_attention_of_one_window():
    torch.manual_seed(0)
    attn = WindowCrossAttention(6, 2, 3).double()
    attn.relative_position_bias_table.data.normal_()
    image, landmark = torch.randn(2, 2, 3, 3, 6, dtype=torch.float64)
    assert torch.allclose(attn(image, landmark), reference(attn, image, landmark), atol=1e-12)


def test_windows_do_not_see_each_other():
    torch.manual_seed(0)
    attn = WindowCrossAttention(4, 2, 2)
    image, landmark = torch.randn(1, 4, 6, 4), torch.randn(1, 4, 6, 4)
    out = attn(image, landmark)
    for i in (0, 2):
        for j in (0, 2, 4):
            part = attn(image[:, i : i + 2, j : j + 2], landmark[:, i : i + 2, j : j + 2])
            assert torch.allclose(out[:, i : i + 2, j : j + 2], part, atol=1e-6)


def test_map_that_windows_do_not_cover():
    with pytest.raises(ValueError, match='window'):
        WindowCrossAttention(4, 2, 2)(torch.randn(1, 3, 3, 4), torch.randn(1, 3, 3, 4))


def test_heads_must_divide_channels():
    with pytest.raises(ValueError, match='num_heads'):
        WindowCrossAttention(6, 4, 2)


def test_without_layer_scale_only_the_normed_image_remains():
    block = CrossFusion(4, 2, 2, layer_scale=0.0)
    image, landmark = torch.randn(1, 2, 2, 4), torch.randn(1, 2, 2, 4)
    assert torch.equal(block(image, landmark), block.norm1(image))


def test_drop_path_drops_whole_samples_while_training():
    torch.manual_seed(0)
    block = CrossFusion(4, 2, 2, drop_path=0.9, layer_scale=1.0)
    image, landmark = torch.randn(64, 2, 2, 4), torch.randn(64, 2, 2, 4)
    kept = (block(image, landmark) != block.norm1(image)).flatten(1).any(1)
    assert 0 < kept.sum() < 40
    block.eval()
    assert (block(image, landmark) != block.norm1(image)).flatten(1).any(1).all()
