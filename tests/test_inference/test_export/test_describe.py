import exports
import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform

from mmfer.inference.export.describe import describe, read_normalisation
from mmfer.models import FERDataPreprocessor
from mmfer.registry import MODELS, TRANSFORMS


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return exports.write(exports.config_of(), tmp_path_factory.mktemp('model') / 'a.pth')


def described(config, checkpoint):
    from mmfer.apis import init_model

    return describe(config, checkpoint, init_model(config, checkpoint))


def with_steps(*steps):
    config = exports.config_of()
    loading, *_, packing = config.test_dataloader.dataset.pipeline
    config.test_dataloader.dataset.pipeline = [loading, *steps, packing]
    return config


def test_crop_and_classes_in_settings(checkpoint):
    """Classes of transforms become their names, also within others; how faces are cut out stands apart."""
    from mmfer.datasets import CropFace, ImageCenterCrop, ImageResize

    resize = dict(type=ImageResize, size=(40, 40))
    crop = dict(type=CropFace, margin=0.2)
    said = described(with_steps(crop, resize, dict(type=ImageCenterCrop, size=np.int64(32))), checkpoint)
    assert said['face_crop'] == dict(type='CropFace', margin=0.2)
    assert said['pipeline'] == [dict(type='ImageResize', size=[40, 40]), dict(type='ImageCenterCrop', size=32)]
    assert said['input']['size'] == [32, 32]
    assert said['calibration'] is None
    assert said['abstention'] is None


def test_images_of_no_fixed_size(checkpoint):
    for steps in ([], [dict(type='ImageResize', size=32)]):
        with pytest.raises(
            ValueError, match=r'synth\.py gives images of no fixed size: end it with dict\(type=ImageRes'
        ):
            described(with_steps(*steps), checkpoint)


class Unregistered(BaseTransform):
    def transform(self, results):
        return results


@TRANSFORMS.register_module()
class ToFloats(BaseTransform):
    def __init__(self, function=None):
        pass

    def transform(self, results):
        return dict(results, img=results['img'].astype(np.float32))


def test_steps_that_a_file_cannot_hold(checkpoint):
    resize = dict(type='ImageResize', size=(32, 32))
    with pytest.raises(ValueError, match='Unregistered.* is not registered under the name Unregistered'):
        described(with_steps(resize, dict(type=Unregistered)), checkpoint)
    with pytest.raises(ValueError, match='gives float32 images of shape .* leave normalisation to the data preproc'):
        described(with_steps(resize, dict(type=ToFloats)), checkpoint)
    with pytest.raises(ValueError, match='of the test data has .*, which a file cannot hold'):
        described(with_steps(resize, dict(type='ToFloats', function=torch.zeros(2))), checkpoint)


class Model(torch.nn.Module):
    def __init__(self, preprocessor):
        super().__init__()
        self.data_preprocessor = preprocessor


def test_normalisations():
    said = read_normalisation(Model(FERDataPreprocessor(mean=(1, 2, 3), std=(4, 5, 6), to_rgb=False)))
    assert said == dict(mean=[1, 2, 3], std=[4, 5, 6], channel_order='BGR')
    for kind in ('ClsDataPreprocessor', 'FERDataPreprocessor', 'TwoViewPreprocessor'):
        settings = dict(type=kind, mean=[7, 8, 9], std=[4, 5, 6], to_rgb=True)
        said = read_normalisation(Model(MODELS.build(settings)))
        assert said == dict(mean=[7, 8, 9], std=[4, 5, 6], channel_order='RGB')
    grey = read_normalisation(Model(MODELS.build(dict(type='ClsDataPreprocessor', mean=[10], std=[20]))))
    assert grey == dict(mean=[10] * 3, std=[20] * 3, channel_order='BGR')
    none = read_normalisation(Model(MODELS.build(dict(type='ClsDataPreprocessor'))))
    assert none == dict(mean=[0] * 3, std=[1] * 3, channel_order='BGR')
    with pytest.raises(ValueError, match='ClsDataPreprocessor does more than normalise'):
        read_normalisation(Model(MODELS.build(dict(type='ClsDataPreprocessor', pad_size_divisor=32))))
