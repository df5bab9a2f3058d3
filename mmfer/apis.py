"""The names of :mod:`mmfer` under mmpretrain's convention, as in ``from mmfer.apis import init_model``."""

from mmfer import __all__, __dir__, __getattr__, __version__  # noqa: F401
