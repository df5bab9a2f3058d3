"""ExpW: faces in pictures from the web, with their boxes."""

import math
import os
from typing import Optional

from mmfer.registry import DATASETS

from .base_fer_dataset import FERDataset
from .tree_dataset import find_below


@DATASETS.register_module()
class ExpW(FERDataset):
    """ExpW, Expression in-the-Wild: 91,793 faces in pictures from the web, several in some of them.

    "From Facial Expression Recognition to Interpersonal Relation Prediction", IJCV 2018,
    https://arxiv.org/abs/1609.06426

    Each line of the list is a face: ``image_name face_id_in_image face_box_top face_box_left face_box_right
    face_box_bottom face_box_confidence expression_label`` with labels 0..6 in the order of the classes below. Mind the
    order of the box in the list; here ``face_box`` is (x1, y1, x2, y2) = (left, top, right, bottom) in pixels. Each
    entry also has ``face_id`` (int) and ``face_confidence`` (float) as the list gives them.

    Protocol: there is no official split. Papers divide the faces at random in their own ways (faces of one picture
    should stay together), or test models of other data sets on all faces.

    Args:
        data_root: Folder of the data set.
        ann_file: The list. By default ``label/label.lst`` or ``label.lst``.
        img_prefix: Folder of the images. By default ``image/origin``, ``origin`` or ``image``.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.
    """

    METAINFO = dict(classes=('anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'neutral'))
    SPLITS = ('',)
    PUBLISHED_COUNTS = {'': (3671, 3995, 1088, 30537, 10559, 7060, 34883)}
    HOMEPAGE = 'http://mmlab.ie.cuhk.edu.hk/projects/socialrelation/index.html'
    EXPECTED_TREE = """
  data_root/
    label/label.lst
    image/origin/*.jpg    (origin.7z unpacked; also data_root/origin/)
"""

    def __init__(
        self,
        data_root: str = '',
        ann_file: Optional[str] = None,
        img_prefix: Optional[str] = None,
        **options,
    ):
        root = os.path.expanduser(data_root)
        super().__init__(
            data_root=data_root,
            ann_file=find_below(root, 'label/label.lst', 'label.lst') if ann_file is None else ann_file,
            img_prefix=find_below(root, 'image/origin', 'origin', 'image') if img_prefix is None else img_prefix,
            **options,
        )

    def load_data_list(self) -> list:
        """Read the list; every malformed line is reported."""
        with open(self.ann_file, encoding='utf-8-sig', errors='replace') as file:
            lines = file.read().splitlines()
        labels = {str(i): i for i in range(self.num_classes)}
        data_list = []
        for number, line in enumerate(lines, 1):
            fields = line.rsplit(None, 7)  # a name may have spaces
            if not fields:
                continue
            shown = f'line {number} {line[:60]!r}'
            face = _parse_face(fields)
            if face is None:
                self.report(
                    'malformed lines (expected such as "angry_actor_104.jpg 0 28 113 226 141 22.9362 0")', shown
                )
            elif fields[7] not in labels:
                self.report(f'labels that are not in 0..{self.num_classes - 1}', shown)
            elif not (face['face_box'][0] < face['face_box'][2] and face['face_box'][1] < face['face_box'][3]):
                self.report('face boxes without area (the order is top, left, right, bottom)', shown)
            else:
                path = os.path.join(self.img_prefix, fields[0])
                data_list.append(dict(img_path=path, gt_label=labels[fields[7]], **face))
        return data_list


def _parse_face(fields: list) -> Optional[dict]:
    """Index, box and confidence of the face of a line; None where they are not numbers."""
    try:
        face_id, (top, left, right, bottom, confidence) = int(fields[1]), map(float, fields[2:7])
    except (IndexError, ValueError):
        return None
    if len(fields) != 8 or not all(map(math.isfinite, (top, left, right, bottom, confidence))):
        return None
    return dict(face_id=face_id, face_box=(left, top, right, bottom), face_confidence=confidence)
