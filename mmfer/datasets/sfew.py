"""SFEW 2.0: still frames of films."""

import os
from typing import Optional

from mmfer.registry import DATASETS

from .tree_dataset import TreeDataset, class_samples, find_below


@DATASETS.register_module()
class SFEW(TreeDataset):
    """SFEW 2.0: 958 frames of films for training and 436 for validation; fewer with the aligned faces.

    "Static Facial Expression Analysis in Tough Conditions: Data, Evaluation Protocol and Benchmark", ICCV workshops
    2011, https://doi.org/10.1109/ICCVW.2011.6130508; as divided for "Video and Image based Emotion Recognition
    Challenges in the Wild: EmotiW 2015", https://doi.org/10.1145/2818346.2829994

    Protocol: the labels of the test part are not public, so papers train on the training part and report the accuracy
    on the validation part. The aligned faces of the authors, 143 x 181, are 891 and 431, as their detector missed
    some; papers that align by themselves use all frames.

    Args:
        data_root: Folder of the data set.
        split: 'train' or 'val'.
        aligned: The faces aligned by the authors, else the whole frames.
        img_prefix: Folder of the class folders. By default the first below that exists. Where there is a
            ``Val_Aligned_Faces_new``, which the authors gave out later, it is taken.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: Folders with unknown names (all are listed), with no images, or images beside the folders.
    """

    METAINFO = dict(classes=('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise'))
    SPLITS = ('train', 'val')
    PUBLISHED_COUNTS = dict(train=891, val=431)
    PUBLISHED_FRAMES = dict(train=958, val=436)
    HOMEPAGE = 'https://users.cecs.anu.edu.au/~few_group/AFEW.html (on request, for research)'
    EXPECTED_TREE = """
  data_root/
    Train/Angry/*.png ...                 (Angry, Disgust, Fear, Happy, Neutral, Sad, Surprise)
    Val/Angry/*.png ...
    Train_Aligned_Faces/Angry/*.png ...   (or Train/Train_Aligned_Faces/)
    Val_Aligned_Faces/Angry/*.png ...     (or Val_Aligned_Faces_new/, or either in Val/)
"""

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        aligned: bool = True,
        img_prefix: Optional[str] = None,
        **options,
    ):
        self.aligned = aligned
        if img_prefix is None:
            part = split.capitalize()
            names = [f'{part}_Aligned_Faces_new', f'{part}_Aligned_Faces'] if aligned else [part]
            places = names + [f'{part}/{name}' for name in names]
            img_prefix = find_below(os.path.expanduser(data_root), *places, default=names[-1])
        super().__init__(data_root=data_root, split=split, img_prefix=img_prefix, **options)

    @property
    def protocol(self) -> str:
        """One line that says which samples and which labels a result is about."""
        return f'{super().protocol}, {"faces aligned by the authors" if self.aligned else "whole frames"}'

    def published_counts(self) -> int:
        """Number of samples in all, as published."""
        return (self.PUBLISHED_COUNTS if self.aligned else self.PUBLISHED_FRAMES)[self.split]

    def load_data_list(self) -> list:
        """List the images of all class folders; folders of features and aligned faces beside them are ignored."""
        return class_samples(self, self.img_prefix, ignored=(f'{self.split}_',))
