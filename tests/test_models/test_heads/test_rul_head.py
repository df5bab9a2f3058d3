import math

import pytest
import torch
from head_checks import samples
from torch import nn
from torch.nn import functional as F

from mmfer.models.heads.rul_head import RULHead
from mmfer.registry import MODELS


def build(**kwargs):
    torch.manual_seed(0)
    return RULHead(num_classes=3, in_channels=4, **{'embed_dims': 8, **kwargs})


def branches(head, x):
    """The paper's two branches, each with a normalisation of its own; without dropout."""
    out = []
    for branch in (head.mean, head.logvar):
        linear, norm = branch
        first = nn.BatchNorm2d(x.shape[1], eps=2e-5, affine=False)
        last = nn.BatchNorm1d(linear.out_features, eps=2e-5)
        last.load_state_dict(norm.state_dict())
        out.append(last(linear(first(x).flatten(1))))
    return out


@pytest.mark.parametrize('shape', [(5, 4), (6, 4, 2, 3)])
def test_loss_by_hand(shape):
    """An odd batch of pooled features, and an even one of maps."""
    head = build(drop_rate=0.0, map_size=shape[2:] or None)
    x, labels = torch.randn(shape), torch.randint(0, 3, shape[:1])
    mean, logvar = branches(head, x.reshape(*shape[:2], *(shape[2:] or (1, 1))))
    torch.manual_seed(7)
    loss = head.loss((x,), samples(labels))
    torch.manual_seed(7)
    other = torch.randperm(shape[0]).tolist()
    expected = 0.0
    for i, j in enumerate(other):
        s_i, s_j = logvar[i].exp().mean(), logvar[j].exp().mean()
        z = head.fc((s_i * mean[i] + s_j * mean[j]) / (s_i + s_j)).log_softmax(-1)
        expected -= (z[labels[i]] + z[labels[j]]) / 2 / len(other)
    assert loss.keys() == {'loss_ce'}
    torch.testing.assert_close(loss['loss_ce'], expected)


def test_soft_labels_are_mixed_alike():
    head, x = build(drop_rate=0.0), torch.randn(5, 4)
    hard = torch.randint(0, 3, (5,))
    losses = []
    for given in (samples(hard), samples(hard, F.one_hot(hard, 3).float())):
        torch.manual_seed(3)
        losses.append(head.loss((x,), given)['loss_ce'])
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize('size', [2, 3])
def test_small_batches_reach_every_weight(size):
    head = build()
    torch.manual_seed(1)
    head.loss((torch.randn(size, 4),), samples(range(size)))['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())


def test_a_batch_of_one_has_no_pairs():
    with pytest.raises(ValueError, match='drop_last=True'):
        build().loss((torch.randn(1, 4),), samples([0]))
    assert len(build().eval().predict((torch.randn(1, 4),))) == 1


def test_predictions_do_not_depend_on_the_batch():
    head, x = build(), torch.randn(6, 4)
    for _ in range(3):
        head.loss((x,), samples([0, 1, 2, 0, 1, 2]))
    head.eval()
    with torch.no_grad():
        together = head.predict((x,))
        alone = head.predict((x[2:3],))[0]
        probs = head((x,)).softmax(-1)
        spread = head.spread(head.norm(x[:, :, None, None]))
    for i, sample in enumerate(together):
        torch.testing.assert_close(sample.pred_score, probs[i])
        assert 0 <= sample.uncertainty <= math.log(3) + 1e-6
        assert sample.relative_uncertainty == pytest.approx(float(spread[i]))
        assert sample.relative_uncertainty > 0
    torch.testing.assert_close(alone.pred_score, together[2].pred_score)
    assert alone.relative_uncertainty == pytest.approx(float(together[2].relative_uncertainty), rel=1e-5)


def test_learns_and_finds_the_hard_images():
    """A third of the images lies between the classes, with labels at random."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 3, (300,), generator=generator)
    hard = torch.arange(300) % 3 == 0
    x = F.one_hot(labels, 4) * 4.0
    x[hard] = torch.tensor([4 / 3, 4 / 3, 4 / 3, 4.0])
    x += 0.5 * torch.randn(300, 4, generator=generator)
    head = build(drop_rate=0.1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        head.losses(head.pre_logits(x), labels)['loss_ce'].backward()
        optimizer.step()
    head.eval()
    with torch.no_grad():
        out = head.predictive(head.pre_logits(x))
    right = out['pred_score'].argmax(1) == labels
    assert right[~hard].float().mean() > 0.95
    assert out['uncertainty'][hard].mean() > out['uncertainty'][~hard].mean()
    assert out['relative_uncertainty'][hard].mean() > 1.2 * out['relative_uncertainty'][~hard].mean()


def test_features_of_another_shape_say_what_to_do():
    with pytest.raises(ValueError, match='neck=None'):
        build(map_size=7)((torch.randn(2, 4),))
    with pytest.raises(ValueError, match=r'\(B, 4, 7, 7\).*map_size'):
        build(map_size=7)((torch.randn(2, 4, 6, 6),))
    with pytest.raises(ValueError, match='pooling neck'):
        build()((torch.randn(2, 4, 7, 7),))


@pytest.mark.parametrize('map_size', [None, (2, 3)])
def test_exportable(map_size):
    head, x = build(map_size=map_size).eval(), torch.randn(2, 4, *(map_size or ()))
    program = torch.export.export(head, ((x,),))
    torch.testing.assert_close(program.module()((x,)), head((x,)))


@pytest.mark.parametrize('wrong', [dict(map_size=0), dict(map_size=(7,)), dict(embed_dims=0), dict(drop_rate=1.0)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MODELS.build(dict(type='RULHead', num_classes=3, in_channels=4, **wrong))
