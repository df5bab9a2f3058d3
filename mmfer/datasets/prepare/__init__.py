"""Preparing data sets: from what their authors hand out to the trees that the classes read."""

from .recipes import RECIPES
from .run import prepare

__all__ = ['RECIPES', 'prepare']
