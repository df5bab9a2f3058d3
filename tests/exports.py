"""Small models and their checkpoints, for tests of what is exported."""

import warnings

import golden
import torch
from small_runs import shallow_config

from mmfer.apis import init_model
from mmfer.datasets import SynthFER
from mmfer.models.heads.calibration import Calibration
from mmfer.models.heads.sngp_head import SNGPHead
from mmfer.utils.checkpoint import load_checkpoint, write_checkpoint

CLASSES = SynthFER.METAINFO['classes']
BLOCK = 'backbone.stages.0.stages.0.0'  # the residual block of config_of, in exported files
ABSTENTION = dict(threshold=1.2, wanted='most', accuracy=float('nan'), images=torch.zeros(3))


def config_of(head='VICHead', **options):
    """One residual block behind 32x32 images, with this head."""
    config = shallow_config('unused')
    config.model.head = dict(type=head, num_classes=7, in_channels=8, **options)
    return config


def fill(model):
    """Give the network other weights than fresh ones, whose statistics and slopes hide mistakes."""
    names = ('backbone.', 'neck.')
    state = {n: golden.fill_tensor(n, t.shape) for n, t in model.state_dict().items() if n.startswith(names)}
    model.load_state_dict(state, strict=False)
    for module in model.modules():
        if isinstance(module, torch.nn.PReLU):  # slopes of a file tell nothing of their names here
            module.weight.data.copy_(torch.linspace(-0.3, 0.8, module.weight.numel()))
    head = model.head
    if isinstance(head, SNGPHead):
        phi = head.features(torch.randn(40, head.in_channels))
        head.remember(phi, head.mean(phi))


def write(config, path, calibrated=False, classes=CLASSES, abstention=None):
    """A checkpoint of ``config``; its path."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of random weights
        model = init_model(config)
    fill(model)
    if calibrated:
        model.head.calibration = Calibration(7)
        model.head.calibration.weight.copy_(torch.linspace(0.5, 1.5, 7))
        model.head.calibration.bias.copy_(torch.linspace(-0.3, 0.3, 7))
    meta = dict(dataset_meta=dict(classes=classes) if classes else {}, abstention=abstention)
    write_checkpoint(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


def spoil(checkpoint):
    """One channel of a map inside the block becomes 10,000 times as large, the answers stay: 8 bits lose the others."""
    content = load_checkpoint(checkpoint)
    state = content['state_dict']
    state['backbone.stages.0.0.residual.1.weight'][0] *= 1e4
    state['backbone.stages.0.0.residual.3.weight'][:, 0] /= 1e4
    write_checkpoint(content, checkpoint)
    return checkpoint


def answers(config, checkpoint, images):
    """What PyTorch answers for normalised images, by the names of files."""
    model = init_model(config, checkpoint)
    with torch.no_grad():
        fields = model.head.predictions(model.head.pre_logits(model.extract_feat(images)))
    names = dict(pred_score='probs', pred_mean='mean', pred_std='std')
    return {names.get(name, name): value.numpy() for name, value in fields.items()}
