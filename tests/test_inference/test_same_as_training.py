"""What a model sees of a face is the same in a test of its data set and in the inferencer, bit for bit."""

import csv

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from small_runs import shallow_config

from mmfer.apis import init_model
from mmfer.datasets import AlignFace, CropFace, CSVDataset, ImageCenterCrop, ImageResize, LoadImageFromFile, PackInputs
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.registry import DATASETS, MODELS
from mmfer.structures.results import Face
from mmfer.utils.checkpoint import write_checkpoint

BOX = (11.5, 7.25, 61.0, 70.5)
POINTS = np.array([(24, 30), (46, 28), (36, 42), (27, 54), (47, 52)], np.float32)
FACE = Face(BOX, 0.9, POINTS)
CLASSES = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')
FITTED = [dict(type=ImageResize, size=(36, 36)), dict(type=ImageCenterCrop, size=32)]


class WithLandmarks(CSVDataset):
    """Knows where the eyes are."""

    def get_data_info(self, idx):
        return dict(super().get_data_info(idx), face_landmarks=POINTS)


@pytest.fixture
def photos(tmp_path):
    """Two photos and their table: a coloured one, and a grey one that lies on its side and says so."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8), (96, 80), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(image[:, :, 1]).copy()).save(tmp_path / 'b.jpg', exif=exif)
    with open(tmp_path / 'metadata.csv', 'w', newline='') as file:
        rows = csv.writer(file)
        rows.writerow(['path', 'label', 'x1', 'y1', 'x2', 'y2'])
        for name in ('a.png', 'b.jpg'):
            rows.writerow([name, 'happiness', *BOX])
    return tmp_path


def config_with(folder, steps, kind=CSVDataset):
    config = shallow_config(folder)
    pipeline = [dict(type=LoadImageFromFile), *steps, dict(type=PackInputs)]
    config.test_dataloader.dataset = dict(
        type=kind, data_root=str(folder), classes=CLASSES, allow_empty_classes=True, pipeline=pipeline, test_mode=True
    )
    return config


def seen_in_test(config, model):
    """Inputs and predictions of a data set's samples."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    batch = pseudo_collate([dataset[i] for i in range(len(dataset))])
    data = model.data_preprocessor(batch, training=False)
    with torch.no_grad():
        scores = torch.stack([sample.pred_score for sample in model(**data, mode='predict')])
    return data['inputs'], scores


def seen_in_inference(infer, inputs, **options):
    """The same of the inferencer's answers."""
    caught = []
    model = infer.classifier.model
    hook = model.backbone.register_forward_pre_hook(lambda module, args: caught.append(args[0].clone()))
    try:
        results = infer(inputs, **options)
    finally:
        hook.remove()
    assert all(result.error is None for result in results)
    return torch.cat(caught), torch.from_numpy(np.stack([face.scores for result in results for face in result.faces]))


def model_and_inferencer(config, folder, **options):
    """The model of random weights of a config, and the inferencer with it."""
    with DefaultScope.overwrite_default_scope('mmfer'):
        state = MODELS.build(config.model).state_dict()
    write_checkpoint(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=CLASSES))), folder / 'a.pth')
    infer = ExpressionInferencer(config, folder / 'a.pth', 'cpu', **options)
    return init_model(config, folder / 'a.pth', 'cpu'), infer


@pytest.mark.parametrize(
    ('steps', 'detector'),
    [
        (FITTED, None),
        ([dict(type=CropFace, margin=0.2), *FITTED], lambda image: [FACE]),
        ([dict(type=CropFace, margin=0.6, square=False, pad='zero'), *FITTED], lambda image: [FACE]),
        ([dict(type=AlignFace, size=48, margin=0.1), *FITTED], lambda image: [FACE]),
        ([dict(type='AlignFace', size=32)], lambda image: [FACE]),
    ],
    ids=['prepared', 'CropFace', 'CropFace with black', 'AlignFace', 'AlignFace by name'],
)
def test_the_tensors_are_identical(photos, steps, detector):
    kind = WithLandmarks if detector else CSVDataset
    config = config_with(photos, steps, kind)
    model, infer = model_and_inferencer(config, photos, detector=detector)
    expected, scores = seen_in_test(config, model)
    assert expected.shape == (2, 3, 32, 32)
    files = [photos / 'a.png', photos / 'b.jpg']
    for inputs, options in (
        (files, {}),
        ([path.read_bytes() for path in files], {}),
        ([cv2.imread(str(path)) for path in files], dict(channels='bgr')),
        ([cv2.imread(str(path))[:, :, ::-1] for path in files], dict(channels='rgb')),
    ):
        found, answers = seen_in_inference(infer, inputs, **options)
        assert torch.equal(found, expected)
        torch.testing.assert_close(answers, scores, rtol=0, atol=1e-6)
