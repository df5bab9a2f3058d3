from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.registry import MODELS
from mmfer.utils.views import check_views, make_views, merge_views


@MODELS.register_module()
class ExpressionTTA(BaseTTAModel):
    """Test-time augmentation: predicts for several views of each image and merges all that the head says of them.

    Probabilities are averaged, and the uncertainty is decomposed over the views as over samples, see
    :func:`mmfer.utils.views.merge_views`; so heads without parts get ``aleatoric`` and ``epistemic``, too. mmpretrain's
    ``AverageClsScoreTTA`` averages the probabilities alone, and leaves all else as it is for the first view.

    Views are flips and shifts of the normalised images, made in the batch: each image is loaded once. Each view goes
    through the network on its own, so memory does not grow.

    Args:
        module: The classifier; MMEngine's ``PrepareTTAHook`` passes it.
        views: ``'flip'`` or ``'flip+shifts'``, see :func:`mmfer.utils.views.make_views`. None takes the views that
            the test pipeline makes with ``TestTimeAug``.

    Raises:
        ValueError: If ``views`` is another; in tests, if ``views`` is None and the pipeline makes none.

    Examples:
        What ``mmfer test --tta flip`` adds to a config:

        ``custom_hooks = [dict(type='PrepareTTAHook', tta_cfg=dict(type='ExpressionTTA', views='flip'))]``
    """

    def __init__(self, module: dict | nn.Module, views: str | None = None) -> None:
        super().__init__(module)
        self.views = None if views is None else check_views(views)

    @torch.no_grad()
    def test_step(self, data: dict) -> list[DataSample]:
        """Predictions for a batch.

        Args:
            data: ``inputs``, B images (3, H, W), and ``data_samples``; without ``views``, V lists of them each.
        """
        if self.views is None:
            inputs = data['inputs']
            if isinstance(inputs, Tensor) or (isinstance(inputs[0], Tensor) and inputs[0].ndim == 3):
                raise ValueError(
                    'ExpressionTTA got one view of each image: set views in its tta_cfg, or end the test pipeline with '
                    'TestTimeAug'
                )
            return super().test_step(data)
        model = self.module.module if is_model_wrapper(self.module) else self.module
        data = model.data_preprocessor(data, False)
        samples = data.get('data_samples')  # which the first view fills
        predictions = []
        for view in make_views(data['inputs'], self.views):
            predictions.append(model(view, None if predictions else samples, mode='predict'))
        return self.merge_preds(list(zip(*predictions)))

    def merge_preds(self, data_samples_list: Sequence[Sequence[DataSample]]) -> list[DataSample]:
        """Merge the predictions for B images.

        Args:
            data_samples_list: For each image its V predictions, of which the first is changed.

        Returns:
            The first of each image, with the merged prediction.
        """
        firsts = [views[0] for views in data_samples_list]
        names = [name for name, value in firsts[0].items() if _is_predicted(name, value)]
        outputs = [
            {name: torch.stack([sample.get(name) for sample in view]).float().cpu().numpy() for name in names}
            for view in zip(*data_samples_list)
        ]
        device = firsts[0].pred_score.device
        merged = {name: torch.from_numpy(value).to(device) for name, value in merge_views(outputs).items()}
        labels = merged['pred_score'].argmax(-1)
        for i, sample in enumerate(firsts):
            for name, values in merged.items():
                sample.set_field(values[i], name)
            sample.set_pred_label(labels[i])
        return firsts


def _is_predicted(name: str, value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and not name.startswith('gt_')
