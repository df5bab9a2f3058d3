"""What users call. Nothing is imported before it is used, so that an exported model needs no mmpretrain."""

import sys
from importlib import import_module
from types import ModuleType

_HOMES = dict(
    ExpressionInferencer='mmfer.inference',
    build_runner='mmfer.apis.run',
    calibrate='mmfer.apis.calibrate',
    config_classes='mmfer.apis.run',
    convert='mmfer.apis.convert',
    evaluate='mmfer.apis.evaluate',
    get_model='mmfer.apis.models',
    init_model='mmfer.apis.model',
    list_heads='mmfer.apis.swap_head',
    list_models='mmfer.apis.models',
    load_config='mmfer.apis.run',
    model_info='mmfer.apis.models',
    swap_head='mmfer.apis.swap_head',
    train='mmfer.apis.train',
)
__all__ = list(_HOMES)


class _Functions(ModuleType):
    """Keeps the names of functions for these, where Python would bind the module of the same name once it is imported.

    ``from mmfer.apis import train`` is the function, and ``from mmfer.apis.train import train_config`` works as well.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        value = getattr(import_module(_HOMES[name]), name)
        setattr(self, name, value)
        return value

    def __dir__(self) -> list:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Functions
