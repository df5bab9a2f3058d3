"""A model of random weights for the demos, which take it from files."""

import warnings

import cv2
import numpy as np
from small_runs import shallow_config

from mmfer.apis import init_model
from mmfer.utils.checkpoint import write_checkpoint

CLASSES = ('neutral', 'happiness', 'sadness', 'surprise', 'fear', 'disgust', 'anger')


def write_model(folder, threshold=None):
    """A config and a checkpoint that fits it, with a threshold of abstention on request."""
    config = shallow_config(folder)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = init_model(config)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    if threshold is not None:
        meta['abstention'] = dict(threshold=threshold)
    config.dump(str(folder / 'config.py'))
    write_checkpoint(dict(state_dict=model.state_dict(), meta=meta), folder / 'epoch_1.pth')
    return folder / 'config.py', folder / 'epoch_1.pth'


def write_face(path, seed=0):
    """A drawn face on a plain ground, at a size that detectors like."""
    from mmfer.datasets import SynthFER

    face = SynthFER(split='test', num_samples=seed + 1, size=48, serialize_data=False)[seed]['img']
    image = np.full((200, 260, 3), 128, np.uint8)
    image[40:160, 60:180] = cv2.resize(face, (120, 120), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(path), image)
    return path
