from __future__ import annotations

from mmengine.model import BaseModule

from mmfer.models.released.weights import check_pretrained_file, fill, read_released

from ..layers import pretrained_file


class ReleasedBackbone(BaseModule):
    """A whole backbone whose ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` also takes what authors released.

    The file holds the backbone alone, or a whole model of which the backbone is taken: a released one, or one that
    mmfer trained or converted. It is read without unpickling, its names are translated, and every parameter must be
    filled; MMEngine's own initialiser would call ``torch.load`` and skip what does not fit.
    """

    def init_weights(self) -> None:
        """Fills the backbone.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If it cannot be read or has no such backbone.
        """
        checkpoint = pretrained_file(self)
        if checkpoint is None:
            super().init_weights()
        elif not self.is_init:
            check_pretrained_file(self, checkpoint)
            state, _, _ = read_released(checkpoint)
            prefix = 'backbone.'
            own = {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}
            fill(self, own or state, str(checkpoint))
            self.is_init = True
