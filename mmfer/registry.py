"""Registries of mmfer: children of MMEngine's root registries, scope ``mmfer``.

A component registers itself with ``@MODELS.register_module()`` and is found by its class name (or, in configs, by its
class). The modules named in ``locations`` are imported at the first look-up, so ``import mmfer`` stays cheap and nothing
depends on the order of imports. A config that names a part of mmpretrain by string writes ``mmpretrain.ResNet``.
"""

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry


def _child(name: str, *locations: str) -> Registry:
    parent = getattr(mmengine_registry, name)
    return Registry(parent.name, parent=parent, scope='mmfer', locations=list(locations))


MODELS = _child('MODELS', 'mmfer.models')
DATASETS = _child('DATASETS', 'mmfer.datasets')
TRANSFORMS = _child('TRANSFORMS', 'mmfer.datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'mmfer.datasets')
METRICS = _child('METRICS', 'mmfer.evaluation')
EVALUATOR = _child('EVALUATOR', 'mmfer.evaluation')
RUNNERS = _child('RUNNERS', 'mmfer.engine')
LOOPS = _child('LOOPS', 'mmfer.engine')
HOOKS = _child('HOOKS', 'mmfer.engine')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'mmfer.engine')
OPTIMIZERS = _child('OPTIMIZERS', 'mmfer.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'mmfer.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child('OPTIM_WRAPPER_CONSTRUCTORS', 'mmfer.engine')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'mmfer.engine')
VISUALIZERS = _child('VISUALIZERS', 'mmfer.visualization')
VISBACKENDS = _child('VISBACKENDS', 'mmfer.visualization')
