"""Parameters and operations of a config's model, attention counted, without running it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from mmfer.models.stand_in_batch import stand_in_batch
from mmfer.registry import MODELS
from mmfer.utils.config_options import load_config
from mmfer.utils.tables import render_table


class _NoStorage(TorchFunctionMode):
    """Weights that are made here have shapes and no values, so that large models are built at once."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence = (), kwargs: Mapping | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get('device') is None:
            kwargs['device'] = 'meta'
        return func(*args, **kwargs)


def count_flops(
    config: str | Path | Config,
    size: Sequence[int] | None = None,
    batch: int = 1,
    cfg_options: Mapping | None = None,
) -> dict[str, Any]:
    """Count the parameters of a config's model and the operations of its forward pass, up to the logits.

    Counted are convolutions and matrix products, those of attention included, at 2 operations a multiply-add; not
    counted are additions, activations, normalisations and interpolations. The tensors have shapes only, so no data, no
    weights and not much memory is needed; a model that looks at values is run on random images.

    Args:
        config: Config file or object.
        size: Height and width of the images; by default what the test pipeline of the config gives.
        batch: Number of images B.
        cfg_options: Dotted names to values, set in the config.

    Returns:
        ``config``; ``input`` (B, 3, H, W); ``parameters``, and ``trained_parameters`` without those that the config
        freezes; ``flops`` of the whole batch and ``flops_per_image``; ``parts``: for each part of the model, and each
        part of a part, ``name``, ``parameters``, ``flops`` (of the batch) and ``share`` of all operations.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If an argument is out of bounds, the config has no model or no test pipeline to ask for a size, or
            the model does not take images of this size.
    """
    if batch < 1:
        raise ValueError(f'batch={batch} must be at least 1')
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise ValueError(f'size={tuple(size)}: height and width in pixels, both at least 1')
    config = load_config(config, cfg_options)
    if not config.get('model'):
        raise ValueError(f'{config.filename}: there is no model')
    height, width = size or input_size(config)
    try:
        try:
            model = shape_model(config)
            flops, parts = count_forward(model, torch.empty(batch, 3, height, width, device='meta'))
        except RuntimeError:  # something in it needs values
            with DefaultScope.overwrite_default_scope('mmfer'):
                model = MODELS.build(config.model).eval()
            flops, parts = count_forward(model, torch.rand(batch, 3, height, width))
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ValueError(
            f'{config.filename}: the model does not take images of {height}x{width}: {error or type(error).__name__}'
        ) from error
    return dict(
        config=str(config.filename),
        input=[batch, 3, height, width],
        parameters=count_parameters(model),
        trained_parameters=count_parameters(model, trained=True),
        flops=flops,
        flops_per_image=flops // batch,
        parts=parts,
    )


def count_parameters(model: nn.Module, trained: bool = False) -> int:
    """Number of parameters, each counted once; with ``trained`` of those alone that get gradients."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trained)


def input_size(config: Config) -> tuple[int, int]:
    """Height and width of what the test pipeline of a config gives.

    Raises:
        ValueError: If it has none.
    """
    try:
        return tuple(stand_in_batch(config, 'infer', 1)['inputs'][0].shape[-2:])
    except ValueError as error:
        raise ValueError(f'{error}, which would tell the size of the images: give it (--size H W)') from None


def shape_model(config: Config) -> nn.Module:
    """The model of a config in eval mode, with shapes in place of values: it takes no memory, and cannot be run."""
    with DefaultScope.overwrite_default_scope('mmfer'), _NoStorage():
        return MODELS.build(config.model).eval().to('meta')


def count_forward(model: nn.Module, images: torch.Tensor) -> tuple[int, list[dict[str, Any]]]:
    """The operations of a forward pass of images (B, 3, H, W), and the ``parts`` of :func:`count_flops`."""
    model.eval()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', UserWarning)  # that it need not know the model, which it must before torch 2.4
        counter = FlopCounterMode(model, display=False)
    with torch.no_grad(), _plain_attention(), counter:
        model(images, mode='tensor')
    total = counter.get_total_flops()
    prefix = f'{type(model).__name__}.'
    counted = {
        name[len(prefix) :]: sum(found.values())
        for name, found in counter.get_flop_counts().items()
        if name.startswith(prefix)
    }
    rows = []
    for name, part in model.named_modules():
        if name and name.count('.') < 2:
            row = dict(name=name, parameters=count_parameters(part), flops=_within(name, part, counted))
            if row['parameters'] or row['flops']:
                rows.append(dict(row, share=row['flops'] / max(total, 1)))
    return total, rows


def _plain_attention() -> AbstractContextManager:
    # the fused attention of CPUs is not among what PyTorch counts
    try:
        from torch.nn.attention import SDPBackend, sdpa_kernel
    except ImportError:  # before torch 2.3
        return nullcontext()
    return sdpa_kernel(SDPBackend.MATH)


def _within(name: str, part: nn.Module, counted: Mapping[str, int]) -> int:
    """Operations of a part; lists of modules are never called, but what is in them is."""
    if name in counted:
        return counted[name]
    return sum(_within(f'{name}.{child}', module, counted) for child, module in part.named_children())


def flops_report(result: Mapping[str, Any], parts: bool = False) -> str:
    """The result of :func:`count_flops` as text for people.

    Args:
        result: What was counted.
        parts: With a row for each part of the model.
    """
    batch, channels, height, width = result['input']
    rows = [
        ('images', f'{batch} x {channels}x{height}x{width}'),
        ('parameters', f'{result["parameters"]:,}'),
        ('trained parameters', f'{result["trained_parameters"]:,}'),
        ('GFLOPs an image', f'{result["flops_per_image"] / 1e9:.4g}'),
    ]
    rows += [('GFLOPs of the batch', f'{result["flops"] / 1e9:.4g}')] * (batch > 1)
    tables = [render_table((result['config'], ''), rows)]
    if parts:
        cells = [
            ('  ' * row['name'].count('.') + row['name'], *_cells(row['parameters'], row['flops'], row['share']))
            for row in result['parts']
        ]
        total = ('all', *_cells(result['parameters'], result['flops'], 1.0))
        tables.append(render_table(('part', 'parameters', 'GFLOPs', 'share %'), [*cells, total]))
    return '\n'.join(tables) + '\nA multiply-add counts 2. Convolutions and matrix products count, attention included.'


def _cells(parameters: int, flops: int, share: float) -> tuple[str, ...]:
    return f'{parameters:,}', f'{flops / 1e9:.4g}', f'{100 * share:.1f}'
