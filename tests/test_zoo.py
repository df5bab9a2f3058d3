"""The tiny model of every folder of configs: trained for two iterations, and with every head behind its network."""

import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample
from processes import ROOT

from mmfer.apis import build_runner, list_heads, load_config, swap_head
from mmfer.models.two_view_preprocessor import second_views
from mmfer.registry import MODELS

TINY = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/*/synth*.py'))
TINY = [path for path in TINY if not path.startswith('configs/poster_var/') or path.endswith('/synth.py')]
# networks whose heads read what no other head can: attention heads, or maps without a pooling neck
OF_THEIR_OWN = ('configs/dan/', 'configs/ddamfn/', 'configs/eac/', 'configs/rul/')


@pytest.mark.parametrize('path', TINY)
def test_two_iterations_of_training(path, tmp_path):
    config = load_config(ROOT / path)
    for loader, num in ((config.train_dataloader, 16), (config.val_dataloader, 8), (config.test_dataloader, 8)):
        loader.batch_size = 8
        loader.dataset.update(num_samples=num, cache=False)
    config.train_cfg.max_epochs = config.param_scheduler[0].total_steps = 1
    runner = build_runner(config, work_dir=tmp_path)
    # which two processes could not average in PyTorch 2.8
    assert [name for name, buffer in runner.model.named_buffers() if not buffer.numel()] == []
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.train()
    assert runner.iter == 2
    assert (tmp_path / 'epoch_1.pth').is_file()
    after = runner.model.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any((after[name] != value).any() for name, value in before.items() if name.startswith('backbone.'))


@pytest.mark.parametrize('path', [path for path in TINY if not path.startswith(OF_THEIR_OWN)])
def test_every_head_behind_every_network(path):
    """The network runs once, on images and their flipped views; its features go to all heads."""
    config = load_config(ROOT / path)
    with DefaultScope.overwrite_default_scope('mmfer'):
        model = MODELS.build(config.model)
    size = config.test_dataloader.dataset.pipeline[1].size
    images = torch.randn(4, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        feats = model.extract_feat(torch.cat([images, images.flip(-1)]))
    samples = [DataSample().set_gt_label(i) for i in (0, 3, 5, 6)]
    for sample, votes in zip(samples, 10 * torch.eye(7, dtype=torch.long)):  # which some heads use
        sample.set_field(votes, 'votes', dtype=torch.Tensor)
    for name in list_heads():
        settings = swap_head(config, name).model.head
        with DefaultScope.overwrite_default_scope('mmfer'):
            head = MODELS.build(settings)
        assert (head.num_classes, head.in_channels) == (7, config.model.head.in_channels)
        two = name == 'eac'
        losses = head.loss(
            tuple(feat if two else feat[:4] for feat in feats), [*samples, *second_views(samples)] if two else samples
        )
        loss = sum(value for key, value in losses.items() if 'loss' in key)
        loss.backward()
        assert loss.isfinite(), name
        assert [n for n, p in head.named_parameters() if p.grad is None] == [], name
        predicted = head.eval().predict(tuple(feat[:4] for feat in feats))
        assert all(torch.isclose(sample.pred_score.sum(), torch.tensor(1.0), atol=1e-5) for sample in predicted), name
