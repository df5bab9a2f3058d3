"""FER2013, from its csv file or from class folders."""

import os
import warnings
from collections.abc import Mapping
from typing import Optional

import numpy as np

from mmfer.registry import DATASETS

from .base_fer_dataset import FERDataset
from .csv_table import read_table
from .tree_dataset import class_samples

CSV_NAME = 'fer2013.csv'
SIZE = 48


def parse_pixels(text: str) -> Optional[np.ndarray]:
    """Grey values of a csv cell, uint8 (48, 48); None where they are not 2304 integers in 0..255."""
    with warnings.catch_warnings():  # text that is no number warns or raises, depending on NumPy's version
        warnings.simplefilter('ignore', DeprecationWarning)
        try:
            values = np.fromstring(text, dtype=np.int32, sep=' ')
        except ValueError:
            return None
    if values.size != SIZE * SIZE or values.min() < 0 or values.max() > 255:
        return None
    return values.astype(np.uint8).reshape(SIZE, SIZE)


def find_split(usage: str, usages: Mapping) -> Optional[str]:
    """The split that ``usages`` has for a cell of the column Usage, in any case; None for an unknown one."""
    return usages.get(usage) or next((s for name, s in usages.items() if name.casefold() == usage.casefold()), None)


class PixelRowsDataset(FERDataset):
    """Base of the data sets whose images may be rows of ``fer2013.csv``, kept in memory, one byte a pixel.

    An entry of such an image has ``img_index`` (where it is kept) and ``row`` (of the csv file) instead of a path.

    Attributes:
        pixels_path (str): The csv file; '' where the images are files.
    """

    pixels_path = ''
    _images = np.empty((0, SIZE, SIZE), dtype=np.uint8)

    def keep_images(self, images: list) -> None:
        """Keep the images that ``img_index`` counts, each uint8 (48, 48)."""
        if images:
            self._images = np.stack(images)
            self._images.flags.writeable = False

    def get_data_info(self, idx: int) -> dict:
        """The sample; from a csv file with its ``img``, uint8 (48, 48), a view that transforms do not write to."""
        info = super().get_data_info(idx)
        if 'img_index' in info:
            info['img'] = self._images[info.pop('img_index')]
            info['img_path'] = f'{self.pixels_path}#row={info.pop("row")}'
        return info


@DATASETS.register_module()
class FER2013(PixelRowsDataset):
    """FER2013: 48 x 48 grey faces, 28,709 for training, 3,589 for validation (public test), 3,589 for the test.

    "Challenges in Representation Learning: A report on three machine learning contests", 2013,
    https://arxiv.org/abs/1307.0414

    Two forms are read. ``fer2013.csv`` has the columns ``emotion``, ``pixels`` and ``Usage`` (Training, PublicTest,
    PrivateTest); its images stay in memory, one byte a pixel, and ``img_path`` names the row. Class folders
    ``data_root/split/class_name/*.jpg`` have the same names as in ``FolderDataset``; copies in circulation differ in
    what they count as test, and many have no validation part, so compare ``class_counts()`` with PUBLISHED_COUNTS.

    Args:
        data_root: Folder of the csv file or of the split folders, or the csv file itself.
        split: 'train', 'val' or 'test'.
        ann_file: The csv file; '' takes the class folders. By default the csv file if ``data_root`` is or has
            ``fer2013.csv``, else the folders.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.
    """

    METAINFO = dict(classes=('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral'))
    SPLITS = ('train', 'val', 'test')
    USAGES = dict(Training='train', PublicTest='val', PrivateTest='test')
    FOLDERS = dict(
        train=('train', 'training'),
        val=('val', 'valid', 'validation', 'publictest', 'public_test'),
        test=('test', 'privatetest', 'private_test'),
    )
    PUBLISHED_COUNTS = dict(
        train=(3995, 436, 4097, 7215, 4830, 3171, 4965),
        val=(467, 56, 496, 895, 653, 415, 607),
        test=(491, 55, 528, 879, 594, 416, 626),
    )
    HOMEPAGE = 'https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge'
    EXPECTED_TREE = """
  data_root/fer2013.csv                  (columns emotion, pixels, Usage)
or
  data_root/train/angry/*.jpg ...        (angry, disgust, fear, happy, sad, surprise, neutral)
  data_root/test/angry/*.jpg ...         (or PrivateTest)
  data_root/val/angry/*.jpg ...          (or PublicTest; not in every copy)
"""

    def __init__(self, data_root: str = '', split: str = 'train', ann_file: Optional[str] = None, **options):
        root = os.path.expanduser(data_root)
        if ann_file is None:
            ann_file = ''
            if root.lower().endswith('.csv'):
                data_root, ann_file = os.path.dirname(root), os.path.basename(root)
            elif os.path.isfile(os.path.join(root, CSV_NAME)):
                ann_file = CSV_NAME
        super().__init__(data_root=data_root, ann_file=ann_file, split=split, **options)

    def check_source(self) -> None:
        """Raise FileNotFoundError where neither form is found."""
        if not self.ann_file and not os.path.isdir(self.data_root):
            raise self.source_error('folder of the data set', self.data_root, 'data_root')
        super().check_source()

    def load_data_list(self) -> list:
        """Read the csv file or list the folders."""
        return self._load_csv() if self.ann_file else self._load_folders()

    def _load_csv(self) -> list:
        data_list, images = [], []
        labels = {str(i): i for i in range(self.num_classes)}
        columns = ('emotion', 'pixels', 'Usage')
        for row, cells in read_table(self.ann_file, columns, type(self).__name__, self.report):
            if cells is None:
                continue
            emotion, pixels, usage = cells
            split = find_split(usage, self.USAGES)
            if split is None:
                self.report(f'unknown usages (known: {", ".join(self.USAGES)})', f'row {row} {usage!r}')
            if emotion not in labels:
                self.report(f'emotions that are not in 0..{self.num_classes - 1}', f'row {row} {emotion!r}')
            wanted = split == self.split
            # Rows of other splits are only counted, which is far faster.
            img = parse_pixels(pixels) if wanted else None
            if img is None and (wanted or pixels.count(' ') != SIZE * SIZE - 1):
                text = f'row {row} ({len(pixels.split())} values)'
                self.report(f'pixels that are not {SIZE * SIZE} numbers in 0..255', text)
            elif wanted and emotion in labels:
                data_list.append(dict(img_index=len(images), row=row, gt_label=labels[emotion]))
                images.append(img)
        self.pixels_path = self.ann_file
        self.keep_images(images)
        return data_list

    def _load_folders(self) -> list:
        with os.scandir(self.data_root) as entries:
            found = sorted(entry.name for entry in entries if entry.is_dir())
        split = [name for name in found if name.lower() in self.FOLDERS[self.split]]
        if not split:
            names = self.FOLDERS[self.split]
            wanted = f'{CSV_NAME}, or a folder of split {self.split!r} (one of {", ".join(names)}),'
            raise self.source_error(wanted, os.path.join(self.data_root, names[0]), 'data_root')
        if len(split) > 1:
            raise ValueError(f'FER2013: {self.data_root} has several folders for split {self.split!r}: {split}')
        return class_samples(self, os.path.join(self.data_root, split[0]))
