import cv2
import numpy as np
import pytest
import torch
from face_results import write_video
from mmengine.registry import DefaultScope
from trained_heads import config_with

from mmfer.apis import init_model
from mmfer.inference.inputs import config_view, normalised, open_images, run_name
from mmfer.registry import DATASETS
from mmfer.structures.results import Face


@pytest.mark.filterwarnings('ignore:init_model without')
def test_it_sees_what_tests_see(tmp_path):
    config = config_with('linear', tmp_path)
    model = init_model(config)
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    view = config_view(config)
    for i in (0, 7):
        packed = dataset[i]
        data = dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
        expected = model.data_preprocessor(data)['inputs']
        seen = view(dataset.get_data_info(i)['img'])
        assert (normalised(model, [seen]) == expected).all()
        assert seen.flags.c_contiguous


def test_the_largest_face_is_cut_out(tmp_path):
    img = np.zeros((100, 100, 3), np.uint8)
    img[40:80, 10:50] = (200, 100, 50)
    faces = [Face(box=(10, 40, 50, 80), score=0.9, landmarks=None)]
    view = config_view(config_with('linear', tmp_path), lambda img: faces)
    seen = view(img)
    assert seen.shape == (32, 32, 3)
    assert seen[16, 16].tolist() == [200, 100, 50]
    assert (seen == (200, 100, 50)).all(axis=2).mean() > 0.5
    faces.clear()
    with pytest.raises(ValueError, match='a.png: no face was found'):
        view(img, 'a.png')


def test_images_come_with_those_of_folders_and_the_first_frames_of_videos(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((8, 9, 3), 7, np.uint8))
    (tmp_path / 'below').mkdir()
    (tmp_path / 'below/b.txt').write_text('no image')
    write_video(tmp_path / 'c.avi', [(0, 0, 0), (200, 200, 200)])
    sources = list(open_images([tmp_path, tmp_path / 'nowhere.png'], 'x'))
    assert [source.image is None for source in sources] == [False, False, True, True]
    assert sources[0].image.shape == (8, 9, 3)
    assert (sources[1].frame, int(sources[1].image.max())) == (0, 0)
    assert 'nowhere.png' in sources[3].error


@pytest.mark.filterwarnings('ignore:init_model without')
def test_titles_have_the_end_of_the_path(tmp_path):
    config = config_with('linear', tmp_path)
    config.dump(tmp_path / 'run.py')
    loaded = type(config).fromfile(tmp_path / 'run.py')
    assert run_name(loaded, 'a/b/epoch_3.pth') == f'{tmp_path.name}/run.py, epoch_3.pth'
    assert torch.is_tensor(normalised(init_model(loaded), [np.zeros((32, 32, 3), np.uint8)]))
