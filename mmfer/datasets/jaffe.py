"""JAFFE: posed faces of ten Japanese women."""

import re

from mmfer.registry import DATASETS

from .tree_dataset import TreeDataset

EXPRESSION_CODES = ('AN', 'DI', 'FE', 'HA', 'NE', 'SA', 'SU')
NAME = re.compile(rf'([A-Z]{{2}})\.({"|".join(EXPRESSION_CODES)})\d\.\d+')


@DATASETS.register_module()
class JAFFE(TreeDataset):
    """JAFFE: 213 grey photographs, 256 x 256, of 10 women with two to four of each expression.

    "Coding Facial Expressions with Gabor Wavelets", FG 1998, https://zenodo.org/record/3430156

    The name says it all: ``KA.AN1.39.tiff`` is person KA, expression AN (anger; DI disgust, FE fear, HA happiness, NE
    neutral, SA sadness, SU surprise), first photograph of it, number 39. Entries have ``subject``, such as 'KA'. The
    data set numbers no classes; they are taken in the order of their codes. What is read is the expression posed; the
    ratings by 60 viewers, which come with the data set, often differ from it.

    Protocol: there is no official split. Papers leave one person out, or take ten folds that are not by person, which
    gives far higher figures.

    Args:
        data_root: Folder of the data set.
        img_prefix: Folder of the images, searched with all folders in it. By default ``jaffe``, ``jaffedbase`` or
            ``data_root`` itself.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: A folder does not exist, or has no images.
        ValueError: Images have other names; all are listed.
    """

    METAINFO = dict(classes=('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness', 'surprise'))
    SPLITS = ('',)
    PUBLISHED_COUNTS = {'': (30, 29, 32, 31, 30, 31, 30)}
    IMAGE_FOLDERS = ('jaffe', 'jaffedbase', '')
    HOMEPAGE = 'https://zenodo.org/record/3451524 (on request, for research)'
    EXPECTED_TREE = """
  data_root/jaffe/          (or data_root/jaffedbase/)
    KA.AN1.39.tiff ... YM.SU3.60.tiff
"""

    def load_data_list(self) -> list:
        """List the images; any image with another name is reported."""
        return [
            dict(img_path=path, gt_label=EXPRESSION_CODES.index(expression), subject=subject)
            for path, (subject, expression) in self.named_images(NAME, 'KA.AN1.39.tiff')
        ]
