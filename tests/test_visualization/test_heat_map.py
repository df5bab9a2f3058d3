import sys

import numpy as np
import pytest
import torch
from mmpretrain.models import ImageClassifier
from small_runs import small_config
from torch import nn

from mmfer.apis import init_model
from mmfer.models.heads.linear_head import LinearHead
from mmfer.models.layers import ClassTokenEncoder
from mmfer.visualization.heat_map import (
    CAM_METHODS,
    HeatMap,
    attention_rollout,
    attention_weights,
    find_layer,
    grad_cam,
    rollout,
)
from mmfer.visualization.heat_map_panel import draw_heat_map, overlay


class Corners(nn.Module):
    """Two channels: the brightness of the first image channel and that of the second, at a quarter of the size."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 4, 4, bias=False)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = self.conv.weight[1, 1] = 1 / 16

    def forward(self, x):
        return (self.conv(x),)


class Mean(nn.Module):
    def forward(self, maps):
        return (maps[-1].mean((2, 3)),)


@pytest.fixture
def model():
    """Logit 0 is the brightness of the first channel, logit 1 that of the second."""
    head = LinearHead(num_classes=2, in_channels=2)
    with torch.no_grad():
        head.fc.weight.copy_(torch.eye(2))
        head.fc.bias.zero_()
    network = ImageClassifier(backbone=nn.Identity(), head=head)
    network.backbone, network.neck, network.classes = Corners(), Mean(), ('calm', 'wild')
    network.eval()
    return network


@pytest.fixture
def image():
    """The first channel is bright at the upper left, the second, less, at the lower right."""
    img = torch.zeros(1, 3, 32, 32)
    img[0, 0, :8, :8] = 40
    img[0, 1, 24:, 24:] = 20
    return img


@pytest.fixture(scope='module')
def poster(tmp_path_factory):
    torch.manual_seed(0)
    with pytest.warns(UserWarning, match='random weights'):
        return init_model(small_config(tmp_path_factory.mktemp('run')))


def test_the_map_lies_on_what_speaks_for_the_class(model, image):
    pytest.importorskip('pytorch_grad_cam')
    for target, name, inside, outside in ((None, 'calm', (2, 2), (30, 30)), (1, 'wild', (30, 30), (2, 2))):
        heat = grad_cam(model, image, target)[0]
        assert heat.target == name
        assert heat.layer == 'backbone.conv'
        assert heat.values.shape == (32, 32)
        assert heat.values[inside] == pytest.approx(1, abs=1e-3)
        assert heat.values[outside] == pytest.approx(0, abs=1e-3)
        assert heat.values[16, 16] == pytest.approx(0, abs=1e-3)


def test_uncertainty_comes_from_what_speaks_for_the_other_class(model, image):
    pytest.importorskip('pytorch_grad_cam')
    heat = grad_cam(model, image, 'uncertainty')[0]
    assert heat.target == 'uncertainty'
    assert heat.values[30, 30] == pytest.approx(1, abs=1e-3)
    assert heat.values[2, 2] == pytest.approx(0, abs=1e-3)
    image[0, 0] = 1e6  # so sure that the gradient of the entropy is 0
    assert grad_cam(model, image, 'uncertainty')[0].empty


@pytest.mark.parametrize('method', sorted(CAM_METHODS.keys() - {'gradcam'}))
def test_other_methods_agree_on_it(model, image, method):
    pytest.importorskip('pytorch_grad_cam')
    values = grad_cam(model, image, 0, method=method)[0].values
    assert values[2, 2] > 0.9
    assert values[30, 30] < 0.1


def test_the_model_stays_as_it_was(poster):
    pytest.importorskip('pytorch_grad_cam')
    torch.manual_seed(1)
    images = torch.randn(2, 3, 32, 32)
    before = poster(images)
    state = {name: tensor.clone() for name, tensor in poster.state_dict().items()}
    heats = grad_cam(poster, images)
    assert [heat.layer for heat in heats] == ['backbone.image.stages.2'] * 2
    attention_rollout(poster, images)
    grad_cam(poster, images, 'uncertainty')
    assert all(parameter.grad is None for parameter in poster.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in poster.modules())
    assert all((tensor == state[name]).all() for name, tensor in poster.state_dict().items())
    assert (poster(images) == before).all()


def test_layers_by_name(poster, model, image):
    images = torch.zeros(1, 3, 32, 32)
    assert find_layer(poster, images)[0] == 'backbone.image.stages.2'
    assert find_layer(poster, images, 'backbone.landmark')[0] == 'backbone.landmark'
    with pytest.raises(ValueError, match="no module 'backbone.layer4'.*backbone.image"):
        find_layer(poster, images, 'backbone.layer4')
    model.backbone = Mean()
    with pytest.raises(ValueError, match='is not the map of one module'):
        find_layer(model, (image,))
    pytest.importorskip('pytorch_grad_cam')
    tokens = grad_cam(poster, torch.randn(1, 3, 32, 32), layer='neck.token_embeds.2')[0]
    assert tokens.values.shape == (32, 32)
    with pytest.raises(ValueError, match='head.fc_mean gives no map'):
        grad_cam(poster, images, layer='head.fc_mean')


def attention_by_hand(attn, x):
    """Weights of multi-head attention, token by token."""
    channels, heads = x.shape[1], attn.num_heads
    width = channels // heads
    weight, bias = attn.qkv.weight.detach().double(), attn.qkv.bias.detach().double()
    query, key = (
        x @ weight[i * channels : (i + 1) * channels].T + bias[i * channels : (i + 1) * channels] for i in (0, 1)
    )
    result = torch.zeros(heads, len(x), len(x), dtype=torch.double)
    for h in range(heads):
        own = slice(h * width, (h + 1) * width)
        for i in range(len(x)):
            scores = torch.stack([query[i, own] @ key[j, own] for j in range(len(x))]) / width**0.5
            result[h, i] = scores.softmax(0)
    return result


def test_rollout_matches_one_by_hand():
    torch.manual_seed(3)
    encoder = ClassTokenEncoder(8, 6, depth=3, num_heads=2).eval()
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.5)
    tokens = torch.randn(2, 6, 8)
    with torch.no_grad():
        before = encoder(tokens)
        weights = attention_weights(encoder, tokens)
        rolled = rollout(weights)
        assert (encoder(tokens) == before).all()
    assert [tuple(weight.shape) for weight in weights] == [(2, 2, 7, 7), (2, 2, 7, 7), (2, 2, 1, 7)]
    assert all(torch.allclose(weight.sum(-1), torch.ones(())) for weight in weights)
    assert torch.allclose(rolled.sum(1), torch.ones(2))
    assert (rolled >= 0).all()
    for b in range(2):
        with torch.no_grad():
            x = torch.cat([encoder.cls_token[0], tokens[b]]) + encoder.pos_embed[0]
            product = torch.eye(7, dtype=torch.double)
            for block in encoder.blocks:
                attention = attention_by_hand(block.attn, block.norm1(x).double()).mean(0)
                product = (0.5 * attention + 0.5 * torch.eye(7)) @ product
                x = block(x[None])[0]
        assert torch.allclose(rolled[b].double(), product[0], atol=1e-5)


def test_rollout_of_poster_covers_all_levels(poster):
    heat = attention_rollout(poster, torch.randn(2, 3, 32, 32))[1]
    assert heat.levels.shape == (3, 2, 2)
    assert heat.levels.sum() + heat.class_token == pytest.approx(1, abs=1e-5)
    assert heat.values.shape == (32, 32)
    assert heat.values.min() == pytest.approx(0, abs=1e-6)
    assert heat.values.max() == pytest.approx(1, abs=1e-6)


def test_errors(model, image, monkeypatch):
    with pytest.raises(ValueError, match='rollout needs the encoder.*Corners'):
        attention_rollout(model, image)
    with pytest.raises(ValueError, match="method='cam'"):
        grad_cam(model, image, method='cam')
    pytest.importorskip('pytorch_grad_cam')
    with pytest.raises(ValueError, match='target=5'):
        grad_cam(model, image, 5)
    monkeypatch.setitem(sys.modules, 'pytorch_grad_cam', None)
    with pytest.raises(ImportError, match="not installed: pip install 'grad-cam"):
        grad_cam(model, image)


def test_overlay_shows_the_map_where_it_is_and_the_face_elsewhere():
    img = np.full((8, 8, 3), 120, np.uint8)
    values = np.zeros((8, 8), np.float32)
    values[:4] = 1
    drawn = overlay(img, values)
    assert (drawn[4:] == 120).all()
    assert (drawn[:4, :, 2] > drawn[:4, :, 0] + 50).all()  # the bright end of the map: yellow


def test_pictures(poster):
    img = np.zeros((32, 32, 3), np.uint8)
    heat = attention_rollout(poster, torch.randn(1, 3, 32, 32))[0]
    figure = draw_heat_map(img, heat, 'a $ name.png', 'predicted: радость 0.8')
    assert len(figure.subfigs) == 2
    assert len(figure.subfigs[0].axes) == 4
    empty = HeatMap(np.zeros((32, 32), np.float32), 'gradcam', 'anger', 'x')
    texts = [text.get_text() for text in draw_heat_map(img, empty).axes[2].texts]
    assert texts == ['nothing in this map\nspeaks for the target']
    with pytest.raises(ValueError, match='its heat map'):
        draw_heat_map(img[:5], empty)
