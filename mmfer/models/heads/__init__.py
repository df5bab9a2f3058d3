from .am_softmax_head import AMSoftmaxHead
from .arcface_head import ArcFaceHead
from .base_head import BaseHead
from .cosine_head import CosineHead
from .dan_head import DANHead
from .ddamfn_head import DDAMFNHead
from .eac_head import EACHead
from .ensemble_head import EnsembleHead
from .evidential_head import EvidentialHead
from .heteroscedastic_head import HeteroscedasticHead
from .linear_head import LinearHead
from .mc_dropout_head import MCDropoutHead
from .rul_head import RULHead
from .scn_head import SCNHead
from .sngp_head import SNGPHead
from .vic_head import VICHead

__all__ = [
    'AMSoftmaxHead',
    'ArcFaceHead',
    'BaseHead',
    'CosineHead',
    'DANHead',
    'DDAMFNHead',
    'EACHead',
    'EnsembleHead',
    'EvidentialHead',
    'HeteroscedasticHead',
    'LinearHead',
    'MCDropoutHead',
    'RULHead',
    'SCNHead',
    'SNGPHead',
    'VICHead',
]
