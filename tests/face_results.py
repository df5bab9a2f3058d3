"""Results of the inferencer, made up; and what it works on, simple enough to be followed by hand."""

import cv2
import numpy as np

from mmfer.structures.results import Face, FaceResult

CLASSES = ('neutral', 'happiness', 'sadness')
COLOURS = ('blue', 'green', 'red', 'grey')


def make_face(**changes):
    fields = dict(box=(1.0, 2.0, 30.5, 40.0), classes=CLASSES, label='happiness', uncertainty=0.8)
    fields.update(scores=np.array([0.2, 0.7, 0.1], np.float32))
    return FaceResult(**dict(fields, **changes))


class ColourClassifier:
    """Says which colour an image has, as a model that is given BGR; the entropy of its answers is right.

    Attributes:
        batches: Sizes of the batches that it was given.
    """

    classes, pipeline, face_crop = COLOURS, [dict(type='ImageResize', size=(8, 8))], None
    calibration = abstention = sets = None
    source = 'colours'

    def __init__(self, **changes):
        self.batches = []
        vars(self).update(changes)

    def __call__(self, images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == (3, 8, 8)
        self.batches.append(len(images))
        means = images.mean((2, 3)) / 64
        means = means - means.mean(1, keepdims=True)
        mean = np.concatenate([means, np.full((len(images), 1), 0.5)], axis=1)
        scores = np.exp(mean) / np.exp(mean).sum(1, keepdims=True)
        entropy = -(scores * np.log(scores)).sum(1)
        return dict(pred_score=scores, pred_mean=mean, pred_std=np.full_like(mean, 0.1), uncertainty=entropy)


def two_faces(image):
    """A detector that finds the left and the right half; the first has landmarks."""
    height, width = image.shape[:2]
    points = np.array([(0.1, 0.3), (0.4, 0.3), (0.25, 0.5), (0.15, 0.7), (0.35, 0.7)], np.float32)
    left = Face((0, 0, width / 2, height), 0.9, points * [width, height])
    return [left, Face((width / 2, 0, width, height), 0.8)]


def write_video(path, colours, rate=10.0, size=(32, 24), code='MJPG'):
    """A video with a frame for each BGR colour, or image (24, 32, 3)."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), rate, size)
    for colour in colours:
        writer.write(np.broadcast_to(np.uint8(colour), (size[1], size[0], 3)).copy())
    writer.release()
    return path


def set_stamps(path, runs, shown=None):
    """Give an MP4 file of OpenCV other time stamps, and an edit list that shows so much of it; its path.

    Args:
        path: The file, whose index is at its end.
        runs: Pairs of a number of frames and the seconds that each of them lasts.
        shown: Seconds to be shown; None is all.
    """
    data = bytearray(path.read_bytes())

    def number(place, value=None):
        if value is not None:
            data[place : place + 4] = int(value).to_bytes(4, 'big')
        return int.from_bytes(data[place : place + 4], 'big')

    media, movie, stamps = (data.index(kind) for kind in (b'mdhd', b'mvhd', b'stts'))
    scale, total = number(media + 16), sum(count * seconds for count, seconds in runs)
    table = b''.join(word.to_bytes(4, 'big') for n, seconds in runs for word in (n, round(seconds * scale)))
    old = 8 * number(stamps + 8)
    data[stamps + 12 : stamps + 12 + old] = table
    number(stamps + 8, len(runs))
    for kind in (b'moov', b'trak', b'mdia', b'minf', b'stbl', b'stts'):  # each within the one before
        number(data.index(kind) - 4, number(data.index(kind) - 4) + len(table) - old)
    number(media + 20, total * scale)
    number(data.index(b'elst') + 12, (shown or total) * number(movie + 16))
    path.write_bytes(data)
    return path
