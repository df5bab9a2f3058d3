"""The names of :mod:`mmfer` under mmpretrain's convention, as in ``from mmfer.apis import init_model``."""

from typing import TYPE_CHECKING

from mmfer import __all__, __dir__, __getattr__, __version__  # noqa: F401

if TYPE_CHECKING:
    from mmfer import ExpressionInferencer as ExpressionInferencer
    from mmfer import build_runner as build_runner
    from mmfer import calibrate as calibrate
    from mmfer import config_classes as config_classes
    from mmfer import convert as convert
    from mmfer import evaluate as evaluate
    from mmfer import export_onnx as export_onnx
    from mmfer import get_model as get_model
    from mmfer import init_model as init_model
    from mmfer import list_heads as list_heads
    from mmfer import list_models as list_models
    from mmfer import load_config as load_config
    from mmfer import model_info as model_info
    from mmfer import read_results as read_results
    from mmfer import swap_head as swap_head
    from mmfer import test as test
    from mmfer import train as train
