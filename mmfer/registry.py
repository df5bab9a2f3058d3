"""Registries of mmfer: children of mmpretrain's, which are children of MMEngine's; scope ``mmfer``.

A component registers itself with ``@MODELS.register_module()`` and is found by its class name (or, in configs, by its
class). Parts of mmpretrain and MMEngine are found by their names too. The modules named as locations are imported at
the first look-up, so ``import mmfer`` stays cheap and nothing depends on the order of imports.
"""

from mmengine.registry import Registry
from mmpretrain import registry as parents


def _child(name: str, package: str) -> Registry:
    parent = getattr(parents, name)
    return Registry(parent.name, parent=parent, scope='mmfer', locations=[f'mmfer.{package}', f'mmpretrain.{package}'])


MODELS = _child('MODELS', 'models')
DATASETS = _child('DATASETS', 'datasets')
TRANSFORMS = _child('TRANSFORMS', 'datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'datasets')
METRICS = _child('METRICS', 'evaluation')
EVALUATORS = _child('EVALUATORS', 'evaluation')
RUNNERS = _child('RUNNERS', 'engine')
LOOPS = _child('LOOPS', 'engine')
HOOKS = _child('HOOKS', 'engine')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'engine')
OPTIMIZERS = _child('OPTIMIZERS', 'engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'engine')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'engine')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'engine')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS', 'models')
VISUALIZERS = _child('VISUALIZERS', 'visualization')
VISBACKENDS = _child('VISBACKENDS', 'visualization')
FACE_DETECTORS = Registry('face detector', scope='mmfer', locations=['mmfer.datasets'])
