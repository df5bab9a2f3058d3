from .dan_neck import DANNeck
from .ddamfn_neck import DDAMFNNeck
from .poster_pyramid import PosterPyramidNeck
from .pyramid_fusion import PyramidFusionNeck

__all__ = ['DANNeck', 'DDAMFNNeck', 'PosterPyramidNeck', 'PyramidFusionNeck']
