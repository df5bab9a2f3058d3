import math

import numpy as np
import pytest
import torch
from head_checks import CHANNELS, FAR, LABELS, NUM_CLASSES, X, double, maker, predict, softmax, total, train
from mmengine.model import BaseModule

from mmfer.models.heads import (
    ArcFaceHead,
    EnsembleHead,
    EvidentialHead,
    HeteroscedasticHead,
    LinearHead,
    MCDropoutHead,
    RULHead,
    SNGPHead,
    VICHead,
)
from mmfer.models.heads.calibration import (
    FLOOR,
    Calibration,
    adopt_calibration,
    describe_calibration,
    drop_calibration,
)

HEADS = {
    'linear': maker(LinearHead),
    'arcface': maker(ArcFaceHead),
    'vich': maker(VICHead),
    'vich sampled': maker(VICHead, integrate=True),
    'heteroscedastic': maker(HeteroscedasticHead),
    'evidential': maker(EvidentialHead, annealing_steps=10),
    'mc_dropout': maker(MCDropoutHead),
    'ensemble': maker(EnsembleHead, feature_fraction=0.5),
    'sngp': maker(SNGPHead),
    'rul': maker(RULHead),
}
KEPT = {'pred_mean', 'pred_std', 'vacuity', 'relative_uncertainty'}


def calibration(weight, bias=0.0):
    module = Calibration(NUM_CLASSES)
    module.weight.copy_(torch.as_tensor(weight).expand(NUM_CLASSES))
    module.bias.copy_(torch.as_tensor(bias).expand(NUM_CLASSES))
    return module


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize(
    ('weight', 'bias'), [(0.4, 0.0), (3.0, 0.0), ([0.5, 1.0, 1.5], [0.3, 0.0, -0.7]), ([-0.2, 1.0, 1.0], 0.0)]
)
def test_every_head(name, weight, bias):
    head = HEADS[name]()
    train(head, steps=10, x=head.pre_logits(X))
    head.eval().calibration = calibration(weight, bias)
    for x in map(head.pre_logits, (X, FAR, X * 1e4, X * 0)):
        raw = predict(head, x)
        with torch.no_grad():
            out = head.predictions(x)
        assert out.keys() == raw.keys()
        assert all(torch.equal(out[key], raw[key]) for key in KEPT & out.keys())
        logs = np.log(np.maximum(double(raw['pred_score']), FLOOR))
        expected = softmax(np.array(weight) * logs + np.array(bias))
        np.testing.assert_allclose(double(out['pred_score']), expected, atol=2e-5)
        probs = expected.clip(1e-300)
        np.testing.assert_allclose(double(out['uncertainty']), -(probs * np.log(probs)).sum(-1), atol=1e-4)
        assert out['uncertainty'].min() >= 0
        assert out['uncertainty'].max().item() <= math.log(NUM_CLASSES)
        if np.ndim(weight) == 0:
            assert torch.equal(out['pred_score'].argmax(-1), raw['pred_score'].argmax(-1))
        if 'aleatoric' in raw:
            assert torch.allclose(out['aleatoric'] + out['epistemic'], out['uncertainty'], rtol=0, atol=1e-6)
            assert min(out['aleatoric'].min(), out['epistemic'].min()) >= 0
            some = raw['uncertainty'] > 1e-3
            shares = [part['epistemic'][some] / part['uncertainty'][some].clamp(min=1e-30) for part in (raw, out)]
            assert torch.allclose(*shares, atol=1e-4)


def test_a_temperature_divides_logits():
    head = HEADS['linear']()
    train(head, steps=5)
    head.calibration = calibration(1 / 1.7)
    scores = head.predictions(X)['pred_score']
    assert torch.allclose(scores, (head(X) / 1.7).softmax(-1), atol=1e-6)
    assert head.calibration.temperature == pytest.approx(1.7)
    assert 'temperature=1.7' in repr(head)
    assert calibration([1.0, 1.0, 2.0]).temperature is None
    assert calibration(1.0, [0.0, 0.1, 0.0]).temperature is None


def test_nothing_changes_at_first():
    head = HEADS['mc_dropout']()
    raw = predict(head, X)
    head.calibration = Calibration(NUM_CLASSES)
    for name, value in head.predictions(X).items():
        assert torch.allclose(value, raw[name], atol=1e-6), name


def test_losses_and_logits_are_those_of_the_head():
    head = HEADS['vich']().train()
    results = []
    for module in (None, calibration(0.1)):
        head.calibration = module
        torch.manual_seed(0)
        results.append((total(head.losses(X, LABELS)), head(X)))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])
    assert not list(head.calibration.parameters())


def test_the_answer_is_the_calibrated_one():
    head = HEADS['linear']().eval()
    head.calibration = calibration(1.0, [0.0, 50.0, 0.0])
    samples = head.predict((X,))
    assert {int(sample.pred_label) for sample in samples} == {1}
    assert all(sample.pred_score[1] > 0.99 for sample in samples)


def test_probabilities_of_zero():
    outputs = dict(pred_score=torch.tensor([[1.0, 0.0, 0.0], [1.0, 1e-42, 0.0]]), uncertainty=torch.zeros(2))
    outputs.update(aleatoric=torch.zeros(2), epistemic=torch.zeros(2))
    out = calibration(0.01)(outputs)
    other = math.exp(0.01 * math.log(FLOOR))
    expected = torch.tensor([1.0, other, other]) / (1 + 2 * other)
    assert torch.allclose(out['pred_score'], expected.expand(2, 3), atol=1e-6)
    assert (out['epistemic'] == 0).all()  # of no uncertainty all is aleatoric
    assert torch.equal(out['aleatoric'], out['uncertainty'])
    sharp = calibration(1e6)(outputs)
    assert all(value.isfinite().all() for value in sharp.values())
    half = calibration(0.5)(dict(pred_score=outputs['pred_score'].half(), uncertainty=torch.zeros(2)))
    assert half['pred_score'].dtype == torch.float32


class Model(BaseModule):
    def __init__(self, head):
        super().__init__()
        self.head = head


def scores(model):
    return model.head.eval().predictions(model.head.pre_logits(X))['pred_score']


def test_checkpoints_carry_it():
    model, other = Model(HEADS['rul']()), Model(HEADS['rul']())
    plain = model.state_dict()
    assert not any('calibration' in name for name in plain)
    model.head.calibration = calibration([0.5, 1.0, 1.5], [0.3, 0.0, -0.7])
    state = dict(model.state_dict())
    assert adopt_calibration(other, state)
    other.load_state_dict(state)
    assert torch.equal(scores(model), scores(other))
    assert not adopt_calibration(other, plain)  # the next checkpoint has none
    assert other.head.calibration is None
    other.load_state_dict(plain)
    assert drop_calibration(state)
    assert not drop_calibration(state)
    assert state.keys() == plain.keys()
    assert not adopt_calibration(Model(torch.nn.Linear(CHANNELS, 3)), model.state_dict())


def test_description():
    meta = dict(calibration=dict(method='temperature', temperature=1.23456, samples=50, protocol='RAFDB val'))
    assert describe_calibration(dict(meta=meta)) == 'temperature 1.235, fitted on 50 images of RAFDB val'
    assert 'unknown' in describe_calibration({})
