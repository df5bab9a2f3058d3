"""CAER-S: faces in the scenes of television shows."""

from mmfer.registry import DATASETS

from .tree_dataset import TreeDataset, class_samples


@DATASETS.register_module()
class CAERS(TreeDataset):
    """CAER-S, the still frames of CAER: 48,995 for training and 20,987 for the test, whole scenes without face boxes.

    "Context-Aware Emotion Recognition Networks", ICCV 2019, https://arxiv.org/abs/1908.05913

    Protocol: accuracy on the test part. Many frames are of the same clip, and there is no validation part. Papers
    feed either the whole frame or a face found by a detector of their own, and say which. The 44,996 training images
    of some papers are a slip in one of them, which its authors corrected: https://github.com/zengqunzhao/MA-Net

    Args:
        data_root: Folder of the data set, or the one above it.
        split: 'train' or 'test'.
        img_prefix: Folder of the class folders. By default that of the split.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: Folders with unknown names (all are listed), with no images, or images beside the folders.
    """

    METAINFO = dict(classes=('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise'))
    SPLITS = ('train', 'test')
    PUBLISHED_COUNTS = dict(train=48995, test=20987)
    IMAGE_FOLDERS = ('{split}', 'CAER-S/{split}')
    HOMEPAGE = 'https://caer-dataset.github.io'
    EXPECTED_TREE = """
  data_root/              (or data_root/CAER-S/)
    train/Anger/0001.png ...   (Anger, Disgust, Fear, Happy, Neutral, Sad, Surprise)
    test/Anger/0001.png ...
"""

    def load_data_list(self) -> list:
        """List the images of all class folders."""
        return class_samples(self, self.img_prefix)
