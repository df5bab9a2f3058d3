import math

import head_checks
import pytest
import torch
from mmpretrain.models import ImageClassifier
from torch import nn
from torch.nn import functional as F

from mmfer.models.heads.eac_head import EACHead
from mmfer.models.two_view_preprocessor import TwoViewPreprocessor, second_views


def samples(labels, scores=None):
    """Samples of images and of their second views."""
    out = head_checks.samples(labels, scores)
    return out + second_views(out)


def build(**kwargs):
    torch.manual_seed(0)
    return EACHead(num_classes=3, in_channels=4, **kwargs)


def test_losses_by_hand():
    head, maps = build(), torch.randn(4, 4, 2, 3)
    losses = head.loss((maps,), samples([2, 0]))
    z = torch.stack([head.fc.weight @ m.flatten(1).mean(1) + head.fc.bias for m in maps[:2]])
    torch.testing.assert_close(losses['loss_ce'], F.cross_entropy(z, torch.tensor([2, 0])))
    attention = torch.einsum('kc,bchw->bkhw', head.fc.weight, maps)
    difference = attention[:2] - attention[2:][..., [2, 1, 0]]
    torch.testing.assert_close(losses['loss_consistency'], 5 * difference.square().mean())


def test_consistency_trains_the_network_and_not_the_weights_of_the_classes():
    head, maps = build(), torch.randn(4, 4, 2, 3, requires_grad=True)
    head.loss((maps,), samples([2, 0]))['loss_consistency'].backward()
    assert (maps.grad.flatten(1).abs().sum(1) > 0).all(), 'both views'
    assert head.fc.weight.grad is None


@pytest.mark.parametrize('size', [1, 3])
def test_every_batch_size_reaches_every_weight(size):
    head = build()
    losses = head.loss((torch.randn(2 * size, 4, 2, 2),), samples([1] * size))
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_soft_labels():
    head, maps = build(), torch.randn(4, 4, 2, 2)
    scores = torch.tensor([[0.5, 0.3, 0.1], [0.0, 0.6, 0.4]])
    loss = head.loss((maps,), samples([0, 1], scores))['loss_ce']
    torch.testing.assert_close(loss, -(scores * head((maps[:2],)).log_softmax(-1)).sum(-1).mean())


def test_predicts_from_one_view():
    head, maps = build().eval(), torch.randn(3, 4, 2, 2)
    with torch.no_grad():
        for i, sample in enumerate(head.predict((maps,))):
            torch.testing.assert_close(sample.pred_score, head.fc(maps.mean((2, 3))).softmax(-1)[i])
            assert 0 <= sample.uncertainty <= math.log(3) + 1e-6


def test_one_view_alone_cannot_be_trained_on():
    head, maps = build(), torch.randn(4, 4, 2, 2)
    both = samples([0, 1])
    for wrong in (both[:2], both[:2] * 2, both[2:], [both[i] for i in (0, 2, 1, 3)], both[:3], []):
        with pytest.raises(ValueError, match='TwoViewPreprocessor'):
            head.loss((maps,), wrong)


def test_features_of_another_shape_say_what_to_do():
    with pytest.raises(ValueError, match='neck=None'):
        build()((torch.randn(2, 4),))
    with pytest.raises(ValueError, match='in_channels'):
        build()((torch.randn(2, 5, 7, 7),))


def test_pooled_features_are_maps_of_one_cell():
    head, x = build(pooled=True), torch.randn(4, 4)
    losses = head.loss((x,), samples([0, 1]))
    scores = x @ head.fc.weight.T
    torch.testing.assert_close(losses['loss_consistency'], 5 * (scores[:2] - scores[2:]).square().mean())
    torch.testing.assert_close(head((x,)), head.fc(x))
    assert len(head.predict((x,))) == 4


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU()
        )

    def forward(self, x):
        return (self.net(x),)


def train(weight):
    """Bars that lie or stand, at different places, are the classes."""
    torch.manual_seed(0)
    model = ImageClassifier(
        Net(), head=EACHead(2, 8, consistency_weight=weight), data_preprocessor=TwoViewPreprocessor()
    )
    labels = torch.arange(32) % 2
    images = torch.randint(60, 120, (32, 3, 16, 16), dtype=torch.uint8)
    for i, (image, label) in enumerate(zip(images, labels)):
        height, width = (2, 8) if label else (8, 2)
        image[:, i % 8 : i % 8 + height, i // 4 : i // 4 + width] = 250
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        batch = dict(inputs=list(images), data_samples=samples(labels)[:32])
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        out = model(**model.data_preprocessor(batch), mode='predict')
        maps = model.extract_feat(model.data_preprocessor(batch, training=True)['inputs'])[-1]
        attention, flipped = model.head.attention(maps).chunk(2)
    predicted = torch.cat([sample.pred_label for sample in out])
    inconsistency = F.mse_loss(attention, flipped.flip(-1)) / attention.var()
    return float((predicted == labels).float().mean()), float(inconsistency)


def test_learns_and_attends_alike_to_both_views():
    accuracy, inconsistency = train(5.0)
    assert accuracy > 0.9
    assert inconsistency < 0.5 * train(0.0)[1]


def test_exportable():
    head, x = build().eval(), torch.randn(2, 4, 3, 3)
    program = torch.export.export(head, ((x,),))
    torch.testing.assert_close(program.module()((x,)), head((x,)))
