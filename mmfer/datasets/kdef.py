"""KDEF: posed faces from five angles."""

import logging
import re
from collections.abc import Sequence
from typing import Union

from mmengine.logging import print_log

from mmfer.registry import DATASETS

from .entry_list import first_names
from .tree_dataset import TreeDataset

EXPRESSION_CODES = ('AF', 'AN', 'DI', 'HA', 'NE', 'SA', 'SU')
ANGLE_CODES = dict(full_left='FL', half_left='HL', straight='S', half_right='HR', full_right='FR')
NAME = re.compile(rf'([AB])([FM](?:0[1-9]|[12]\d|3[0-5]))({"|".join(EXPRESSION_CODES)})(FL|HL|S|HR|FR)')


@DATASETS.register_module()
class KDEF(TreeDataset):
    """KDEF: 4,900 photographs of 70 amateur actors, each with 7 expressions from 5 angles in 2 sessions.

    Lundqvist, Flykt and Ohman, "The Karolinska Directed Emotional Faces", 1998, ISBN 91-630-7164-9; validated in "The
    Karolinska Directed Emotional Faces: A validation study", 2008, https://doi.org/10.1080/02699930701626582

    The name says it all: ``AF01AFFL.JPG`` is session A, gender F, person 01, expression AF (afraid; AN angry, DI
    disgusted, HA happy, NE neutral, SA sad, SU surprised), angle FL (full left profile; HL half left, S straight, HR
    half right, FR full right). Entries have ``subject`` such as 'F01' (the same in both sessions), ``gender``,
    ``session`` and ``angle``.

    Known faults of the distribution: two files have cut names and are read as what is missing beside them (MISNAMED);
    ten photographs, none of them straight, are black (BLACK).

    Protocol: there is no official split. Papers take the straight or all angles and divide by person, often in ten
    folds; folds that are not by person give far higher figures.

    Args:
        data_root: Folder of the data set.
        angles: Some of 'full_left', 'half_left', 'straight', 'half_right', 'full_right', or 'all'.
        sessions: Some of 'A', 'B'.
        drop_black: Leave the black photographs out; else a warning names those selected.
        img_prefix: Folder of the images, searched with all folders in it. By default ``KDEF_and_AKDEF/KDEF``, ``KDEF``
            or ``data_root`` itself.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: A folder does not exist, or has no images.
        ValueError: Images have other names (all are listed), or an angle or session is unknown.
    """

    METAINFO = dict(classes=('fear', 'anger', 'disgust', 'happiness', 'neutral', 'sadness', 'surprise'))
    SPLITS = ('',)
    PUBLISHED_COUNTS = {'': (140,) * 7}
    MISNAMED = dict(AF31V='AF31SAHL', AM31H='AM31SUHR')
    BLACK = (
        *('AF01SUFR', 'AF10AFFR', 'AF11NEHL', 'AF20DIHL', 'AM25DIFL'),
        *('AM34DIFR', 'BF13NEHR', 'BM21DIFL', 'BM22DIHL', 'BM24DIFL'),
    )
    IMAGE_FOLDERS = ('KDEF_and_AKDEF/KDEF', 'KDEF', '')
    HOMEPAGE = 'https://www.kdef.se (on request, for research)'
    EXPECTED_TREE = """
  data_root/KDEF_and_AKDEF/KDEF/     (or data_root/KDEF/)
    AF01/AF01AFFL.JPG ...            (AF01 ... AF35, AM01 ... AM35, BF01 ... BF35, BM01 ... BM35)
"""

    def __init__(
        self,
        data_root: str = '',
        angles: Union[Sequence, str] = ('straight',),
        sessions: Sequence = ('A', 'B'),
        drop_black: bool = False,
        **options,
    ):
        angles = tuple(ANGLE_CODES) if angles == 'all' else (angles,) if isinstance(angles, str) else tuple(angles)
        for option, chosen, known in (('angles', angles, tuple(ANGLE_CODES)), ('sessions', tuple(sessions), 'AB')):
            if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(known):
                raise ValueError(f'KDEF: {option}={chosen!r} must be some of {", ".join(known)}, each once')
        self.angles = angles
        self.sessions = tuple(sessions)
        self.drop_black = drop_black
        super().__init__(data_root=data_root, **options)

    @property
    def protocol(self) -> str:
        """One line that says which samples and which labels a result is about."""
        text = f'{super().protocol}, angles {", ".join(self.angles)}, sessions {", ".join(self.sessions)}'
        return f'{text}, without the black ones' if self.drop_black else text

    def published_counts(self) -> tuple:
        """Number of samples of each class, as published for these angles and sessions."""
        counts = [70 * len(self.angles) * len(self.sessions)] * self.num_classes
        for name in self.BLACK if self.drop_black else ():
            session, _, expression, angle = NAME.fullmatch(name).groups()
            if session in self.sessions and angle in self._angle_codes():
                counts[EXPRESSION_CODES.index(expression)] -= 1
        return tuple(counts)

    def load_data_list(self) -> list:
        """List the images with the chosen angles and sessions; any image with another name is reported."""
        names = self._angle_codes()
        data_list, black = [], []
        for path, (session, subject, expression, code) in self.named_images(NAME, 'AF01AFFL.JPG'):
            if session not in self.sessions or code not in names:
                continue
            if f'{session}{subject}{expression}{code}' in self.BLACK:
                black.append(path)
                if self.drop_black:
                    continue
            label = EXPRESSION_CODES.index(expression)
            gender = 'female' if subject[0] == 'F' else 'male'
            entry = dict(img_path=path, gt_label=label, subject=subject, gender=gender)
            data_list.append(dict(entry, session=session, angle=names[code]))
        if black and not self.drop_black:
            text = f'KDEF: {len(black)} photographs are black; drop_black=True leaves them out: {first_names(black)}'
            print_log(text, logger='current', level=logging.WARNING)
        return data_list

    def _angle_codes(self) -> dict:
        return {ANGLE_CODES[name]: name for name in self.angles}
