import pytest
import torch

from mmfer.models import PyramidFusionNeck


def tiny(**kwargs):
    settings = dict(
        image_channels=(8, 16, 16),
        landmark_channels=(8, 16, 24),
        feature_sizes=(8, 4, 2),
        num_heads=(2, 2, 4),
        embed_dims=32,
        encoder_heads=4,
        layer_scale=1.0,
    )
    return PyramidFusionNeck(**{**settings, **kwargs})


def maps(batch=2, size=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    landmark = [torch.randn(batch, c, s, s, generator=g) for c, s in zip((8, 16, 24), (size, size // 2, size // 4))]
    image = [torch.randn(batch, c, s, s, generator=g) for c, s in zip((8, 16, 16), (2 * size, size, size // 2))]
    return landmark + image


def test_embedding():
    out = tiny()(maps())
    assert isinstance(out, tuple)
    assert out[-1].shape == (2, 32)


@pytest.mark.parametrize('switch', ['nonlinear', 'layer_embed', 'token_norm'])
def test_switches_change_the_network(switch):
    torch.manual_seed(0)
    on = tiny().eval()
    on.level_embed.data.normal_()
    off = tiny(**{switch: False}).eval()
    off.load_state_dict(on.state_dict(), strict=False)
    assert not torch.allclose(on(maps())[0], off(maps())[0], atol=1e-4)


def test_poster_pp_has_none_of_the_novelties():
    net = tiny(nonlinear=False, layer_embed=False, token_norm=False)
    names = ' '.join(net.state_dict())
    assert 'level_embed' not in names
    assert 'token_norm' not in names


def test_level_embedding_starts_at_zero():
    assert not tiny().level_embed.any()


@pytest.mark.parametrize('size', [8, 16])
def test_windows_smaller_than_the_map(size):
    net = tiny(feature_sizes=(size, size // 2, size // 4), window_sizes=(4, 2, 2))
    assert net(maps(size=size))[0].shape == (2, 32)


def test_wrong_size_says_what_to_set():
    with pytest.raises(ValueError, match='feature_sizes'):
        tiny()(maps(size=16))


def test_wrong_lengths_are_named():
    with pytest.raises(ValueError, match='num_heads'):
        tiny(num_heads=(2, 2))
    with pytest.raises(ValueError, match='feature_sizes'):
        tiny(feature_sizes=(8, 8, 2))
    with pytest.raises(ValueError, match='got 5 maps'):
        tiny()(maps()[:5])
