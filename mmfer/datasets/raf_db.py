"""RAF-DB with the seven basic expressions."""

import os

from mmfer.registry import DATASETS

from .base_fer_dataset import FERDataset


@DATASETS.register_module()
class RAFDB(FERDataset):
    """RAF-DB, basic part: 12,271 training and 3,068 test faces.

    "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild", CVPR 2017,
    https://openaccess.thecvf.com/content_cvpr_2017/html/Li_Reliable_Crowdsourcing_and_CVPR_2017_paper.html

    The list has lines such as ``train_00001.jpg 5`` with labels 1..7 in the order of the classes below; the image is
    ``train_00001_aligned.jpg``. Redistributions in folders named by numbers are not this layout, and some number the
    classes differently: read those with ``FolderDataset`` and its ``class_map``.

    Args:
        data_root: Folder of the data set.
        split: 'train' or 'test'.
        ann_file: The list. Defaults to 'EmoLabel/list_patition_label.txt' (the spelling is theirs).
        img_prefix: Folder of the images.
        img_suffix: What the names of the images add to those in the list. Defaults to '_aligned'; '' for
            ``img_prefix='Image/original'``.
        attributes: Read what people said of each face from 'Annotation/manual', as columns ``gender`` (male, female,
            unsure), ``race`` (Caucasian, African-American, Asian) and ``age`` (0-3, 4-19, 20-39, 40-69, 70+).
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.
    """

    METAINFO = dict(classes=('surprise', 'fear', 'disgust', 'happiness', 'sadness', 'anger', 'neutral'))
    SPLITS = ('train', 'test')
    PUBLISHED_COUNTS = dict(train=(1290, 281, 717, 4772, 1982, 705, 2524), test=(329, 74, 160, 1185, 478, 162, 680))
    HOMEPAGE = 'http://www.whdeng.cn/RAF/model1.html (on request, for research)'
    EXPECTED_TREE = """
  data_root/
    EmoLabel/list_patition_label.txt
    Image/aligned/train_00001_aligned.jpg ... train_12271_aligned.jpg, test_0001_aligned.jpg ... test_3068_aligned.jpg
    Annotation/manual/train_00001_manu_attri.txt ...   (with attributes=True)
"""
    ATTRIBUTES = dict(
        gender={'0': 'male', '1': 'female', '2': 'unsure'},
        race={'0': 'Caucasian', '1': 'African-American', '2': 'Asian'},
        age={'0': '0-3', '1': '4-19', '2': '20-39', '3': '40-69', '4': '70+'},
    )

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        ann_file: str = 'EmoLabel/list_patition_label.txt',
        img_prefix: str = 'Image/aligned',
        img_suffix: str = '_aligned',
        attributes: bool = False,
        **options,
    ):
        self.img_suffix = img_suffix
        self.attributes = attributes
        super().__init__(data_root=data_root, ann_file=ann_file, img_prefix=img_prefix, split=split, **options)

    def load_data_list(self) -> list:
        """Read the list; malformed lines of either split are reported."""
        with open(self.ann_file, encoding='utf-8-sig', errors='replace') as file:
            lines = file.read().splitlines()
        labels = {str(i + 1): i for i in range(self.num_classes)}
        data_list = []
        for number, line in enumerate(lines, 1):
            fields = line.split()
            if not fields:
                continue
            name = fields[0]
            part = name.partition('_')[0].lower()
            if len(fields) != 2 or part not in self.SPLITS:
                self.report('malformed lines (expected such as "train_00001.jpg 5")', f'line {number} {line[:60]!r}')
            elif fields[1] not in labels:
                self.report(f'labels that are not in 1..{self.num_classes}', f'line {number} {line[:60]!r}')
            elif part == self.split:
                stem, extension = os.path.splitext(name)
                path = os.path.join(self.img_prefix, f'{stem}{self.img_suffix}{extension}')
                entry = dict(img_path=path, gt_label=labels[fields[1]])
                data_list.append(dict(entry, **self._attributes(stem)) if self.attributes else entry)
        return data_list

    def _attributes(self, stem: str) -> dict:
        """Columns of a face: its file has five landmarks, then a number a line for each attribute."""
        path = os.path.join(self.data_root, 'Annotation', 'manual', f'{stem}_manu_attri.txt')
        try:
            with open(path, encoding='utf-8-sig') as file:
                lines = file.read().split('\n')
            return {name: names[lines[i].strip()] for i, (name, names) in enumerate(self.ATTRIBUTES.items(), 5)}
        except FileNotFoundError:
            self.report('files of attributes that do not exist (attributes=False reads none)', path)
        except (KeyError, IndexError, UnicodeDecodeError):
            self.report('files of attributes without gender, race and age in lines 6 to 8', path)
        return {}
