from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmfer.registry import METRICS
from mmfer.utils.files import write_text


def _plain(value: object) -> object:
    if isinstance(value, Tensor):
        return value.item() if value.numel() == 1 else value.tolist()
    return value


@METRICS.register_module()
class PredictionDump(BaseMetric):
    """Keeps every prediction, and writes a JSON file with the scores of each image.

    Columns of the data set that are carried as meta information (``meta_keys`` of ``PackInputs``) are kept where they
    are text; None is kept as well.

    Args:
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
    """

    default_prefix = ''  # MMEngine warns about None
    fields = ('gt_label', 'gt_score', 'gt_distribution', 'pred_label', 'pred_score', 'pred_mean', 'pred_std')
    fields += ('uncertainty', 'aleatoric', 'epistemic', 'vacuity', 'votes', 'pred_factor', 'pred_concentration')

    def __init__(self, collect_device: str = 'cpu') -> None:
        super().__init__(collect_device=collect_device)
        self.predictions: list[dict] = []

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the fields of each sample as plain numbers."""
        for sample in data_samples:
            record = dict(img_path=sample.get('img_path'))
            record.update((name, _plain(sample[name])) for name in self.fields if name in sample)
            text = {name: value for name, value in sample.items() if isinstance(value, (str, type(None)))}
            self.results.append({**record, **text})

    def compute_metrics(self, results: list) -> dict:
        """Keep the predictions of all processes; no figures."""
        self.predictions = results
        return {}

    def write(self, path: str | Path, **header: object) -> None:
        """Write ``header``, ``classes`` and ``predictions``, a line each, to ``path`` as JSON, whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        classes = list((self.dataset_meta or {}).get('classes', ()))
        text = json.dumps(dict(**header, classes=classes), indent=1).removesuffix('\n}')
        lines = ',\n  '.join(map(json.dumps, self.predictions))  # json indents in Python, which takes far longer
        write_text(path, f'{text},\n "predictions": [\n  {lines}\n ]\n}}\n')
