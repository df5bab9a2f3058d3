from .model import init_model
from .run import build_runner, load_config, test_model

__all__ = ['build_runner', 'init_model', 'load_config', 'test_model']
