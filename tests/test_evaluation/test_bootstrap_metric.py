"""What all metrics with intervals have in common, also on two processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from mmfer.evaluation.metrics.bootstrap_metric import stacked
from mmfer.evaluation.metrics.calibration_metric import CalibrationMetric
from mmfer.evaluation.metrics.distribution_metric import DistributionMetric
from mmfer.evaluation.metrics.expression_metric import ExpressionMetric
from mmfer.evaluation.metrics.selective_metric import SelectiveMetric
from mmfer.registry import METRICS

SIZE = 61  # odd, so that one of two processes gets a padded sample


def make_samples(size=SIZE):
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(size, 5, generator=generator)
    scores = logits.softmax(-1)
    truth = (logits + torch.randn(size, 5, generator=generator)).softmax(-1)
    labels = torch.multinomial(truth, 1, generator=generator)
    return [
        dict(
            img_path=f'{i}.png',
            pred_score=scores[i],
            pred_label=scores[i].argmax().reshape(1),
            gt_label=labels[i],
            gt_distribution=truth[i],
            uncertainty=torch.special.entr(scores[i]).sum(),
            pred_std=0.5 + scores[i],
        )
        for i in range(size)
    ]


def make_metrics(bootstrap=50):
    options = dict(bootstrap=bootstrap, table=False)
    return [
        ExpressionMetric(**options),
        CalibrationMetric(**options),
        CalibrationMetric(adaptive=True, prefix='mass', **options),
        SelectiveMetric(**options),
        SelectiveMetric('pred_std', prefix='std', **options),
        DistributionMetric(**options),
    ]


def evaluate(samples, size, batch=7):
    results = {}
    for metric in make_metrics():
        for start in range(0, len(samples), batch):
            metric.process(None, samples[start : start + batch])
        results.update(metric.evaluate(size))
    return results


PROCESS = """
import json
import sys

from torch import distributed

sys.path[:0] = sys.argv[4:]
from test_bootstrap_metric import SIZE, evaluate, make_samples
from mmfer.engine.runner import leave_group

rank = int(sys.argv[1])
distributed.init_process_group('gloo', init_method=f'file://{sys.argv[2]}', rank=rank, world_size=2)
samples = make_samples()
own = (samples + samples[:1])[rank::2]
json.dump(evaluate(own, SIZE), open(f'{sys.argv[3]}/{rank}.json', 'w'))
leave_group()
"""


def test_two_processes_equal_one(tmp_path):
    arguments = [str(tmp_path / 'rendezvous'), str(tmp_path), str(Path(__file__).parent)]
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', PROCESS, str(rank), *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    for process in processes:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
    first, second = (json.loads((tmp_path / f'{rank}.json').read_text()) for rank in range(2))
    assert first == second
    alone = evaluate(make_samples(), SIZE)
    assert first == pytest.approx(alone, abs=1e-12, nan_ok=True)
    assert {'accuracy_low', 'ece_high', 'mass/adaptive_ece', 'std/aurc_low', 'kl_high'} <= set(first)


@pytest.mark.parametrize('metric', make_metrics(200), ids=lambda m: f'{type(m).__name__}-{m.prefix}')
def test_every_figure_has_an_interval(metric):
    samples = make_samples(200)
    metric.process(None, samples)
    with_intervals = metric.evaluate(200)
    names = [name for name in with_intervals if not name.endswith(('_low', '_high'))]
    assert len(with_intervals) == 3 * len(names)
    for name in names:
        low, value, high = (with_intervals[key] for key in (f'{name}_low', name, f'{name}_high'))
        assert low < high
        if not name.endswith('ce'):  # calibration errors are larger in replicates
            assert low <= value <= high
    metric.bootstrap = 0
    metric.process(None, samples)
    assert metric.evaluate(200) == {name: with_intervals[name] for name in names}


@pytest.mark.parametrize('cls', [CalibrationMetric, SelectiveMetric, DistributionMetric])
def test_common_options(cls, monkeypatch):
    assert METRICS.get(cls.__name__) is cls
    with pytest.raises(ValueError, match='bootstrap=-1'):
        cls(bootstrap=-1)
    with pytest.raises(ValueError, match=f'{cls.__name__}: there are no predictions'):
        cls().compute_metrics([])
    lines = []
    monkeypatch.setattr(MMLogger.get_current_instance(), 'info', lines.append)
    seeds = []
    for options in (dict(seed=0), dict(seed=0), dict(seed=1, table=False)):
        metric = cls(bootstrap=20, **options)
        metric.process(None, make_samples())
        seeds.append(metric.evaluate(SIZE))
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(lines) == 2
    for name in seeds[0]:
        assert name.endswith(('_low', '_high')) or name in lines[0]
    assert '95 % interval' in lines[0]


def test_scores_of_half_precision_on_any_device():
    samples = [dict(x=torch.tensor([0.5, 0.25], dtype=torch.bfloat16, requires_grad=True))] * 3
    values = stacked(samples, 'x')
    assert values.dtype == np.float64
    assert values.tolist() == [[0.5, 0.25]] * 3
    with pytest.raises(ValueError, match='b.png has no x; it has img_path, y'):
        stacked([samples[0], dict(img_path='b.png', y=1)], 'x')
