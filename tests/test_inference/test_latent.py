import numpy as np
import pytest
import torch
from nested_data import KINDS, nested
from trained_heads import config_with

from mmfer.apis import init_model
from mmfer.inference.inputs import config_view
from mmfer.inference.latent import HEADS, _synth, _way, draw_latents, look
from mmfer.models import heads
from mmfer.models.heads.base_head import BaseHead
from mmfer.registry import MODELS
from mmfer.structures.expressions import EXPRESSIONS

CLASSES = EXPRESSIONS[:7]


def test_the_way_goes_over_the_compound(tmp_path):
    config, notes = config_with('vich', tmp_path), []
    config.test_dataloader.dataset.update(temperature=0.3)
    dataset = _synth(config, CLASSES[::-1], ('happiness', 'fear'), notes)
    assert not notes
    assert (dataset.size, dataset.temperature) == (32, 0.3)
    shown, seen, names, truths = _way(dataset, config_view(config), CLASSES[::-1], ('happiness', 'fear'), 5, 0.8, None)
    assert [img.shape for img in seen] == [(32, 32, 3)] * 5
    assert shown[0].shape == (160, 160, 3)
    assert names[0] == 'happiness 0.80\nfear 0.00'
    assert names[2] == 'happiness 0.80\nfear 0.80'
    assert names[4] == 'happiness 0.00\nfear 0.80'
    happiness, fear = (CLASSES[::-1].index(name) for name in ('happiness', 'fear'))
    assert truths[2][happiness] == pytest.approx(truths[2][fear])
    assert truths[0][happiness] == pytest.approx(truths[4][fear])
    weights = np.exp(np.array([0.8, 0.2, 0, 0, 0, 0, 0]) / 0.3)
    assert truths[0][happiness] == pytest.approx(weights[0] / weights.sum())
    assert all(truth.sum() == pytest.approx(1) for truth in truths)
    assert (shown[0] != shown[4]).any()


@pytest.mark.filterwarnings('ignore:init_model without')
@pytest.mark.parametrize('head', ['vich', 'linear'])
def test_look_takes_the_latent_of_the_head(tmp_path, head):
    model = init_model(config_with(head, tmp_path))
    img = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    if head == 'linear':
        with pytest.raises(ValueError, match='LinearHead has no latent Gaussian.*VICHead, Het'):
            look(model, [img], [img], ['a'], [None])
        return
    face = look(model, [img], [img], ['a'], [None])[0]
    with torch.no_grad():
        inputs = model.data_preprocessor(dict(inputs=[torch.from_numpy(img).permute(2, 0, 1)], data_samples=None))
        mean, logvar = model.head.latent(model.extract_feat(inputs['inputs'])[-1])
    np.testing.assert_allclose(face.mean, mean[0], atol=1e-5)
    np.testing.assert_allclose(face.std, (0.5 * logvar[0]).exp(), atol=1e-5)
    assert (face.score_low <= face.score_high).all()


def test_all_heads_with_a_latent_are_named():
    found = []
    for name in heads.__all__:
        cls = getattr(heads, name)
        if isinstance(cls, type) and issubclass(cls, BaseHead) and MODELS.get(name) is cls:
            head = cls(num_classes=4, in_channels=6).eval()
            size = (3, 3) if name == 'EACHead' else ()  # which reads maps
            with torch.no_grad():
                outputs = head.predictions(head.pre_logits((torch.randn(2, 6, *size),)))
            if 'pred_mean' in outputs:
                assert 'pred_std' in outputs
                found.append(name)
    assert sorted(found) == sorted(HEADS)


@pytest.mark.filterwarnings('ignore:init_model without')
def test_drawn_faces_are_foreign_to_models_of_other_data(tmp_path):
    config, notes = config_with('vich', tmp_path), []
    config.test_dataloader.dataset = dict(type='FolderDataset', data_root='x', split='test')
    assert _synth(config, (*CLASSES, 'contempt'), ('anger', 'contempt'), notes).METAINFO['classes'][-1] == 'contempt'
    assert notes == ['the model was not trained on drawn faces, so they are out of distribution']
    for name in ('awe', 'neutral'):  # two in one face of which one is none
        with pytest.raises(ValueError, match=f'SynthFER cannot draw {name}: name faces with --images'):
            _synth(config, (*CLASSES, 'awe'), ('anger', name), [])


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.filterwarnings('ignore:init_model without')
def test_drawn_faces_among_joined_data_are_found(kind, tmp_path):
    config, notes = config_with('vich', tmp_path), []
    photos = dict(type='FolderDataset', data_root='x', split='test')
    config.test_dataloader.dataset = nested(kind, photos, dict(type='SynthFER', size=48, seed=7))
    dataset = _synth(config, CLASSES, CLASSES[1:3], notes)
    assert (dataset.size, dataset.seed, notes) == (48, 7, [])


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(out='x.gif'), 'x.gif: the name of a picture ends in'),
        (dict(steps=1), r'steps=1 must lie in 2..9'),
        (dict(strength=0), r'strength=0 in \(0, 1\]'),
    ],
)
def test_arguments_are_checked_before_anything_is_read(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        draw_latents(**dict(dict(config='nowhere.py', checkpoint='nowhere.pth', out=tmp_path / 'x.png'), **wrong))
    assert list(tmp_path.iterdir()) == []
