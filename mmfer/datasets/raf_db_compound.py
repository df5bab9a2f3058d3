"""RAF-DB with the eleven compound expressions."""

from mmfer.registry import DATASETS

from .raf_db import RAFDB


@DATASETS.register_module()
class RAFDBCompound(RAFDB):
    """RAF-DB, compound part: 3,162 training and 792 test faces that show two expressions at once.

    The paper, the form of the list and the options are those of :class:`RAFDB`; this is another archive, with labels
    1..11 in the order of the classes below.
    """

    METAINFO = dict(
        classes=(
            'happily surprised',
            'happily disgusted',
            'sadly fearful',
            'sadly angry',
            'sadly surprised',
            'sadly disgusted',
            'fearfully angry',
            'fearfully surprised',
            'angrily surprised',
            'angrily disgusted',
            'disgustedly surprised',
        )
    )
    PUBLISHED_COUNTS = dict(train=3162, test=792)
    EXPECTED_TREE = """
  data_root/                                (the archive of the compound part)
    EmoLabel/list_patition_label.txt
    Image/aligned/train_0001_aligned.jpg ... train_3162_aligned.jpg, test_0001_aligned.jpg ... test_0792_aligned.jpg
"""
