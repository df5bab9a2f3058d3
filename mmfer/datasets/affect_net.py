"""AffectNet with seven or eight expressions, in both layouts in circulation."""

import logging
import math
import os
from typing import Optional

import numpy as np
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS
from mmfer.utils.progress import track

from .arguments import check_choice
from .base_fer_dataset import FERDataset
from .csv_table import read_table
from .entry_list import first_names
from .left_out import LeftOut

_UNUSED = ('none', 'uncertain', 'non-face')  # labels 8, 9, 10
_NAMES = EXPRESSIONS + _UNUSED
_BOX = ('face_x', 'face_y', 'face_width', 'face_height')
_AFFECTS = ('valence', 'arousal')
_COLUMNS = ('subDirectory_filePath', *_BOX, 'facial_landmarks', 'expression', *_AFFECTS)
_ABSENT = ('', 'null', 'none', 'nan')  # cells that say that there is no value


@DATASETS.register_module()
class AffectNet(FERDataset):
    """AffectNet, the manually annotated part: 287,651 training faces with eight expressions, 283,901 with seven.

    "AffectNet: A Database for Facial Expression, Valence, and Arousal Computing in the Wild", 2017,
    https://arxiv.org/abs/1708.03985

    There is no public test part: all papers report results on the validation part, which so cannot serve to choose a
    model. It has 500 faces of each class, 499 of contempt in the layout of 2021. Labels 0..7 are the classes below;
    contempt is left out with seven classes, and 8 none, 9 uncertain and 10 non-face always; the log counts each.

    - 'csv2017': whole photographs and a csv file a split. Entries have ``face_box`` (x1, y1, x2, y2) in pixels, which
      the transform ``CropFace`` crops to, and ``valence`` and ``arousal`` in [-1, 1]. A list without its header, as
      some copies of validation.csv are, is read too.
    - 'npy2021': cropped faces (224 x 224) and small .npy files. Entries have ``valence`` and ``arousal`` where there
      are files. These are close to a million files to read each time: a prepared list saves that.

    A prepared list is either the .json file of ``FERDataset``, or a .csv file with the columns
    ``subDirectory_filePath`` and ``expression`` and any of the others; its image paths are relative to ``img_prefix``.

    Args:
        data_root: Folder of the data set.
        split: 'train' or 'val'.
        num_classes: 7, or 8 with contempt.
        layout: 'csv2017' or 'npy2021'. By default the prepared list train.json or val.json where ``data_root`` has it,
            else the layout found.
        img_prefix: Folder of the images. By default that of the layout.
        ann_file: The list, .csv or .json. By default that of the layout, which is training.csv or validation.csv, or
            the .npy files.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: Neither layout is found, or a folder, list or image does not exist.
        ValueError: An argument is wrong, both layouts are there, a column is not there, or a label is not in 0..10.
    """

    METAINFO = dict(classes=EXPRESSIONS)
    SPLITS = ('train', 'val')
    LAYOUTS = ('csv2017', 'npy2021')
    LISTS = dict(train='training.csv', val='validation.csv')
    PREPARED = dict(train='train.json', val='val.json')
    LIST_FOLDERS = ('', 'Manually_Annotated_file_lists', 'Manually_Annotated')
    IMAGE_FOLDERS = ('Manually_Annotated/Manually_Annotated_Images', 'Manually_Annotated_Images', 'Manually_Annotated')
    PARTS = dict(train='train_set', val='val_set')
    PUBLISHED_COUNTS = dict(train=(74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750), val=(500,) * 8)
    HOMEPAGE = 'http://mohammadmahoor.com/affectnet/ (on request, for research)'
    EXPECTED_TREE = """
  data_root/training.csv, validation.csv     (or in Manually_Annotated_file_lists/)
  data_root/Manually_Annotated/Manually_Annotated_Images/1/0a1b2c.jpg ...
or
  data_root/train_set/images/0.jpg ...       (and val_set)
  data_root/train_set/annotations/0_exp.npy, 0_val.npy, 0_aro.npy, 0_lnd.npy ...
"""

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        num_classes: int = 7,
        layout: Optional[str] = None,
        img_prefix: Optional[str] = None,
        ann_file: Optional[str] = None,
        **options,
    ):
        check_choice(self, 'num_classes', num_classes, (7, 8))
        check_choice(self, 'layout', layout, (*self.LAYOUTS, None))
        check_choice(self, 'split', split, self.SPLITS)
        if ann_file is not None and not ann_file.endswith(('.csv', '.json')):
            raise ValueError(f'AffectNet: ann_file={ann_file!r} must be a .csv or .json file, or None')
        self.METAINFO = dict(classes=EXPRESSIONS[:num_classes])
        root = os.path.expanduser(data_root)
        if ann_file is None and layout is None and os.path.isfile(os.path.join(root, self.PREPARED[split])):
            ann_file = self.PREPARED[split]
        self._prepared = ann_file is not None
        self.layout = layout or self._find_layout(root, split, ann_file)
        if self.layout == 'npy2021':
            prefix = os.path.join(self.PARTS[split], 'images')
        else:
            found = [name for name in self.IMAGE_FOLDERS if os.path.isdir(os.path.join(root, name))]
            prefix = found[0] if found else self.IMAGE_FOLDERS[0]
            if ann_file is None:
                ann_file = self._find_list(root, split) or self.LISTS[split]
        super().__init__(
            data_root=data_root,
            ann_file=ann_file or '',
            img_prefix=prefix if img_prefix is None else img_prefix,
            split=split,
            **options,
        )

    @property
    def protocol(self) -> str:
        """Data set, split and number of classes."""
        return f'{super().protocol}, {self.num_classes} classes'

    def published_counts(self) -> tuple:
        """Number of samples of each class, for this number of classes and layout."""
        counts = super().published_counts()
        if self.split == 'val' and self.layout == 'npy2021':
            counts = (*counts[:7], 499)
        return counts[: self.num_classes]

    def check_source(self) -> None:
        """Raise FileNotFoundError where neither layout, or not all of one, is found."""
        if self.data_root and not os.path.isdir(self.data_root) and (self.validate or not self.ann_file):
            raise self.source_error('folder of the data set', self.data_root, 'data_root')
        if self.layout is None:
            wanted = f'{self.LISTS[self.split]} or the folder {self.PARTS[self.split]}'
            raise self.source_error(wanted, os.path.join(self.data_root, self.LISTS[self.split]), 'data_root')
        if not self.ann_file and not os.path.isdir(self._annotations):
            raise self.source_error('folder of the annotations', self._annotations, 'data_root')
        super().check_source()

    def describe_source(self) -> str:
        """The list, or the folder of the annotations."""
        return f'{self.ann_file or self._annotations} (split {self.split!r})'

    def load_data_list(self) -> list:
        """Read the list or the annotations; labels that are not used are left out and counted."""
        self.unused = LeftOut('faces of', logging.INFO)
        if self.ann_file.endswith('.json'):
            return [info for info in super().load_data_list() if self._used(info.get('gt_label'))]
        return self._read_csv() if self.ann_file else self._read_npy()

    @property
    def _annotations(self) -> str:
        return os.path.join(self.data_root, self.PARTS[self.split], 'annotations')

    @classmethod
    def _find_list(cls, root: str, split: str) -> Optional[str]:
        names = [os.path.join(folder, cls.LISTS[split]) for folder in cls.LIST_FOLDERS]
        return next((name for name in names if os.path.isfile(os.path.join(root, name))), None)

    @classmethod
    def _find_layout(cls, root: str, split: str, ann_file: Optional[str]) -> Optional[str]:
        parts = os.path.isdir(os.path.join(root, cls.PARTS[split]))
        if ann_file is not None:
            return 'npy2021' if parts else 'csv2017'
        lists = cls._find_list(root, split) is not None
        if lists and parts:
            raise ValueError(
                f"AffectNet: {root} has both {cls.LISTS[split]} and {cls.PARTS[split]}; set layout='csv2017' or "
                "layout='npy2021'"
            )
        return 'csv2017' if lists else 'npy2021' if parts else None

    def _used(self, label) -> bool:
        """Whether the label is one of the classes; those that are none but known are counted."""
        if type(label) is int and len(self.METAINFO['classes']) <= label < len(_NAMES):
            self.unused.add(_NAMES[label], f'label {label}')
            return False
        return True

    # ---- csv ------------------------------------------------------------------------------------------------------
    def _read_csv(self) -> list:
        columns, optional, box = ('subDirectory_filePath', 'expression'), _AFFECTS, _BOX
        if not self._prepared:  # the authors' own list has them all
            columns, optional, box = (*columns, *_BOX, *_AFFECTS), (), ()
        names = (*columns, *optional, *box)
        table = read_table(
            self.ann_file, columns, type(self).__name__, self.report, optional, together=box, headerless=_COLUMNS
        )
        data_list = []
        for row, cells in table:
            if cells is None:
                continue
            info = dict(zip(names, cells))
            text = info['expression']
            if not text.isdecimal() or int(text) >= len(_NAMES):
                self.report('labels that are not in 0..10', f'row {row} {text[:20]!r}')
            elif not info['subDirectory_filePath']:
                self.report('rows without the name of the image', f'row {row}')
            elif self._used(int(text)):
                path = os.path.join(self.img_prefix, info['subDirectory_filePath'])
                numbers = self._numbers(row, info)
                data_list.append(dict(img_path=path, gt_label=int(text), **numbers))
        return data_list

    def _numbers(self, row: int, info: dict) -> dict:
        """The face box, valence and arousal of a row, those that it has."""
        values = {}
        for name in (*_BOX, *_AFFECTS):
            if info[name] is not None and info[name].lower() not in _ABSENT:
                try:
                    values[name] = float(info[name])
                except ValueError:
                    values[name] = math.nan
        bad = [f'{name} {info[name]!r}' for name, value in values.items() if not math.isfinite(value)]
        entry = {name: values[name] for name in _AFFECTS if name in values}
        if not bad and all(name in values for name in _BOX):
            x, y, width, height = (values[name] for name in _BOX)
            if width <= 0 or height <= 0:
                bad = [f'face of {width:g} x {height:g} pixels']
            entry['face_box'] = (x, y, x + width, y + height)
        if bad:
            self.report('rows with malformed numbers', f'row {row} ({", ".join(bad)})')
        return entry

    # ---- npy ------------------------------------------------------------------------------------------------------
    def _read_npy(self) -> list:
        annotations = set(os.listdir(self._annotations))
        stems = [name[: -len('_exp.npy')] for name in annotations if name.endswith('_exp.npy')]
        stems.sort(key=lambda stem: (len(stem), stem))  # numbers in their order
        images = {}
        if os.path.isdir(self.img_prefix):
            images = {os.path.splitext(name)[0]: name for name in sorted(os.listdir(self.img_prefix))}
        bare = sorted(set(images) - set(stems), key=lambda stem: (len(stem), stem))
        if bare:
            text = f'AffectNet: {len(bare)} images in {self.img_prefix} have no label and are ignored: '
            print_log(text + first_names(bare), logger='current', level=logging.WARNING)
        data_list = []
        for stem in track(stems, len(stems), f'Reading AffectNet annotations ({self.split})'):
            label = self._read_value(f'{stem}_exp.npy')
            if label is None:
                continue
            if label not in range(len(_NAMES)):
                self.report('labels that are not in 0..10', f'{stem}_exp.npy ({label:g})')
            elif self._used(int(label)):
                path = os.path.join(self.img_prefix, images.get(stem, f'{stem}.jpg'))
                info = dict(img_path=path, gt_label=int(label))
                for name in _AFFECTS:
                    file = f'{stem}_{name[:3]}.npy'
                    value = self._read_value(file) if file in annotations else None
                    if value is not None:
                        info[name] = value
                data_list.append(info)
        return data_list

    def _read_value(self, name: str) -> Optional[float]:
        """The one number, stored as text or number, of an annotation file; None, and reported, where it has none."""
        try:
            value = float(np.load(os.path.join(self._annotations, name), allow_pickle=False).item())
        except (OSError, EOFError, ValueError, TypeError) as error:
            value, text = math.nan, str(error)
        else:
            text = f'{value}'
        if not math.isfinite(value):
            self.report('annotation files that hold no number', f'{name} ({text[:60]})')
            return None
        return value
