import csv
import sys

import numpy as np
import pytest

from mmfer.visualization.embedding import Embedding, Projection, _looks, draw_embedding, project, write_points


@pytest.fixture
def blobs():
    """Three groups of 20 in 16 dimensions, far from each other."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(size=(20, 16)) + 40 * np.eye(16)[i] for i in range(3)])


def make_embedding(features, classes=('anger', 'радость', 'a $ b')):
    labels = [classes[i * len(classes) // len(features)] for i in range(len(features))]
    answers = [classes[0], *labels[1:-1], classes[0]]  # the last one is wrong
    number = len(features)
    images = tuple(f'face {i}, "x".png' for i in range(number))
    score, uncertainty = np.full(number, 0.8), np.linspace(0, 1, number)
    return Embedding(features, images, tuple(labels), tuple(answers), score, uncertainty, classes, 3, 'SynthFER test')


@pytest.mark.parametrize('method', ['tsne', 'pca', pytest.param('umap', marks=pytest.mark.long)])
def test_groups_stay_apart_and_the_seed_decides(blobs, method):
    pytest.importorskip('umap' if method == 'umap' else 'sklearn')
    points = project(blobs, method, seed=3).points
    assert points.shape == (60, 2)
    groups = points.reshape(3, 20, 2)
    centres = groups.mean(1)
    spread = np.linalg.norm(groups - centres[:, None], axis=2).max()
    nearest = min(np.linalg.norm(centres[i] - centres[j]) for i in range(3) for j in range(i))
    assert nearest > spread
    assert (project(blobs, method, seed=3).points == points).all()


def test_pca_names_its_axes():
    pytest.importorskip('sklearn')
    features = np.zeros((10, 3))
    features[:, 1] = np.arange(10)
    drawn = project(features, 'pca')
    assert drawn.axes[0] == 'component 1 (100 % of the variance)'
    assert np.ptp(drawn.points[:, 0]) == pytest.approx(9)
    assert project(features[:, 1:2], 'pca').points.shape == (10, 2)
    assert project(np.ones((10, 3)), 'pca').points.shape == (10, 2)


def test_few_images(blobs):
    pytest.importorskip('sklearn')
    assert np.isfinite(project(blobs[::12]).points).all()
    with pytest.raises(ValueError, match='4 images cannot be projected'):
        project(blobs[:4])


def test_errors(blobs, monkeypatch):
    with pytest.raises(ValueError, match="method='mds'"):
        project(blobs, 'mds')
    blobs[3, 2] = np.nan
    with pytest.raises(ValueError, match='1 of 60 embeddings are not finite'):
        project(blobs)
    monkeypatch.setitem(sys.modules, 'umap', None)
    with pytest.raises(ImportError, match="UMAP needs.*not installed: pip install 'umap-learn"):
        project(np.zeros((9, 2)), 'umap')


def test_classes_of_one_colour_have_other_shapes_and_names_lie_beside_each_other():
    rng = np.random.default_rng(0)
    for number in (11, 30):
        classes = tuple(f'disgustedly {i}' for i in range(number))
        looks = _looks(classes)
        assert len(set(looks.values())) == number
        embedding = make_embedding(rng.normal(size=(5 * number, 3)), classes)
        figure = draw_embedding(embedding, Projection(0.001 * embedding.features[:, :2], 'tsne'))
        figure.canvas.draw()
        names = [text for text in figure.axes[0].texts if text.get_text()]
        assert len(names) == (11 if number == 11 else 0)
        boxes = [text.get_window_extent() for text in names]
        overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
        assert sum(overlaps) <= 1
        legend = figure.legends[0].get_window_extent()
        assert legend.x0 >= 0
        assert legend.x1 <= figure.bbox.width


def test_picture_and_points(blobs, tmp_path):
    pytest.importorskip('sklearn')
    embedding, drawn = make_embedding(blobs), project(blobs, 'pca')
    figure = draw_embedding(embedding, drawn, 'x')
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [
        'anger: 20, 100 % right',
        'радость: 20, 100 % right',
        r'a \$ b: 20, 95 % right',
        'wrong answer (1)',
    ]
    assert '98.3 % right' in figure.get_suptitle()
    figure.canvas.draw()
    write_points(tmp_path / 'x.csv', embedding, drawn)
    with open(tmp_path / 'x.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60
    assert rows[-1]['image'] == 'face 59, "x".png'
    assert (rows[-1]['true'], rows[-1]['predicted']) == ('a $ b', 'anger')
    assert float(rows[5]['x']) == pytest.approx(drawn.points[5, 0], rel=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ['x.csv']
