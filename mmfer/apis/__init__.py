from .convert import convert
from .model import init_model
from .run import build_runner, evaluate, load_config

__all__ = ['build_runner', 'convert', 'evaluate', 'init_model', 'load_config']
