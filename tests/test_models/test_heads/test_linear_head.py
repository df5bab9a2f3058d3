import pytest
import torch
from head_checks import EVERY_HEAD, maker, samples
from torch.nn import functional as F

from mmfer.models import LinearHead


@pytest.fixture
def head():
    torch.manual_seed(0)
    return LinearHead(num_classes=3, in_channels=4)


@pytest.mark.parametrize('check', EVERY_HEAD)
@pytest.mark.parametrize('smoothing', [0.0, 0.1])
def test_as_every_head(check, smoothing):
    check(maker(LinearHead, loss=dict(type='SoftCrossEntropyLoss', label_smoothing=smoothing)))


def test_logits_and_loss(head):
    x = torch.randn(2, 4)
    assert torch.equal(head((x,)), head.fc(x))
    loss = head.loss((x,), samples([2, 0]))
    assert loss.keys() == {'loss_ce'}
    assert torch.allclose(loss['loss_ce'], F.cross_entropy(head.fc(x), torch.tensor([2, 0])))


def test_soft_labels_are_used_where_given(head):
    x, scores = torch.randn(2, 4), torch.tensor([[0.5, 0.3, 0.1], [0.0, 0.6, 0.4]])
    loss = head.loss((x,), samples([0, 1], scores))['loss_ce']
    assert torch.allclose(loss, -(scores * head.fc(x).log_softmax(-1)).sum(-1).mean())


def test_predictions(head):
    x = torch.randn(5, 4)
    given = samples([0, 1, 2, 0, 1])
    with torch.no_grad():
        out = head.predict((x,), given)
        probs = head.fc(x).softmax(-1)
    for i, sample in enumerate(out):
        assert sample is given[i]
        assert torch.equal(sample.pred_score, probs[i])
        assert int(sample.pred_label) == int(probs[i].argmax())
        assert sample.uncertainty == pytest.approx(float(torch.distributions.Categorical(probs[i]).entropy()), abs=1e-6)
    assert len(head.predict((x,))) == 5


def test_features_of_another_shape_say_what_to_do(head):
    with pytest.raises(ValueError, match='in_channels'):
        head((torch.randn(2, 5),))
    with pytest.raises(ValueError, match='pooling neck'):
        head((torch.randn(2, 4, 7, 7),))


def test_mixed_and_wrong_soft_labels(head):
    x = torch.randn(2, 4)
    mixed = samples([0, 1], [[0.5, 0.3, 0.2]])
    with pytest.raises(ValueError, match='gt_score'):
        head.loss((x,), mixed)
    with pytest.raises(ValueError, match='num_classes=3'):
        head.loss((x,), samples([0, 1], torch.full((2, 4), 0.25)))


def test_at_least_two_classes():
    with pytest.raises(ValueError, match='num_classes'):
        LinearHead(num_classes=1, in_channels=4)
