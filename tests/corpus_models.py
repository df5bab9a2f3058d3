"""Classifiers for corpora, which worker processes import: some end their process, or fill the disk."""

import errno
import os
import signal
import sys

from face_results import ColourClassifier


def _is_red(images):
    return images[:, 2].mean() > 1.5 * images[:, :2].mean()


class KilledByRed(ColourClassifier):
    """Ends its process where it is shown red alone, as a crash in a library does."""

    def __call__(self, images):
        if any(_is_red(images[i : i + 1]) for i in range(len(images))):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(images)


class RefusesRed(ColourClassifier):
    """Raises an error where red is among the images."""

    def __call__(self, images):
        if any(_is_red(images[i : i + 1]) for i in range(len(images))):
            raise RuntimeError('no red')
        return super().__call__(images)


class FullDisk(ColourClassifier):
    """After its first batch, nothing more can be written in its process."""

    def __call__(self, images):
        if self.batches:
            os.fsync = self.refuse
        return super().__call__(images)

    @staticmethod
    def refuse(handle):
        raise OSError(errno.ENOSPC, 'No space left on device')


class Curious(ColourClassifier):
    """Names the modules of the training that its process has imported as its answer's classes."""

    def __call__(self, images):
        assert not {'torch', 'mmengine', 'mmcv', 'pandas', 'matplotlib'} & {*sys.modules}
        return super().__call__(images)
