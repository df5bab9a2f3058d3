from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from mmfer.models import BaseHead
from mmfer.models.heads.sngp_head import SNGPHead

from .folding import fold_batch_norms, fold_shifts
from .split_prelu import split_prelus

# Names in exported files of the fields of a prediction; other fields keep theirs.
OUTPUTS = dict(pred_score='probs', pred_mean='mean', pred_std='std')
ORDER = ('probs', 'mean', 'std', 'uncertainty', 'aleatoric', 'epistemic')


@torch.no_grad()
def predictions(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What a model answers for normalised images (B, 3, H, W), calibrated where its head is, by exported names."""
    fields = model.head.predictions(model.head.pre_logits(model.extract_feat(images)))
    return {OUTPUTS.get(name, name): value for name, value in fields.items()}


class ExportModel(nn.Module):
    """A model as it is exported: normalised images in, predictions out, calibrated where the head is.

    Args:
        model: A classifier of :func:`mmfer.init_model`; it is copied.
        size: (H, W) of the images.
        fast: Parts are replaced by others of the same results that onnxruntime computes faster, see ``split_prelu.py``
            and ``folding.py``.

    Attributes:
        output_names: ``probs``, then ``mean``, ``std``, ``uncertainty``, ``aleatoric``, ``epistemic`` where the head
            has them, then what else it has.
        replaced: How many parts were replaced.

    Raises:
        ValueError: If the head is none of mmfer's.
    """

    def __init__(self, model: nn.Module, size: tuple[int, int], fast: bool = False) -> None:
        super().__init__()
        head = getattr(model, 'head', None)
        if not isinstance(head, BaseHead):
            raise ValueError(
                f'{type(head).__name__} cannot be exported: a head of mmfer (BaseHead) says what the predictions are'
            )
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        _prepare_head(self.model.head)
        self.replaced = 0
        if fast:
            fold_batch_norms(self.model)
            fold_shifts(self.model)
            self.replaced = split_prelus(self.model)
        found = predictions(self.model, torch.zeros(1, 3, *size, device=next(model.parameters()).device))
        known = [name for name in ORDER if name in found]
        self.output_names = (*known, *(name for name in found if name not in ORDER))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W) as the network takes them, to the outputs in the order of ``output_names``."""
        fields = predictions(self.model, images)
        return tuple(fields[name].float() for name in self.output_names)


def _prepare_head(head: BaseHead) -> None:
    """Do what does not depend on the image once, not in each call: what is left, exporters know."""
    if isinstance(head, SNGPHead):
        information = head.information
        identity = torch.eye(information.shape[-1], dtype=information.dtype, device=information.device)
        factor = torch.linalg.cholesky(information + identity)
        whitening = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        # Transposed here: onnxruntime before 1.20 would merge a transposition with the product, and cannot in double.
        head.register_buffer('whitening', whitening.mT.contiguous(), persistent=False)
        head.variance = lambda phi: (phi @ head.whitening).square().sum(2).t()  # type: ignore[method-assign]
