import numpy as np
import pytest
from nested_data import KINDS, nested
from trained_heads import config_with, train_head

from mmfer.apis import init_model
from mmfer.inference.embed import _dataset, draw_embeddings, embed
from mmfer.utils.nesting import leaves, protocol_of


def test_what_is_embedded_is_what_the_head_reads(tmp_path):
    config = config_with('linear', tmp_path)
    model = init_model(config, train_head('linear', tmp_path))
    dataset = _dataset(config, 'test', 40)
    whole = embed(model, dataset)
    assert whole.features.shape == (40, 16)
    assert whole.classes == model.classes
    assert whole.images[3] == 'synth/test/000003.png'
    logits = whole.features @ model.head.fc.weight.detach().numpy().T + model.head.fc.bias.detach().numpy()
    assert [model.classes[i] for i in logits.argmax(1)] == list(whole.predicted)
    assert [dataset.classes.index(name) for name in whole.true] == dataset.column('gt_label')
    part = embed(model, dataset, max_images=10, seed=5)
    assert len(part.images) == 10
    assert part.images == embed(model, dataset, max_images=10, seed=5).images
    assert part.images != embed(model, dataset, max_images=10, seed=6).images
    places = [whole.images.index(name) for name in part.images]
    assert places == sorted(places)
    np.testing.assert_allclose(part.features, whole.features[places], atol=1e-5)
    with pytest.raises(ValueError, match="split='train'"):
        _dataset(config, 'train', 40)


def test_data_sets_with_other_classes_meet_by_name(tmp_path):
    """Images of a class that the model does not know stay in the picture, under their own name."""
    config = config_with('linear', tmp_path)
    model = init_model(config, train_head('linear', tmp_path))
    config.test_dataloader.dataset.num_classes = 8
    model.classes = ('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral')
    embedding = embed(model, _dataset(config, 'test', 40))
    assert embedding.classes == (*model.classes, 'contempt')
    assert embedding.num_classes == 7
    assert 'contempt' in embedding.true
    assert 'contempt' not in embedding.predicted
    assert not embedding.right[[name == 'contempt' for name in embedding.true]].any()


@pytest.mark.parametrize('kind', KINDS)
def test_joined_data(kind, tmp_path):
    config = config_with('linear', tmp_path)
    part = dict(config.test_dataloader.dataset, num_samples=14, cache='memory')
    config.test_dataloader.dataset = nested(kind, part, dict(part, seed=1))
    dataset = _dataset(config, 'test', 40)
    assert not any(leaf.cache for leaf in leaves(dataset))
    both = 'SynthFER test + SynthFER test, seed 1'
    assert protocol_of(dataset).startswith((both, f'({both}), 2-fold'))
    embedding = embed(init_model(config, train_head('linear', tmp_path)), dataset)
    assert embedding.protocol == protocol_of(dataset)
    assert len(embedding.images) == len(dataset)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(out='x.gif'), r'x.gif: the name of a picture ends in .png, .svg or .pdf'),
        (dict(method='mds'), "method='mds': one of tsne, umap, pca"),
        (dict(max_images=4), 'max_images=4 must be at least 5'),
        (dict(seed=-1), 'seed=-1 at least 0'),
    ],
)
def test_arguments_are_checked_before_anything_is_read(tmp_path, wrong, message):
    arguments = dict(config='nowhere.py', checkpoint='nowhere.pth', out=tmp_path / 'x.png')
    with pytest.raises(ValueError, match=message):
        draw_embeddings(**dict(arguments, **wrong))
    assert list(tmp_path.iterdir()) == []
