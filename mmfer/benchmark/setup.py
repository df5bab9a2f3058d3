"""What a benchmark of a config's model needs: the model, its optimizer, and the count of its operations."""

from __future__ import annotations

import copy
import logging

from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.apis.flops import count_forward
from mmfer.apis.train import set_amp
from mmfer.models.layers import pretrained_file
from mmfer.registry import MODELS

AMP = dict(bf16='bfloat16', fp16='float16')  # names of precisions here to those of torch


def build_model(config: Config) -> tuple[nn.Module, list[str]]:
    """The model with random weights, and the pretrained files that its config names, which are not read.

    What the config freezes because it is pretrained stays frozen.
    """
    settings = copy.deepcopy(config.model)
    if config.get('data_preprocessor'):
        settings.setdefault('data_preprocessor', config.data_preprocessor)
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = MODELS.build(settings)
    files = []
    for module in model.modules():
        file = pretrained_file(module)
        if file is not None:
            files.append(str(file))
            module.init_cfg = None
    level = logging.root.manager.disable
    logging.disable(logging.INFO)  # MMEngine lists every parameter
    try:
        model.init_weights()
    finally:
        logging.disable(level)
    return model, files


def build_wrapper(config: Config, model: nn.Module, precision: str) -> OptimWrapper:
    """The optimizer wrapper of the config, in a precision.

    Raises:
        ValueError: If the config has none, or one that cannot be in that precision.
    """
    if not config.get('optim_wrapper'):
        raise ValueError(f'{config.filename}: there is no optim_wrapper')
    settings = Config(dict(optim_wrapper=copy.deepcopy(config.optim_wrapper.to_dict())))
    wrapper = settings.optim_wrapper
    if str(wrapper.get('type')).endswith('AmpOptimWrapper'):  # it has no full precision
        wrapper['type'] = 'mmfer.engine.optim_wrappers.AutocastOptimWrapper'
    wrapper.pop('dtype', None)
    if precision in AMP:
        set_amp(settings, AMP[precision])
    if precision != 'fp16':
        settings.optim_wrapper.pop('loss_scale', None)
    with DefaultScope.overwrite_default_scope('mmfer'):
        return build_optim_wrapper(model, settings.optim_wrapper)


def count_operations(config: Config, data: dict) -> tuple[float, nn.Module, list[str]]:
    """Operations of one image's forward pass as PyTorch counts them, 2 a multiply-add, on the CPU.

    Returns:
        The operations, the model that they were counted on, and the pretrained files that its config names.
    """
    model, files = build_model(config)
    model.eval()
    images = model.data_preprocessor(data, False)['inputs']
    return count_forward(model, images)[0] / len(images), model, files
