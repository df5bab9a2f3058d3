import cv2
import exports
import numpy as np
import pytest
from mmengine.registry import DefaultScope

from mmfer.inference.export.write import export_onnx
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.sources import NetworkView, build_step
from mmfer.registry import TRANSFORMS
from mmfer.structures.results import Face

IMG = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
FACE = Face(
    (20.0, 10.0, 80.0, 70.0), landmarks=np.array([[37, 34], [63, 34], [50, 48], [40, 60], [61, 60]], np.float32)
)
STEPS = [
    dict(type='CropFace', margin=0.2),
    dict(type='AlignFace', size=40, margin=0.1),
    dict(type='ImageResize', size=(30, 40), interpolation='bicubic'),
    dict(type='ImageCenterCrop', size=64),
]


@pytest.mark.parametrize('step', STEPS, ids=lambda step: step['type'])
def test_its_steps_are_those_of_the_registry(step):
    sample = dict(img=IMG, img_shape=IMG.shape[:2], face_box=FACE.box, face_landmarks=FACE.landmarks)
    with DefaultScope.overwrite_default_scope('mmfer'):
        registered = TRANSFORMS.build(dict(step))
    for own in (
        build_step(step),
        build_step(dict(step, type=f'mmfer.{step["type"]}')),
        build_step(dict(step, type=type(registered))),
    ):
        assert type(own) is type(registered)
        np.testing.assert_array_equal(own(dict(sample))['img'], registered(dict(sample))['img'])


def test_a_face_is_cut_out_and_an_image_is_not():
    view = NetworkView([dict(type='ImageResize', size=32)], dict(type='CropFace', margin=0.0))
    np.testing.assert_array_equal(view(IMG, FACE), view(IMG[10:70, 20:80]))
    assert view(IMG).shape == (32, 42, 3)
    assert view(IMG).flags.c_contiguous


class Grey:
    """A transform of a user."""

    def __init__(self, drops=False):
        self.drops = drops

    def __call__(self, results):
        if self.drops:
            return None
        return dict(results, img=results['img'].mean(2, keepdims=True).repeat(3, 2).astype(np.uint8))


@pytest.fixture
def grey():
    TRANSFORMS.register_module(module=Grey)
    yield dict(type='Grey')
    TRANSFORMS.module_dict.pop('Grey')


def test_a_transform_of_the_user_s_own(grey, tmp_path):
    """By its config, in an exported file, and where it drops an image."""
    config = exports.config_of()
    config.test_dataloader.dataset.pipeline.insert(1, grey)
    checkpoint = exports.write(config, tmp_path / 'a.pth')
    export_onnx(config, checkpoint, tmp_path / 'a.onnx')
    for model in ((config, checkpoint, 'cpu'), (tmp_path / 'a.onnx',)):
        infer = ExpressionInferencer(*model, detector=None)
        seen = infer._view(IMG)
        assert (seen == seen[:, :, :1]).all()
        assert infer(IMG, 'bgr')[0].error is None
    with pytest.raises(ValueError, match=r'a\.png: Grey dropped the image'):
        NetworkView([dict(grey, drops=True)])(IMG, name='a.png')
    cv2.imwrite(str(tmp_path / 'a.png'), IMG)
    infer._view = NetworkView([dict(grey, drops=True)])
    assert 'Grey dropped the image' in infer(tmp_path / 'a.png')[0].error
