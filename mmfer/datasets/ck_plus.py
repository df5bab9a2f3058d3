"""CK+, the Extended Cohn-Kanade data set: posed sequences from the neutral face to the peak."""

import os
import re
from typing import Optional

from mmfer.registry import DATASETS
from mmfer.utils.image_files import is_image_name, list_images

from .arguments import check_integer
from .tree_dataset import TreeDataset, find_below

LABEL_NAME = re.compile(r'(S\d+)_(\d+)_(\d+)_emotion\.txt', re.IGNORECASE)
FRAME_NAME = re.compile(r'S\d+_\d+_(\d+)\.png', re.IGNORECASE)


@DATASETS.register_module()
class CKPlus(TreeDataset):
    """CK+: 593 sequences of 123 people from the neutral face to the peak, 327 of them with an expression.

    "The Extended Cohn-Kanade Dataset (CK+): A complete dataset for action unit and emotion-specified expression", CVPR
    workshops 2010, https://doi.org/10.1109/CVPRW.2010.5543262

    A sequence has a label where there is a file such as ``Emotion/S005/001/S005_001_00000011_emotion.txt``, which
    names the peak frame and holds a number 0..7 in the order of the classes below; sequences without one are left out.
    Frames are ordered by the number in their names, from whichever it starts; those after the peak are not used.
    Entries have ``subject`` such as 'S005' and ``sequence`` such as 'S005_001'.

    Protocol: there is no official one. The most common (see "Deep Facial Expression Recognition: A Survey",
    https://arxiv.org/abs/1804.08348) takes the last one to three frames as the expression and the first as neutral,
    and divides the people into 5, 8 or 10 folds. With the last three frames:

    ================================  =============================  ======
    classes                           options                        images
    ================================  =============================  ======
    8: seven expressions and neutral  the defaults                   1,308
    7: seven expressions              neutral=False                  981
    7: six expressions and neutral    contempt=False                 1,236
    6: six expressions                neutral=False, contempt=False  927
    ================================  =============================  ======

    Args:
        data_root: Folder of the data set.
        num_peak: Number of last frames of each sequence with its expression.
        neutral: Have the class neutral.
        num_neutral: Number of first frames of each sequence that are neutral.
        contempt: Have the class contempt; else its sequences are left out wholly.
        img_prefix: Folder of the sequences. By default ``cohn-kanade-images``, or that in
            ``extended-cohn-kanade-images``.
        label_dir: Folder of the label files. By default ``Emotion``, or that in ``Emotion_labels``.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: A folder, or peak frames that label files name, do not exist.
        ValueError: Label files with other names or contents, several for a sequence, or sequences with too few frames.
    """

    METAINFO = dict(classes=('neutral', 'anger', 'contempt', 'disgust', 'fear', 'happiness', 'sadness', 'surprise'))
    SPLITS = ('',)
    SEQUENCES = dict(anger=45, contempt=18, disgust=59, fear=25, happiness=69, sadness=28, surprise=83)
    PUBLISHED_COUNTS = {'': (327, 135, 54, 177, 75, 207, 84, 249)}
    IMAGE_FOLDERS = ('cohn-kanade-images', 'extended-cohn-kanade-images/cohn-kanade-images')
    HOMEPAGE = 'http://www.jeffcohn.net/Resources/ (on request, for research)'
    EXPECTED_TREE = """
  data_root/
    cohn-kanade-images/S005/001/S005_001_00000001.png ...    (or in extended-cohn-kanade-images/)
    Emotion/S005/001/S005_001_00000011_emotion.txt ...       (or in Emotion_labels/)
"""

    def __init__(
        self,
        data_root: str = '',
        num_peak: int = 3,
        neutral: bool = True,
        num_neutral: int = 1,
        contempt: bool = True,
        label_dir: Optional[str] = None,
        **options,
    ):
        self.num_peak = check_integer(self, 'num_peak', num_peak, 1)
        self.num_neutral = check_integer(self, 'num_neutral', num_neutral, 1) if neutral else 0
        left_out = [name for name, kept in dict(neutral=neutral, contempt=contempt).items() if not kept]
        self._kept = tuple(name for name in self.METAINFO['classes'] if name not in left_out)
        self.METAINFO = dict(classes=self._kept)
        root = os.path.expanduser(data_root)
        if label_dir is None:
            label_dir = find_below(root, 'Emotion', 'Emotion_labels/Emotion')
        self.label_dir = os.path.join(root, os.path.expanduser(label_dir))
        super().__init__(data_root=data_root, **options)

    @property
    def protocol(self) -> str:
        """One line that says which samples and which labels a result is about."""
        neutral = f'first {self.num_neutral} as neutral' if self.num_neutral else 'no neutral'
        contempt = '' if 'contempt' in self._kept else ', no contempt'
        return f'{super().protocol}, last {self.num_peak} frames, {neutral}{contempt}'

    def published_counts(self) -> tuple:
        """Number of samples of each class, from the published number of sequences."""
        sequences = {name: count for name, count in self.SEQUENCES.items() if name in self._kept}
        counts = {name: count * self.num_peak for name, count in sequences.items()}
        counts['neutral'] = sum(sequences.values()) * self.num_neutral
        return tuple(counts[name] for name in self._kept)

    def check_source(self) -> None:
        """Raise FileNotFoundError where a folder does not exist."""
        super().check_source()
        if not os.path.isdir(self.label_dir):
            raise self.source_error('folder of the label files', self.label_dir, 'label_dir')

    def describe_source(self) -> str:
        """The folders searched."""
        return f'{self.label_dir} and {self.img_prefix}'

    def load_data_list(self) -> list:
        """Read the label files, and list the frames of their sequences."""
        data_list, seen = [], {}
        for path in list_images(self.label_dir, ('_emotion.txt',)).images:
            name = os.path.basename(path)
            match = LABEL_NAME.fullmatch(name)
            if not match:
                self.report('label files with other names than such as S005_001_00000011_emotion.txt', name)
                continue
            subject, number, peak = match.group(1).upper(), match.group(2), match.group(3)
            sequence = f'{subject}_{number}'
            if sequence in seen:
                self.report('sequences with several label files', f'{name} and {seen[sequence]}')
                continue
            seen[sequence] = name
            expression = self._read_label(path)
            if expression not in self._kept:
                continue
            for frame, kept_as in self._frames(os.path.join(self.img_prefix, subject, number), sequence, peak):
                label = self._kept.index(kept_as or expression)
                data_list.append(dict(img_path=frame, gt_label=label, subject=subject, sequence=sequence))
        return data_list

    def _read_label(self, path: str) -> Optional[str]:
        """Expression that a label file names; None where it names none, which is reported."""
        names = CKPlus.METAINFO['classes']
        with open(path, encoding='utf-8', errors='replace') as file:
            text = file.read().strip()
        labels = {float(i): name for i, name in enumerate(names)}
        try:
            return labels[float(text)]
        except (ValueError, KeyError):
            self.report(f'labels that are not in 0..{len(names) - 1}', f'{os.path.basename(path)} {text[:20]!r}')
            return None

    def _frames(self, folder: str, sequence: str, peak: str) -> list:
        """Paths of the frames used of a sequence, each with 'neutral' or None for the sequence's own expression."""
        frames = {}
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            match = FRAME_NAME.fullmatch(name)
            if match:
                frames[int(match.group(1))] = os.path.join(folder, name)
            elif is_image_name(name):
                self.unused.add('with other names than such as S005_001_00000011.png', os.path.join(folder, name))
        if int(peak) not in frames:  # the search for missing files names it
            return [(os.path.join(folder, f'{sequence}_{peak}.png'), None)]
        ordered = [frames[number] for number in sorted(frames) if number <= int(peak)]
        needed = self.num_neutral + self.num_peak
        if len(ordered) < needed:
            self.report(f'sequences with fewer than the {needed} frames wanted', f'{sequence} ({len(ordered)})')
            return []
        return [(path, 'neutral') for path in ordered[: self.num_neutral]] + [
            (path, None) for path in ordered[-self.num_peak :]
        ]
