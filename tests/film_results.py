"""Results of videos, made up: who shows what, frame by frame."""

import numpy as np
from face_results import CLASSES, make_face

from mmfer.inference.writers import open_writer
from mmfer.structures.results import ImageResult


def film_results(people, source='a.mp4', rate=10.0):
    """A result a frame. ``people`` are strings of one letter a frame: n, h or s for the expression that is shown, the
    capital where the model abstains, and . where the person is not seen.
    """
    results = []
    for frame in range(max(map(len, people))):
        faces = []
        for track, shown in enumerate(people):
            letter = shown[frame] if frame < len(shown) else '.'
            if letter != '.':
                k = 'nhs'.index(letter.lower())
                sure = 0.8 if letter.islower() else 0.4
                scores = np.full(3, (1 - sure) / 2)
                scores[k] = sure
                unsure = float(-(scores * np.log(scores)).sum())
                face = dict(label=CLASSES[k], scores=scores, uncertainty=unsure, abstain=letter.isupper(), track=track)
                faces.append(make_face(**face, detection_score=0.9))
        results.append(ImageResult(source, 64, 48, tuple(faces), frame=frame, time=frame / rate))
    return results


def write_results(path, results, classes=CLASSES):
    with open_writer(path, classes) as writer:
        for result in results:
            writer.write(result)
    return path
