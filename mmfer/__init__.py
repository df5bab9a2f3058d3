"""mmfer: a toolbox for facial expression recognition in the style of MMEngine.

The public names are loaded when they are used, so that an exported file needs neither PyTorch nor MMEngine.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names for type checkers and editors
    from .datasets.config_classes import config_classes as config_classes
    from .engine.convert import convert as convert
    from .engine.evaluate import evaluate as evaluate
    from .engine.evaluate import evaluate as test
    from .engine.run import build_runner as build_runner
    from .engine.swap_head import list_heads as list_heads
    from .engine.swap_head import swap_head as swap_head
    from .engine.train import train as train
    from .inference.calibration.calibrate import calibrate as calibrate
    from .inference.export.write import export_onnx as export_onnx
    from .inference.inferencer import ExpressionInferencer as ExpressionInferencer
    from .inference.table import read_results as read_results
    from .models.build import get_model as get_model
    from .models.build import init_model as init_model
    from .utils.config_options import load_config as load_config
    from .utils.model_index import list_models as list_models
    from .utils.model_index import model_info as model_info

_HOMES = dict(
    __version__='version',
    ExpressionInferencer='inference.inferencer',
    build_runner='engine.run',
    calibrate='inference.calibration.calibrate',
    config_classes='datasets.config_classes',
    convert='engine.convert',
    evaluate='engine.evaluate',
    export_onnx='inference.export.write',
    get_model='models.build',
    init_model='models.build',
    list_heads='engine.swap_head',
    list_models='utils.model_index',
    load_config='utils.config_options',
    model_info='utils.model_index',
    read_results='inference.table',
    swap_head='engine.swap_head',
    train='engine.train',
)
__all__ = ['test', *_HOMES]


def __getattr__(name: str) -> Any:
    own = 'evaluate' if name == 'test' else name
    if own not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        return getattr(import_module(f'{__name__}.{_HOMES[own]}'), own)
    except ModuleNotFoundError as error:
        if (error.name or '').split('.')[0] not in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmpretrain'):
            raise
        raise ImportError(
            f"mmfer.{name} needs {error.name}, which is not installed: pip install 'mmfer[train]' "
            '(mmfer explain missing-extra)'
        ) from error


def __dir__() -> list:
    return sorted({*globals(), *__all__})


# mmcv-lite says this at each import, whether or not the module is wanted; nothing here wants it.
warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')
