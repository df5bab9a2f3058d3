import subprocess
import sys

import numpy as np
import pytest
from mmengine.visualization import Visualizer

from mmfer.engine import ScalarVisualizer

# Runs in a process of its own: what is imported before the first step of a training, and what is not.
STARTED = """
import sys
from mmfer.engine import ScalarVisualizer
import mmfer.engine.train
ScalarVisualizer('started', vis_backends=[dict(type='LocalVisBackend')], save_dir=sys.argv[1]).add_scalar('loss', 1.0)
late = 'matplotlib', 'scipy.special', 'scipy.optimize', 'scipy.fft'
sys.exit(', '.join(name for name in late if name in sys.modules) or 0)
"""


def test_draws_as_mmengines():
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    drawn = []
    for kind in (ScalarVisualizer, Visualizer):
        visualizer = kind(f'drawing {kind.__name__}')
        visualizer.set_image(image)
        visualizer.draw_texts('happiness', np.array([10, 10]))
        visualizer.draw_bboxes(np.array([5, 5, 30, 30]))
        drawn.append(visualizer.get_image())
    assert drawn[0].shape == image.shape
    assert np.array_equal(*drawn)


@pytest.mark.slow
def test_a_training_starts_without_matplotlib_and_scipys_parts(tmp_path):
    done = subprocess.run([sys.executable, '-c', STARTED, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
