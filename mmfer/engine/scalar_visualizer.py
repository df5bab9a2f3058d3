from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from mmfer.registry import VISUALIZERS


@VISUALIZERS.register_module()
class ScalarVisualizer(Visualizer):
    """MMEngine's Visualizer, which makes its figure when an image is drawn.

    A training writes scalars and draws nothing, so that it need not wait for the import of matplotlib. The arguments
    are those of MMEngine's.
    """

    def _initialize_fig(self, fig_cfg: dict) -> tuple:
        return None, SimpleNamespace(get_dpi=lambda: 0), None  # all that is asked of it before an image is there

    @master_only
    def set_image(self, image: np.ndarray) -> None:
        """Set the image to draw on: (H, W, 3), RGB."""
        if self.fig_save_canvas is None:
            self.fig_save_canvas, self.fig_save, self.ax_save = super()._initialize_fig(self.fig_save_cfg)
            self.dpi = self.fig_save.get_dpi()
        super().set_image(image)
