"""mmfer: a toolbox for facial expression recognition in the style of MMEngine.

The public names are loaded when they are used, so that an exported file needs neither PyTorch nor MMEngine.
"""

import warnings
from importlib import import_module

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
    swap_head='engine.swap_head',
    train='engine.train',
)
__all__ = ['test', *_HOMES]


def __getattr__(name: str) -> object:
    own = 'evaluate' if name == 'test' else name
    if own not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    try:
        return getattr(import_module(f'{__name__}.{_HOMES[own]}'), own)
    except ModuleNotFoundError as error:
        if (error.name or '').split('.')[0] not in ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmpretrain'):
            raise
        raise ImportError(
            f"mmfer.{name} needs {error.name}, which is not installed: pip install 'mmfer[train]'"
        ) from error


def __dir__() -> list:
    return sorted({*globals(), *__all__})


# mmcv-lite says this at each import, whether or not the module is wanted; nothing here wants it.
warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')
