"""Python as a plain ``pip install mmfer`` leaves it: what other packages bring cannot be imported."""

from processes import python

MISSING = (
    'torch',
    'torchvision',
    'mmengine',
    'mmcv',
    'mmpretrain',
    'safetensors',
    'yaml',
    'matplotlib',
    'PIL',
    'scipy',
)
FINDER = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {MISSING}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Missing())
"""


def base_python(code, **options):
    """Run code where only NumPy, OpenCV, onnxruntime and rich are installed; what ``subprocess`` says of it."""
    return python('-c', FINDER + code, **options)
