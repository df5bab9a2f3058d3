"""Synthetic faces: expression intensities -> facial action units -> geometry -> a drawn image.

``sample_appearance`` draws who the face is and how it is seen, ``render_face`` draws it with given expression
intensities. Both are pure functions of their arguments; the data set around them is
:class:`mmfer.datasets.SynthFER`.
"""

from .actions import ACTION_UNITS, EMFACS, action_units
from .appearance import Appearance, sample_appearance
from .geometry import FaceShape, face_shape
from .render import render_face

__all__ = [
    'ACTION_UNITS',
    'EMFACS',
    'Appearance',
    'FaceShape',
    'action_units',
    'face_shape',
    'render_face',
    'sample_appearance',
]
