from .calibrate import calibrate
from .convert import convert
from .evaluate import evaluate
from .model import init_model
from .run import build_runner, config_classes, load_config
from .swap_head import list_heads, swap_head
from .train import train

__all__ = [
    'build_runner',
    'calibrate',
    'config_classes',
    'convert',
    'evaluate',
    'init_model',
    'list_heads',
    'load_config',
    'swap_head',
    'train',
]
