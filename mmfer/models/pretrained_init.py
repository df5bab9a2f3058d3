"""``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` for backbones of mmpretrain, without unpickling the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from mmfer.registry import WEIGHT_INITIALIZERS
from mmfer.utils.checkpoint_reader import CheckpointError, read_checkpoint, show
from mmfer.utils.state_dict import find_state_dict

# A place in a list of layers, as the 7 of stages.2.blocks.7.norm1.weight.
PLACE = re.compile(r'(?<=\.)\d+\.')
# Buffers that follow from the structure, or that only training needs.
DERIVED = re.compile(r'(num_batches_tracked|relative_position_index|attn_mask)$')


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class PretrainedWeights:
    """Takes the place of MMEngine's ``Pretrained``, which calls ``torch.load`` and leaves out what does not fit.

    The file holds the backbone alone or, with the prefix ``backbone.``, a whole model: one that mmpretrain published,
    or one that mmfer trained. Every parameter must be there, and no further layers; position embeddings of another grid
    are resized by mmpretrain's own rules. The file is named, not fetched.

    Args:
        checkpoint: The file.
        prefix: Which part of the model in the file; by default ``backbone.`` where its names begin so.

    Raises:
        ValueError: If the module is a head, whose classes have an order.
        FileNotFoundError: If there is no such file; the message says where mmpretrain publishes them.
        CheckpointError: If it cannot be read, or does not fit.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None) -> None:
        self.checkpoint = checkpoint
        self.prefix = prefix

    def __call__(self, module: nn.Module) -> None:
        name, path = type(module).__name__, self.checkpoint
        if hasattr(module, 'num_classes') and hasattr(module, 'predict'):
            raise ValueError(
                f'init_cfg of {name} would take the classes of {path} by index. Use load_from={path}, which matches '
                'them by name.'
            )
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'The pretrained weights of {name} are missing: {path}. Files of mmpretrain are listed in '
                'https://github.com/open-mmlab/mmpretrain (configs/<network>/README.md); fetch one and put it there, '
                'name another place with --cfg-options model.backbone.init_cfg.checkpoint=FILE, or train without it: '
                '--cfg-options model.backbone.init_cfg=None (mmfer explain missing-weights)'
            )
        state = find_state_dict(read_checkpoint(path))
        prefix = 'backbone.' if self.prefix is None else f'{self.prefix.rstrip(".")}.'
        part = {key[len(prefix) :]: tensor for key, tensor in state.items() if key.startswith(prefix)}
        if not part and self.prefix is not None:
            raise CheckpointError(f'{path} has nothing that begins with {prefix}')
        try:
            missing, unexpected = module.load_state_dict(part or state, strict=False)
        except RuntimeError as error:  # shapes that differ; it lists all of them
            raise CheckpointError(f'{path} does not fit {name}: {error}') from None
        missing = [key for key in missing if not DERIVED.search(key)]
        if missing:
            there = ', '.join(show(key) for key in unexpected[:5]) or 'nothing else'
            raise CheckpointError(
                f'{path} does not fit {name}: it lacks {len(missing)} of its tensors, such as '
                f'{", ".join(missing[:5])}, and has {there}. Take the file of the same network, under the names of '
                'mmpretrain.'
            )
        deeper = [key for key in unexpected if _is_deeper(key, list(module.state_dict()))]
        if deeper:
            raise CheckpointError(
                f'{path} is of a deeper network than {name}: it has {show(deeper[0])}, for one. Take the file of the '
                'same network.'
            )


def _is_deeper(key: str, own: Sequence[str]) -> bool:
    """Whether ``key`` stands behind the end of a list of layers that the names ``own`` have, too."""
    return any(
        any(name.startswith(key[: place.start()]) for name in own)
        and not any(name.startswith(key[: place.end()]) for name in own)
        for place in PLACE.finditer(key)
    )
