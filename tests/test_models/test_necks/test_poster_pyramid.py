import pytest
import torch
from torch import nn

from mmfer.models.necks import PosterPyramidNeck
from mmfer.models.necks.poster_pyramid import CrossFusionBlock, PyramidBlock, StreamAttention, StreamFusion


def tiny(**kwargs):
    settings = dict(
        image_channels=12, image_size=3, landmark_channels=16, feature_size=2, embed_dims=16, depth=2, num_heads=2
    )
    return PosterPyramidNeck(**{**settings, **kwargs})


def maps(batch=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, 16, 2, 2, generator=g), torch.randn(batch, 12, 3, 3, generator=g)]


@pytest.mark.parametrize('channels', [16, 24])
def test_embedding(channels):
    """With landmarks of the tokens' width and of another."""
    landmark, image = maps()
    out = tiny(embed_dims=channels)((landmark, image))
    assert isinstance(out, tuple)
    assert out[-1].shape == (2, channels)


def test_attention_is_that_of_pytorch():
    torch.manual_seed(0)
    attention = StreamAttention(16, 4)
    reference = nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():  # PyTorch's has a projection of the query, too
        reference.in_proj_weight.copy_(torch.cat([torch.eye(16), attention.kv.weight]))
        reference.in_proj_bias.copy_(torch.cat([torch.zeros(16), attention.kv.bias]))
        reference.out_proj.load_state_dict(attention.proj.state_dict())
    own, query = torch.randn(2, 5, 16), torch.randn(2, 5, 16)
    torch.testing.assert_close(attention(own, query), reference(query, own, own, need_weights=False)[0])


def test_both_streams_ask_each_other_at_once():
    """The landmark stream's query is the image before its own attention."""
    block = CrossFusionBlock(6, 8, 2, 2.0, 0.0).eval()
    nn.init.dirac_(block.mix.weight)
    nn.init.zeros_(block.mix.bias)
    x = torch.randn(2, 6, 8)
    image, landmark = x[:, :3], x[:, 3:]
    out = block(x)
    torch.testing.assert_close(out[:, :3], block.image(image, landmark))
    torch.testing.assert_close(out[:, 3:], block.landmark(landmark, image))


def test_each_width_takes_in_the_next_one_as_it_is_after_doing_so_itself():
    block = PyramidBlock(4, (8, 4, 2), 1, 2.0, 0.0).eval()
    tokens = [torch.randn(2, 4, c) for c in (8, 4, 2)]
    large, middle, small = (scale(x) for scale, x in zip(block.scales, tokens))
    middle = middle + block.upsamples[1](small)
    expected = [large + block.upsamples[0](middle), middle, small]
    for value, other in zip(block(tokens), expected):
        torch.testing.assert_close(value, other)


def test_image_tokens_are_cut_from_memory_in_the_order_of_channels():
    """Of 12 maps of 3x3, a token has three whole ones; in whatever order the tensor lies."""
    net = tiny().eval()
    seen = []
    net.image_projection.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    landmark, image = maps()
    first = net((landmark, image))[0]
    assert torch.equal(seen[0][:, 1], image[:, 3:6].flatten(1))
    second = net([x.to(memory_format=torch.channels_last) for x in (landmark, image)])[0]
    torch.testing.assert_close(first, second)


def test_mean_tokens_come_first_and_only_the_image_has_positions():
    net = tiny(levels=1).eval()
    seen = []
    net.blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    landmark, image = maps()
    net((landmark, image))
    own = seen[0][:, :5] - net.pos_embed
    torch.testing.assert_close(own[:, 0], own[:, 1:].mean(1))
    torch.testing.assert_close(seen[0][:, 6:], landmark.flatten(2).transpose(1, 2))
    torch.testing.assert_close(seen[0][:, 5], landmark.mean((2, 3)))


def test_stochastic_depth_rises_to_the_last_block():
    def rates(net):
        return [next(m for m in b.modules() if isinstance(m, StreamFusion)).drop_path.p for b in net.blocks]

    assert rates(tiny(depth=3, drop_path=0.2)) == pytest.approx([0, 0.1, 0.2])
    assert rates(tiny(depth=1)) == [0]


def test_every_parameter_is_reached():
    net = tiny().train()
    net(maps(batch=8))[0].square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(image_channels=13), r'image_channels=13.*117 numbers.*4 tokens.*feature_size=2'),
        (dict(num_heads=8), r'num_heads=8.*\[16, 8, 4\]'),
        (dict(depth=0), 'depth=0'),
        (dict(levels=0), 'levels=0'),
    ],
)
def test_wrong_arguments_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        tiny(**wrong)


def test_maps_that_do_not_fit_say_what_to_set():
    landmark, image = maps()
    for wrong in ([image, landmark], [landmark], [landmark, image[..., :2]]):
        with pytest.raises(ValueError, match=r'expected a landmark map of \(16, 2, 2\).*input_size'):
            tiny()(wrong)
