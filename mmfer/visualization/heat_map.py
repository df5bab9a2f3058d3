"""Where a model looks: Grad-CAM of its maps, and the attention of POSTER-Var's encoder rolled out to the tokens.

Grad-CAM: https://arxiv.org/abs/1610.02391, by the package ``grad-cam``; attention rollout:
https://arxiv.org/abs/2005.00928
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mmfer.models.layers import ClassTokenEncoder
from mmfer.utils.optional import require

CAM_METHODS = {
    'gradcam': 'GradCAM',
    'gradcam++': 'GradCAMPlusPlus',
    'hirescam': 'HiResCAM',
    'layercam': 'LayerCAM',
    'xgradcam': 'XGradCAM',
}
METHODS = (*CAM_METHODS, 'rollout')
UNCERTAINTY = 'uncertainty'


@dataclass(frozen=True)
class HeatMap:
    """A heat map of one image.

    Attributes:
        values: (H, W) float32 in [0, 1] at the size of the model's input: 1 where it matters most for this image.
        method: One of ``METHODS``.
        target: What the map explains.
        layer: Name of the module that the map was taken from.
        levels: (L, S, S), rollout only: share of the attention that each token got, summing to 1 with
            ``class_token``.
        class_token: Rollout only: the share that stays with the class token.
    """

    values: np.ndarray
    method: str
    target: str
    layer: str
    levels: np.ndarray | None = None
    class_token: float | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing in the image speaks for the target: the map is zero everywhere."""
        return not float(self.values.max()) > 0


class _Answer(nn.Module):
    """Logits (B, K) of a classifier, or with ``uncertainty`` the entropy (B, 1) of its prediction, with gradients."""

    def __init__(self, model: nn.Module, uncertainty: bool) -> None:
        super().__init__()
        self.model = model
        self.uncertainty = uncertainty

    def forward(self, images: Tensor) -> Tensor:
        feats = self.model.extract_feat(images)
        head = self.model.head
        if not self.uncertainty:
            return head(feats)
        if hasattr(head, 'predictions'):
            score = head.predictions(head.pre_logits(feats))['pred_score']
        else:
            score = head(feats).softmax(-1)
        score = score.clamp(min=torch.finfo(score.dtype).tiny)  # the gradient of 0 log 0 is not finite
        return -(score * score.log()).sum(-1, keepdim=True)


def find_layer(model: nn.Module, images: Tensor, name: str | None = None) -> tuple[str, nn.Module]:
    """The module whose output Grad-CAM looks at.

    Args:
        model: A classifier with a backbone.
        images: Normalised images (B, 3, H, W) for a forward pass.
        name: Its name in ``model.named_modules()``. By default it is what gives the last map of the backbone: the last
            stage of a ResNet or IRNet, and of a TwoStreamBackbone that of the image stream.

    Raises:
        ValueError: If there is no such module, or the backbone's last output is not a map.
    """
    modules = dict(model.named_modules())
    if name is not None:
        if name not in modules or not name:
            near = [f'backbone.{child}' for child, _ in model.backbone.named_children()]
            raise ValueError(f'there is no module {name!r} in the model; there are, e.g., {", ".join(near[:12])}')
        return name, modules[name]
    outputs: dict[str, Tensor] = {}
    with ExitStack() as hooks, torch.no_grad():
        for key, module in model.backbone.named_modules(prefix='backbone'):
            hook = module.register_forward_hook(lambda _, args, output, key=key: outputs.update({key: output}))
            hooks.callback(hook.remove)
        last = model.backbone(images)
    last = last if isinstance(last, Tensor) else last[-1]
    found = [key for key, output in outputs.items() if output is last]
    if not found or _grid(last) is None:
        maps = [key for key, output in outputs.items() if _grid(output) is not None]
        raise ValueError(
            f'the last output of {type(model.backbone).__name__} is not the map of one module: name one with --layer, '
            f'e.g. {", ".join(maps[-6:]) or "none was found"}'
        )
    key = min(found, key=lambda item: item.count('.'))  # the whole stage, not its last part
    return key, modules[key]


def grad_cam(
    model: nn.Module, images: Tensor, target: int | str | None = None, layer: str | None = None, method: str = 'gradcam'
) -> list[HeatMap]:
    """Class activation maps: where the input raises a logit, or the uncertainty of the answer.

    Args:
        model: A classifier in eval mode; its outputs, parameters and their gradients are left as they were.
        images: Normalised images (B, 3, H, W).
        target: Index of the class whose logit is explained; None is the predicted class of each image, and
            ``'uncertainty'`` the entropy of the prediction: what makes the model unsure.
        layer: See :func:`find_layer`.
        method: One of ``CAM_METHODS``.

    Returns:
        One HeatMap an image; each is scaled to its own largest value.

    Raises:
        MissingPackageError: If the package grad-cam is not installed; the message has the command.
        ValueError: If method, target or layer is none, or nothing behind the layer depends on it.
    """
    if method not in CAM_METHODS:
        raise ValueError(f'method={method!r}: Grad-CAM has {", ".join(CAM_METHODS)}')
    # grad-cam 1.5.6 and later install opencv-python-headless over opencv-python
    what = 'Grad-CAM needs the package grad-cam (--method rollout does not)'
    library = require('pytorch_grad_cam', 'grad-cam>=1.5,<1.5.6', what)
    name, module = find_layer(model, images, layer)
    uncertain = target == UNCERTAINTY
    if not uncertain and target is not None and not 0 <= int(target) < model.head.num_classes:
        raise ValueError(f'target={target!r}: a class from 0 to {model.head.num_classes - 1}, or {UNCERTAINTY!r}')
    if target is None:
        with torch.no_grad():
            wanted = [int(sample.pred_label) for sample in model(images, mode='predict')]
    else:
        wanted = [0 if uncertain else int(target)] * len(images)
    shapes: list[tuple] = []
    grads = [(parameter, parameter.grad) for parameter in model.parameters()]
    with ExitStack() as cleaning, torch.enable_grad():
        cleaning.callback(module.register_forward_hook(lambda _, args, out: shapes.append(_grid(out))).remove)
        answer = _Answer(model, uncertain).eval()
        cam = getattr(library, CAM_METHODS[method])(answer, [module], reshape_transform=_as_map)
        cleaning.callback(cam.activations_and_grads.release)
        try:
            targets = [lambda output, k=k: output[k] for k in wanted]
            values = cam(images.detach().clone().requires_grad_(), targets)
        except (IndexError, RuntimeError, TypeError, AttributeError) as error:
            if shapes and shapes[0] is not None and 'grad' not in str(error):
                raise
            raise ValueError(
                f'{name} gives no map with a gradient: its output is not image-like, or the answer does not depend on '
                'it. Choose another layer'
            ) from error
        finally:
            for parameter, grad in grads:
                parameter.grad = grad
    classes = getattr(model, 'classes', None)
    names = ['uncertainty' if uncertain else classes[k] if classes else f'class {k}' for k in wanted]
    values = np.nan_to_num(np.asarray(values, np.float32))
    return [HeatMap(value, method, text, name) for value, text in zip(values, names)]


def attention_weights(encoder: ClassTokenEncoder, tokens: Tensor) -> list[Tensor]:
    """Attention of each block for tokens (B, N, C): (B, heads, Q, N + 1), of which each row sums to 1.

    The encoder's attention is fused and does not tell its weights, so hooks compute them again from its inputs. Of the
    last block there is only the row of the class token, Q = 1.
    """
    weights: list[Tensor] = []

    def compute(module: nn.Module, args: tuple, kwargs: dict) -> None:
        x, rows = args[0], args[1] if len(args) > 1 else kwargs.get('num_queries')
        query, key, _ = module.qkv(x).chunk(3, dim=-1)
        query = query if rows is None else query[:, :rows]
        query, key = (each.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for each in (query, key))
        weights.append((query @ key.transpose(-2, -1) * key.shape[-1] ** -0.5).softmax(-1))

    with ExitStack() as hooks:
        for block in encoder.blocks:
            hooks.callback(block.attn.register_forward_pre_hook(compute, with_kwargs=True).remove)
        encoder(tokens)
    return weights


def rollout(weights: Sequence[Tensor]) -> Tensor:
    r"""Attention of the class token rolled out over blocks: (B, N + 1), each row sums to 1, the class token first.

    .. math::
        R = \hat A_L \cdots \hat A_1, \quad \hat A_l = \tfrac{1}{2} (\bar A_l + I)

    where :math:`\bar A` is the mean over the heads and the identity stands for the residual connection.

    Args:
        weights: Of each block, (B, heads, Q, N + 1); of the last one Q may be 1.
    """
    rolled = None
    for weight in reversed(weights):
        mean = weight.mean(1)
        mixed = 0.5 * (mean + torch.eye(*mean.shape[-2:], dtype=mean.dtype, device=mean.device))
        rolled = mixed[:, :1] if rolled is None else rolled @ mixed
    return rolled.squeeze(1)


@torch.no_grad()
def attention_rollout(model: nn.Module, images: Tensor) -> list[HeatMap]:
    """Where the class token of the model's encoder reads, over the tokens of all levels.

    The map is the sum of the levels' maps at the size of the input. It does not ask for which answer. Tokens have
    exchanged what they know in the fusion before, so a map is a hint at where, not a proof.

    Args:
        model: A classifier in eval mode whose neck has a ClassTokenEncoder: that of POSTER-Var or POSTER++.
        images: Normalised images (B, 3, H, W).

    Raises:
        ValueError: If the model has no such encoder.
    """
    found = [(name, module) for name, module in model.named_modules() if isinstance(module, ClassTokenEncoder)]
    if not found:
        raise ValueError(
            f'rollout needs the encoder of POSTER-Var or POSTER++ (ClassTokenEncoder); this model has a '
            f'{type(model.backbone).__name__} and a {type(getattr(model, "neck", None)).__name__}: use --method gradcam'
        )
    name, encoder = found[-1]
    tokens: list[Tensor] = []
    with ExitStack() as hooks:
        hooks.callback(encoder.register_forward_pre_hook(lambda _, args: tokens.append(args[0])).remove)
        model.extract_feat(images)
    shares = rollout(attention_weights(encoder, tokens[0]))
    sizes = getattr(model.neck, 'feature_sizes', None)
    side = sizes[-1] if sizes else round((shares.shape[1] - 1) ** 0.5)
    maps = shares[:, 1:].unflatten(1, (-1, side, side))
    full = nn.functional.interpolate(
        maps.sum(1, keepdim=True), size=images.shape[2:], mode='bilinear', align_corners=False
    )[:, 0]
    low, high = (reduce(full, dim=(1, 2), keepdim=True) for reduce in (torch.amin, torch.amax))
    full = ((full - low) / (high - low).clamp(min=1e-12)).cpu().numpy()
    return [
        HeatMap(value, 'rollout', 'attention of the class token', name, level.cpu().numpy(), float(share[0]))
        for value, level, share in zip(full, maps, shares)
    ]


def _grid(output: object) -> tuple[int, int] | None:
    """Height and width of a map (B, C, H, W), or of tokens (B, N, C) of a square, with a class token or without."""
    if not isinstance(output, Tensor):
        return None
    if output.ndim == 4:
        return tuple(output.shape[2:])
    if output.ndim == 3:
        for number in (output.shape[1], output.shape[1] - 1):
            side = round(max(number, 0) ** 0.5)
            if side > 1 and side * side == number:
                return side, side
    return None


def _as_map(output: Tensor) -> Tensor:
    """Tokens as a map; maps stay."""
    if output.ndim == 4:
        return output
    height, width = _grid(output)
    return output[:, -height * width :].transpose(1, 2).unflatten(2, (height, width))
