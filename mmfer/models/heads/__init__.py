from .base_head import BaseHead
from .linear_head import LinearHead
from .vic_head import VICHead

__all__ = ['BaseHead', 'LinearHead', 'VICHead']
