"""Models for use: export, and running what was exported. Nothing is imported before it is used."""

from importlib import import_module

_HOMES = dict(
    ExportModel='export_model',
    ExportReport='export',
    OnnxClassifier='onnx_classifier',
    compare_speed='speed',
    export_onnx='export',
    export_program='export',
    speed_report='speed',
)
__all__ = list(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)


def __dir__():
    return sorted([*globals(), *__all__])
