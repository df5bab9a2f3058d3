"""Putting released weights into mmfer's models, all or nothing."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from mmfer.utils.checkpoint_reader import CheckpointError, read_checkpoint, show
from mmfer.utils.state_dict import find_state_dict

from .names import KINDS, detect_kind, own_part, to_mmfer

# class: its stream in a config ('' for the whole backbone), its released file and where that comes from
PARTS = {
    'IRNet': (
        'image',
        'ir50.pth',
        'IR-50 trained on MS-Celeb-1M, distributed with the POSTER and POSTER++ repositories '
        '(https://github.com/zczcwh/POSTER, https://github.com/Talented-Q/POSTER_V2)',
    ),
    'MobileFaceNet': (
        'landmark',
        'mobilefacenet_model_best.pth.tar',
        'MobileFaceNet trained for 68 landmarks, from https://github.com/cunjian/pytorch_face_landmark, also '
        'distributed with POSTER (https://github.com/zczcwh/POSTER)',
    ),
    'FaceResNet': (
        '',
        'resnet18_msceleb.pth or resnet50_ft_weight.pkl',
        'ResNet-18 trained on MS-Celeb-1M, distributed with DAN (https://github.com/yaoing/DAN) and DACL '
        '(https://github.com/amirhfarzaneh/dacl), or ResNet-50 trained on VGGFace2, from '
        'https://github.com/cydonia999/VGGFace2-pytorch, whose layout is vggface2',
    ),
    'MixedFeatureNet': (
        '',
        'MFN_msceleb.pth',
        'MixedFeatureNet trained on MS-Celeb-1M, distributed with DDAMFN (https://github.com/simon20010923/DDAMFN)',
    ),
}
PART_OF_KIND = {
    'ir_net': 'IRNet',
    'mobile_face_net': 'MobileFaceNet',
    'resnet': 'FaceResNet',
    'vggface2': 'FaceResNet',
    'mixed_feature_net': 'MixedFeatureNet',
}
# What a smaller model may leave unused; anything else that is left over means that the file is of another network.
SPARE = re.compile(r'(?:backbone\.(?:image|landmark)\.)?(?:stages\.\d+|expand|landmark_head)\.')

MAY_BE_ABSENT = re.compile(r'(num_batches_tracked|affinity_loss\.centers)$')  # only training needs them


@dataclass
class FillReport:
    """How many tensors and parameters (numbers) were filled, and which names of the file were not used."""

    tensors: int
    parameters: int
    dropped: list[str] = field(default_factory=list)


def _listed(lines: list[str], what: str) -> list[str]:
    more = [f'    ... {len(lines) - 10} more'] if len(lines) > 10 else []
    return [f'  {len(lines)} {what}:', *(f'    {line}' for line in lines[:10]), *more] if lines else []


def _is_broken(tensor: Tensor, own: Tensor) -> bool:
    """Whether ``tensor`` cannot stand for ``own``: not real numbers where those are due, or NaN or infinity."""
    if not own.is_floating_point():
        return tensor.is_complex()
    if not tensor.is_floating_point():
        return True
    return tensor.numel() > 0 and not all(bound.isfinite() for bound in tensor.float().aminmax())


def fill(target: nn.Module, state: dict[str, Tensor], source: str = 'the file') -> FillReport:
    """Fills every parameter and buffer of ``target`` from ``state``, or none.

    Only ``num_batches_tracked`` and the centres of DAN's affinity loss may be absent: they stay as they are. Tensors
    are converted to the target's type and device.

    Args:
        target: The model.
        state: Tensors by mmfer's names. Whole parts that the target was built without may be left over.
        source: What errors call the origin of ``state``.

    Raises:
        CheckpointError: If an entry of the target stays unfilled, differs in shape or is not made of finite numbers, or
            if the file belongs to another network. One message has it all.
    """
    own = target.state_dict()
    used = {name: tensor for name, tensor in state.items() if name in own}
    dropped = [name for name in state if name not in own]
    missing = [f'{n} {tuple(t.shape)}' for n, t in own.items() if n not in used and not MAY_BE_ABSENT.search(n)]
    shapes = {n: f'file {tuple(t.shape)}, config {tuple(own[n].shape)}' for n, t in used.items()}
    shapes = {n: text for n, text in shapes.items() if used[n].shape != own[n].shape}
    broken = [f'{n} ({t.dtype})' for n, t in used.items() if n not in shapes and _is_broken(t, own[n])]
    foreign = []
    for name in dropped:
        spare = SPARE.match(name)
        if not spare or any(n.startswith(spare[0]) for n in own):
            foreign.append(f'{show(name)} {tuple(state[name].shape)}')
    if missing or shapes or broken or foreign:
        of_head = [n for n in shapes if n.startswith('head.') and used[n].ndim and len(used[n]) != len(own[n])]
        if of_head:
            there, here = used[of_head[0]].shape[0], own[of_head[0]].shape[0]
            hint = (
                f'The file is for {there} classes, the config for {here}: set model.head.num_classes, or take the '
                'config of the data set that the weights were trained on.'
            )
        elif broken and not (missing or shapes or foreign):
            hint = 'The file is damaged: copy or download it again.'
        else:
            hint = (
                'Take the config that the weights were made with: same network, head, depth, switches and input size.'
            )
        lines = [f'{source} does not fit {type(target).__name__}; nothing was loaded:']
        lines += _listed(missing, 'entries of the model are not in the file')
        lines += _listed([f'{n}: {text}' for n, text in shapes.items()], 'entries have another shape')
        lines += _listed(broken, 'tensors of the file hold NaN, infinity or another kind of number')
        lines += _listed(foreign, 'tensors of the file have no place in the model')
        raise CheckpointError('\n'.join([*lines, f'{hint} (mmfer explain weights-do-not-fit)']))
    with torch.no_grad():
        for name, tensor in used.items():
            own[name].copy_(tensor)
    return FillReport(len(used), sum(p.numel() for n, p in target.named_parameters() if n in used), dropped)


def read_released(path: str | os.PathLike) -> tuple[dict[str, Tensor], str, list[str]]:
    """Tensors of a released file by mmfer's names, its kind, and the released names that were dropped.

    Raises:
        OSError: If the file cannot be opened.
        CheckpointError: If it cannot be read or is of no known kind.
    """
    content = read_checkpoint(path)
    try:
        released = find_state_dict(content)
        kind = detect_kind(released)
        state, dropped = to_mmfer(released, kind)
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None
    return state, kind, dropped


def check_layout(module: nn.Module, kind: str, path: str | os.PathLike) -> None:
    """Refuses the ResNet-50 of VGGFace2 where ``module`` has tensors of the same shapes, but strides elsewhere.

    Raises:
        CheckpointError: It names the layout.
    """
    layout = getattr(module, 'layout', 'vggface2')
    if kind == 'vggface2' and layout != kind:
        raise CheckpointError(
            f'{path} holds {KINDS[kind]}, which strides in other convolutions than layout={layout!r}. Set '
            f'model.backbone.layout={kind!r}.'
        )


def where_in_config(part: str) -> str:
    """The dotted name of a part of ``PARTS`` in configs, such as ``model.backbone.image``."""
    stream = PARTS[part][0]
    return f'model.backbone.{stream}' if stream else 'model.backbone'


def check_pretrained_file(module: nn.Module, path: str | os.PathLike) -> None:
    """Looks whether the pretrained weights of a module are there.

    Raises:
        FileNotFoundError: If not; says which file it is, where it comes from and how to train without it.
    """
    if Path(path).is_file():
        return
    part = type(module).__name__
    part = part if part in PARTS else own_part(module.state_dict())
    if part is None:
        raise FileNotFoundError(f'The pretrained weights of {type(module).__name__} are missing: {path}')
    where, (_, file_name, origin) = where_in_config(part), PARTS[part]
    raise FileNotFoundError(
        f'The pretrained weights of {part} are missing: {path}. What belongs there is {file_name}: {origin}. Put it '
        f'there, name another place with --cfg-options {where}.init_cfg.checkpoint=FILE, or train '
        f'without it: --cfg-options {where}.init_cfg=None (mmfer explain missing-weights)'
    )


def load_pretrained(module: nn.Module, path: str | os.PathLike) -> FillReport:
    """Fills a backbone or a stream of one from a released file, or from one that has mmfer's names.

    Raises:
        FileNotFoundError: If there is no such file, see :func:`check_pretrained_file`.
        CheckpointError: If it cannot be read or belongs to another network.
    """
    check_pretrained_file(module, path)
    state, kind, dropped = read_released(path)
    prefix = 'backbone.'
    state = {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)} or state
    part = own_part(module.state_dict())
    found = PART_OF_KIND.get(kind) or own_part(state) or KINDS[kind]
    if part and found != part:
        raise CheckpointError(
            f'{path} holds {found}, not {part}. Name a file of {part} (such as {PARTS[part][1]}) in '
            f'{where_in_config(part)}.init_cfg.checkpoint'
        )
    check_layout(module, kind, path)
    report = fill(module, state, str(path))
    return FillReport(report.tensors, report.parameters, dropped + report.dropped)
