from .convert import convert
from .evaluate import evaluate
from .model import init_model
from .run import build_runner, config_classes, load_config

__all__ = ['build_runner', 'config_classes', 'convert', 'evaluate', 'init_model', 'load_config']
