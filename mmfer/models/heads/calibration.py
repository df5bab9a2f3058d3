from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

import torch
from torch import Tensor, nn

from ..losses.functional import at_least_single
from .base_head import entropy

FLOOR = torch.finfo(torch.float32).tiny  # 1.2e-38: smaller probabilities count as this, a logarithm of -87.3
PREFIX = 'head.calibration.'  # of its tensors in checkpoints


class Calibration(nn.Module):
    r"""Changes the probabilities that a head predicts, as was found on a validation split after the training.

    Papers: On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599; for the form on logarithms of
    probabilities, Beyond temperature scaling, https://arxiv.org/abs/1910.12656

    .. math::
        p' = softmax(w \odot \log p + b)

    Temperature scaling is :math:`w_k = 1 / T, b = 0`: for one deterministic softmax the same as dividing the logits
    by T; the order of the classes stays. Vector scaling has a weight and a bias for each class and can change the
    answer. It works on :math:`\log p`, so on logits less the logarithm of their sum of exponentials: logits of the same
    probabilities give the same result. Since p is the final prediction of a head, whatever that is averaged over, all
    heads are calibrated alike.

    Of the fields of a prediction, ``pred_score`` becomes p' and ``uncertainty`` its entropy, of which ``aleatoric`` and
    ``epistemic`` keep their shares (of no uncertainty all is aleatoric), so they still add up. All else that a head
    knows stays: the latent and the distribution over vote shares are no probabilities of the one label, which is what
    is calibrated. Losses and the logits of ``forward`` are not touched.

    The probabilities of classes below 1.2e-38 count as that.

    Args:
        num_classes: K.

    Attributes:
        weight (Tensor): w (K,), ones at first.
        bias (Tensor): b (K,), zeros at first.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer('weight', torch.ones(num_classes))
        self.register_buffer('bias', torch.zeros(num_classes))

    @property
    def temperature(self) -> float | None:
        """T, or None where classes have their own weights."""
        same = bool((self.weight == self.weight[0]).all() and (self.bias == 0).all())
        return 1 / float(self.weight[0]) if same else None

    def scores(self, score: Tensor) -> Tensor:
        """Calibrated probabilities: ``(B, K) -> (B, K)``."""
        return (self.weight * at_least_single(score).clamp(min=FLOOR).log() + self.bias).softmax(-1)

    def forward(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The fields of ``BaseHead.predictive``, calibrated; ``outputs`` stays as it is."""
        score = self.scores(outputs['pred_score'])
        uncertainty = entropy(score)
        changed = dict(outputs, pred_score=score, uncertainty=uncertainty)
        if 'epistemic' in outputs:
            share = outputs['epistemic'] / outputs['uncertainty'].clamp(min=FLOOR)
            changed['epistemic'] = share * uncertainty
            changed['aleatoric'] = uncertainty - changed['epistemic']
        return changed

    def extra_repr(self) -> str:
        return f'temperature={self.temperature:.4g}' if self.temperature else f'num_classes={len(self.weight)}'


def adopt_calibration(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Give the head of ``model`` a calibration if ``state`` has one, and take it away if not.

    The values are yet to be loaded, with those of all other tensors.

    Returns:
        Whether the head has one now. A head that is no BaseHead never has.
    """
    head = getattr(model, 'head', None)
    if not hasattr(head, 'calibration'):
        return False
    if any(name.startswith(PREFIX) for name in state):
        device = next((tensor.device for tensor in model.parameters()), None)
        head.calibration = Calibration(head.num_classes).to(device)
    else:
        head.calibration = None
    return head.calibration is not None


def drop_calibration(state: MutableMapping[str, Any]) -> bool:
    """Remove the tensors of a calibration from ``state``; whether there were any."""
    names = [name for name in state if str(name).startswith(PREFIX)]
    for name in names:
        del state[name]
    return bool(names)


def describe_calibration(content: Mapping[str, Any]) -> str:
    """A few words on the calibration of a checkpoint's ``content``: the method, and what it was fitted on."""
    record = (content.get('meta') or {}).get('calibration') or {}
    words = [str(record.get('method', 'unknown method'))]
    if record.get('temperature'):
        words.append(f'{record["temperature"]:.4g}')
    samples, of = record.get('samples', 'unknown'), record.get('protocol', 'unknown data')
    return f'{" ".join(words)}, fitted on {samples} images of {of}'
