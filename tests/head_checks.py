"""What every head must do. A head's test runs ``EVERY_HEAD``, each check given a function that builds the head anew."""

import io
import math
import warnings

import numpy as np
import torch
from mmpretrain.structures import DataSample

NUM_CLASSES, CHANNELS = 3, 8
LABELS = torch.arange(NUM_CLASSES).repeat(20)
SOFT = torch.tensor([[0.5, 0.3, 0.1], [0.0, 0.6, 0.4], [1.0, 0.0, 0.0]]).repeat(20, 1)  # the first: a vote is missing
_generator = torch.Generator().manual_seed(0)
CENTRES = 3 * torch.randn(NUM_CLASSES, CHANNELS, generator=_generator)
X = CENTRES[LABELS] + torch.randn(len(LABELS), CHANNELS, generator=_generator)
FAR = 100 * torch.randn(60, CHANNELS, generator=_generator)


def maker(cls, **options):
    """A function that builds ``cls`` with these options, changed by its own, always with the same weights."""

    def build(**changes):
        torch.manual_seed(0)
        return cls(**{**dict(num_classes=NUM_CLASSES, in_channels=CHANNELS), **options, **changes})

    return build


def double(x):
    """``x`` as a NumPy array of double precision, for independent statements of a formula."""
    return x.detach().double().numpy()


def softmax(z):
    """In NumPy, over the last axis."""
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def total(losses):
    """The loss that is minimised, as MMEngine sums it."""
    return sum(value for name, value in losses.items() if 'loss' in name)


def samples(labels, scores=None):
    out = [DataSample().set_gt_label(int(label)) for label in labels]
    for sample, score in zip(out, scores if scores is not None else []):
        sample.set_gt_score(score)
    return out


def train(head, steps=50, x=X, target=LABELS):
    """Train on three blobs; the loss of every step."""
    optimizer = torch.optim.Adam(head.parameters(), lr=0.05)
    head.train()
    history = []
    for _ in range(steps):
        loss = total(head.losses(x, target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


@torch.no_grad()
def predict(head, x):
    return head.eval().predictive(x)


def learns_three_blobs(build):
    head = build()
    history = train(head)
    assert np.mean(history[-5:]) < np.mean(history[:5])
    accuracy = (predict(head, X)['pred_score'].argmax(-1) == LABELS).float().mean()
    assert accuracy > 0.9
    assert (head(X).argmax(-1) == LABELS).float().mean() > 0.9


def learns_from_soft_labels(build):
    head = build()
    history = train(head, target=SOFT)
    assert np.mean(history[-5:]) < np.mean(history[:5])


def every_parameter_gets_a_finite_gradient(build):
    for scale in (1.0, 1e4):  # then logits of some 10,000
        for target in (LABELS, SOFT, SOFT * 0):
            head = build().train()
            loss = total(head.losses(X * scale, target))
            loss.backward()
            assert torch.isfinite(loss), (scale, target[0])
            assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters()), (scale, target[0])
    zero = build().train()
    x = torch.zeros_like(X, requires_grad=True)
    total(zero.losses(x, LABELS)).backward()
    assert x.grad.isfinite().all()


def takes_one_image(build):
    head = build().train()
    one = samples([1])
    one[0].set_field(torch.eye(NUM_CLASSES, dtype=torch.long)[1], 'votes', dtype=torch.Tensor)  # which some use
    losses = head.loss((X[:1],), one)
    assert torch.isfinite(total(losses))
    assert all(value.ndim == 0 for value in losses.values())
    (sample,) = head.eval().predict((X[:1],), samples([1]))
    assert sample.pred_score.shape == (NUM_CLASSES,)
    assert 'uncertainty' in sample
    assert head(X[:1]).shape == (1, NUM_CLASSES)


def predictions_are_consistent(build):
    trained = build()
    train(trained, steps=10)
    for head in (build(), trained):
        for x in (X, FAR, X * 1e4, X * 0):
            out = predict(head, x)
            assert all(value.isfinite().all() for value in out.values())
            assert torch.allclose(out['pred_score'].sum(-1), torch.ones(len(x)), atol=1e-5)
            assert (out['pred_score'] >= 0).all()
            for name in {'uncertainty', 'aleatoric', 'epistemic'} & out.keys():
                assert out[name].min().item() >= 0
                assert out[name].max().item() <= math.log(NUM_CLASSES), name
            assert ('aleatoric' in out) == ('epistemic' in out)
            if 'aleatoric' in out:
                assert torch.allclose(out['aleatoric'] + out['epistemic'], out['uncertainty'], rtol=0, atol=1e-6)
            probs = double(out['pred_score']).clip(1e-300)
            np.testing.assert_allclose(double(out['uncertainty']), -(probs * np.log(probs)).sum(-1), atol=2e-6)


def predictions_do_not_depend_on_the_batch(build):
    head = build()
    train(head, steps=3)
    together, again = predict(head, X), predict(head, X)
    alone = predict(head, X[4:5])
    for name, value in together.items():
        assert torch.equal(value, again[name]), name
        assert torch.allclose(value[4:5], alone[name], atol=1e-5), name
    assert torch.equal(head.train()(X), head(X)), 'logits are deterministic in training, too'


def weights_carry_everything(build):
    """A head of other random numbers, loaded with the weights, goes on exactly where the first was."""
    head = build()
    train(head, steps=3)
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    other = build()
    for tensor in other.state_dict().values():
        tensor.zero_()
    other.load_state_dict(torch.load(file, weights_only=True))
    first, second = predict(head, X), predict(other, X)
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = []
    for part in (head, other):
        torch.manual_seed(3)
        losses.append(total(part.train().losses(X, LABELS)))
    assert torch.equal(*losses)


def runs_under_autocast(build):
    head = build()
    torch.manual_seed(1)
    exact = total(head.train().losses(X, LABELS)).item()
    for dtype in (torch.bfloat16, torch.float16):
        for scale in (1, 300):
            head = build().train()
            torch.manual_seed(1)
            with torch.autocast('cpu', dtype):
                loss = total(head.losses(X * scale, LABELS))
            loss.backward()
            assert loss.dtype == torch.float32
            assert abs(loss.item() - exact) < 0.03 * (1 + exact) or scale != 1
            if dtype == torch.bfloat16 or scale == 1:  # what overflows in float16 is up to the loss scaler
                assert all(p.grad.isfinite().all() for p in head.parameters())
            with torch.autocast('cpu', dtype):
                out = predict(head, X * scale)
            assert {value.dtype for value in out.values()} == {torch.float32}
            assert torch.allclose(out['pred_score'].sum(-1), torch.ones(len(X)), atol=1e-5)
            assert all(value.isfinite().all() for value in out.values())


def exports(build):
    head = build()
    train(head, steps=2)
    head.eval()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.export.export(head, (X,), dynamic_shapes=({0: torch.export.Dim('batch')},))
    for x in (X, X[:2]):
        assert torch.allclose(program.module()(x), head(x), atol=1e-5)


EVERY_HEAD = [
    learns_three_blobs,
    learns_from_soft_labels,
    every_parameter_gets_a_finite_gradient,
    takes_one_image,
    predictions_are_consistent,
    predictions_do_not_depend_on_the_batch,
    weights_carry_everything,
    runs_under_autocast,
    exports,
]
