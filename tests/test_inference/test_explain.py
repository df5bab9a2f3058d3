import cv2
import numpy as np
import pytest
from trained_heads import config_with, train_head

from mmfer.inference.explain import heat_maps
from mmfer.visualization.heat_map import HeatMap


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    rng = np.random.default_rng(0)
    cv2.imwrite(str(folder / 'face.png'), rng.integers(0, 256, (50, 40, 3), np.uint8))
    cv2.imwrite(str(folder / '快 乐 $.png'), rng.integers(0, 256, (1, 1, 3), np.uint8))
    cv2.imwrite(str(folder / 'grey.jpg'), rng.integers(0, 256, (300, 500), np.uint8))
    (folder / 'notes.txt').write_text('not an image')
    return folder


@pytest.mark.filterwarnings('ignore:no font on this system')
def test_any_image_gets_a_picture(tmp_path, images):
    config, checkpoint = config_with('vich', tmp_path), train_head('vich', tmp_path)
    done = heat_maps(config, checkpoint, [images], tmp_path / 'out', 'rollout', device='cpu')
    assert [file.name for file in done.files] == ['face_rollout.png', 'grey_rollout.png', '快 乐 $_rollout.png']
    assert all(file.is_file() for file in done.files)
    assert len(done.errors) == 1
    assert 'notes.txt' in done.errors[0]
    assert str(done).splitlines()[-2] == '1 images were left out:'
    missing = heat_maps(
        config, train_head('vich', tmp_path), ['nowhere.png'], tmp_path / 'none', 'rollout', device='cpu'
    )
    assert 'nowhere.png' in missing.errors[0]
    assert not (tmp_path / 'none').exists()


def test_a_map_without_anything_is_noted(tmp_path, images, monkeypatch):
    empty = HeatMap(np.zeros((32, 32), np.float32), 'gradcam++', 'sadness', 'backbone')
    monkeypatch.setattr('mmfer.inference.explain.grad_cam', lambda *args: [empty])
    config, checkpoint = config_with('vich', tmp_path), train_head('vich', tmp_path)
    done = heat_maps(
        config, checkpoint, [images / 'face.png'], tmp_path / 'out', 'gradcam++', target='sad', device='cpu'
    )
    assert done.files == [tmp_path / 'out/face_gradcampp.png']
    assert str(done).endswith('face.png: nothing in the map speaks for sadness')


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (dict(method='cam'), "method='cam': one of gradcam"),
        (dict(method='rollout', target='anger'), 'rollout shows the attention of the encoder'),
        (dict(out=__file__), 'is a file, not a folder for pictures'),
    ],
)
def test_arguments_are_checked_before_anything_is_read(tmp_path, wrong, message):
    arguments = dict(config='nowhere.py', checkpoint='nowhere.pth', images=[], out=tmp_path / 'out')
    with pytest.raises(ValueError, match=message):
        heat_maps(**dict(arguments, **wrong))
    assert list(tmp_path.iterdir()) == []
