"""FER+: the images of FER2013 with the votes of ten annotators."""

import logging
import os
from pathlib import Path
from typing import Optional, Union

import numpy as np

from mmfer.registry import DATASETS

from .arguments import check_choice
from .csv_table import read_table
from .fer2013 import CSV_NAME, SIZE, PixelRowsDataset, find_split, parse_pixels
from .fer_plus_rules import ANNOTATORS, RULES
from .left_out import LeftOut
from .votes import VoteSubset

_COPIES = Path(__file__).with_name('ferplus_copies.txt')  # made by mmfer data verify, see docs/datasets.md
_TRIED = 20  # images looked for to tell which folder holds them


@DATASETS.register_module()
class FERPlus(PixelRowsDataset):
    """FER+: FER2013's faces, labelled anew by ten annotators with eight expressions, 'unknown' or 'NF' (no face).

    "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016,
    https://arxiv.org/abs/1608.01041

    Results of different rules are not comparable, as rules differ in the images, the labels and the target:

    ============ ======================= ====================================== ==================================
    rule         images of the 3 splits  which                                  ``gt_score``
    ============ ======================= ====================================== ==================================
    majority     25,060 / 3,199 / 3,153  one expression has more than half of   the 8 votes, made to sum to 1
                                         the votes, single votes not counted
    probability, 27,956 / 3,505 / 3,505  up to three expressions have more      their votes, made to sum to 1, 0
    crossentropy                         than half of them together             elsewhere
    argmax       28,389 / 3,553 / 3,546  an expression has the most votes       the 8 votes, made to sum to 1
    votes        as argmax               as argmax                              the 8 votes / 10: sums to less than 1
                                                                                where unknown or NF got votes
    ============ ======================= ====================================== ==================================

    The first three are those of the authors' code, see ``mmfer.datasets.fer_plus_rules``, which trains on the label
    alone for majority, and for probability draws a label from ``gt_score`` each time it uses an image; here the two
    names mean the same. ``votes`` is the target of POSTER-Var. ``gt_label`` is the expression with the most votes, the
    first of equals. Every entry has ``image_name``, such as 'fer0000000.png', and ``votes``, int64 (8,): those that
    ``gt_score`` is made of, so for probability 0 elsewhere. Votes for unknown and NF help to decide whether an image is
    kept and are not among them.

    The list names images only; these are PNG files of that name (made from FER2013 by the authors' tool), or rows of
    ``fer2013.csv``, of which the list's rows are the labels in the same order. 173 rows without an image name, all
    voted NF, are left out.

    Args:
        data_root: Folder of the data set.
        ann_file: The list.
        split: 'train', 'val' or 'test' (Usage Training, PublicTest, PrivateTest).
        rule: One of the table above.
        img_prefix: Folder of the PNG files or of FER2013Train, FER2013Valid and FER2013Test. By default ``data_root``,
            or Images or data below it, whichever holds them.
        exclude: Images to leave out of any split: a text file with one image name a line, or 'copies', the list that
            ships with mmfer: the 3,081 training faces that have a copy among the validation and test faces (also a
            mirrored, cropped, turned or brightened one; ``mmfer.datasets.copies``). By default none.
        pixels_file: ``fer2013.csv``, absolute or below ``data_root``; '' takes PNG files. By default the csv file where
            ``data_root`` has it and ``img_prefix`` is not given.
        votes_used: So many of an image's ``votes``, drawn at random, make ``votes``, ``gt_label`` and ``gt_score``
            (whose sum stays), see ``mmfer.datasets.votes``. All votes decide whether it is kept. By default all.
        votes_seed: Another seed draws other votes.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: The list, the images, the csv file of pixels or the file of ``exclude`` do not exist.
        ValueError: The rule is unknown, votes_used is below 1, a column is not there, votes are malformed, ``exclude``
            names no image of the list, or the two csv files disagree.

    Examples:
        >>> FERPlus(ann_file='fer2013new.csv', split='test', rule='majority', validate=False)  # doctest: +SKIP
    """

    METAINFO = dict(
        classes=('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt'),
    )
    SPLITS = ('train', 'val', 'test')
    USAGES = dict(Training='train', PublicTest='val', PrivateTest='test')
    FOLDERS = dict(train='FER2013Train', val='FER2013Valid', test='FER2013Test')
    VOTES = ('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt', 'unknown', 'NF')
    COUNTS_BY_RULE = dict(
        majority=dict(train=25060, val=3199, test=(1090, 893, 396, 384, 273, 18, 83, 16)),
        probability=dict(train=27956, val=3505, test=3505),
        crossentropy=dict(train=27956, val=3505, test=3505),
        argmax=dict(train=28389, val=3553, test=3546),
        votes=dict(train=28389, val=3553, test=3546),
    )
    HOMEPAGE = (
        'https://github.com/microsoft/FERPlus (the list and the tool that makes the images), and '
        'https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge '
        '(fer2013.csv)'
    )
    EXPECTED_TREE = """
  data_root/fer2013new.csv                   (the list)
  data_root/fer2013.csv                      (the images; columns pixels, Usage)
or instead of the latter
  data_root/FER2013Train/fer0000000.png ...  (and FER2013Valid, FER2013Test; or all in data_root/Images)
"""

    def __init__(
        self,
        data_root: str = '',
        ann_file: str = 'fer2013new.csv',
        split: str = 'train',
        rule: str = 'majority',
        img_prefix: Optional[str] = None,
        pixels_file: Optional[str] = None,
        exclude: str = '',
        votes_used: Optional[int] = None,
        votes_seed: int = 0,
        **options,
    ):
        check_choice(self, 'rule', rule, tuple(RULES))
        if img_prefix is not None and pixels_file:
            raise ValueError(
                f'FERPlus: give img_prefix={img_prefix!r} or pixels_file={pixels_file!r}: the images are either PNG '
                'files or rows of a csv file'
            )
        if not ann_file:
            raise ValueError("FERPlus: ann_file='' must name the list, fer2013new.csv")
        self.rule = rule
        root = os.path.expanduser(data_root)
        if pixels_file is None:
            found = img_prefix is None and os.path.isfile(os.path.join(root, CSV_NAME))
            pixels_file = CSV_NAME if found else ''
        self.pixels_path = os.path.join(root, os.path.expanduser(pixels_file)) if pixels_file else ''
        self._auto_folder = img_prefix is None
        self.exclude = exclude
        self.vote_subset = VoteSubset(self, votes_used, votes_seed)
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            img_prefix=img_prefix or '',
            split=split,
            **options,
        )

    @property
    def protocol(self) -> str:
        """Data set, split and rule, and how many votes are used."""
        left_out = f', without {self.exclude}' if self.exclude else ''
        return f'{super().protocol}, {self.rule} rule{left_out}{self.vote_subset.protocol}'

    def published_counts(self) -> Union[tuple, int, None]:
        """Number of samples of each class or in all, for this rule; None where images are left out."""
        if self.exclude:
            return None
        counts = self.COUNTS_BY_RULE[self.rule][self.split]
        return counts if self.vote_subset.count is None else int(np.sum(counts))  # labels differ, images do not

    def check_source(self) -> None:
        """Raise FileNotFoundError where the list, the folder of the images or the csv file does not exist."""
        super().check_source()
        if self.pixels_path and not os.path.isfile(self.pixels_path):
            raise self.source_error('csv file of the pixels', self.pixels_path, 'pixels_file')

    def load_data_list(self) -> list:
        """Read the list, apply the rule, and find the images."""
        usages, entries = self._read_votes()
        if self.pixels_path:
            return self._read_pixels(usages, entries)
        folder = self._image_folder([entry['image_name'] for entry in entries.values()])
        return [dict(entry, img_path=os.path.join(folder, entry['image_name'])) for entry in entries.values()]

    def _read_votes(self) -> tuple:
        """Usages of all rows, and the kept entries of the split by the row's index."""
        usages: list = []
        entries: dict = {}
        rule = RULES[self.rule]
        excluded, is_named = self._excluded(), False
        self.unused = LeftOut('rows of', logging.INFO)
        columns = ('Usage', 'Image name', *self.VOTES)
        for row, cells in read_table(self.ann_file, columns, type(self).__name__, self.report):
            usage = cells[0] if cells else ''
            usages.append(usage)
            if cells is None:
                continue
            # as mmfer data verify calls PNG files and rows of pixels
            is_excluded = bool(excluded) and (cells[1] in excluded or f'{CSV_NAME}#row={row}' in excluded)
            is_named = is_named or is_excluded
            split = find_split(usage, self.USAGES)
            if split is None:
                self.report(f'unknown usages (known: {", ".join(self.USAGES)})', f'row {row} {usage!r}')
            if not all(cell.isascii() and cell.isdigit() for cell in cells[2:]):
                self.report('malformed votes (expected integers)', f'row {row} {",".join(cells[2:])[:60]!r}')
                continue
            numbers = [int(cell) for cell in cells[2:]]
            if not 0 < sum(numbers) <= 10:
                self.report('rows without 1 to 10 votes', f'row {row} ({sum(numbers)} votes)')
            elif split == self.split:
                kept = rule(np.array(numbers, dtype=np.int64)) if cells[1] else None
                if kept is not None and is_excluded:
                    self.unused.add('named by exclude', f'row {row}')
                elif kept is None:
                    self.unused.add(f'by the {self.rule} rule' if cells[1] else 'without an image name', f'row {row}')
                else:
                    entries[len(usages) - 1] = self._entry(cells[1], kept)
        if excluded and not is_named:
            raise ValueError(
                f'FERPlus: {self.ann_file} has none of the names of exclude={self.exclude!r}, such as {min(excluded)}. '
                'Names are such as fer0000000.png, without folders'
            )
        return usages, entries

    def _entry(self, name: str, votes: np.ndarray) -> dict:
        """Labels of an image by the votes for expressions that count, (8,), or by some of them."""
        used = self.vote_subset(votes, name)
        total = used.sum()
        if self.rule == 'votes':  # the soft label sums to the share of expressions, also where some votes are used
            total = total * ANNOTATORS / votes.sum()
        score = (used / total).astype(np.float32)
        return dict(image_name=name, gt_label=int(used.argmax()), gt_score=score, votes=used)

    def _excluded(self) -> set:
        """The names of the images to leave out."""
        if not self.exclude:
            return set()
        path = str(_COPIES) if self.exclude == 'copies' else os.path.expanduser(self.exclude)
        try:
            with open(path, encoding='utf-8') as file:
                return {line.strip() for line in file if line.strip()}
        except FileNotFoundError:
            raise FileNotFoundError(
                f"FERPlus: exclude={self.exclude!r} does not exist. Name a file of image names, or take 'copies'."
            ) from None

    def _read_pixels(self, usages: list, entries: dict) -> list:
        name = os.path.basename(self.pixels_path)
        data_list, images, count = [], [], 0

        def report(kind: str, text: str) -> None:
            self.report(f'{kind} in {name}', text)

        rows = read_table(self.pixels_path, ('pixels', 'Usage'), type(self).__name__, report)
        for index, (row, cells) in enumerate(rows):
            count += 1
            if cells is None or index >= len(usages):
                continue
            pixels, usage = cells
            if usage.casefold() != usages[index].casefold():
                text = f'row {row} ({usage!r} instead of {usages[index]!r})'
                report(f'usages that differ from those of {os.path.basename(self.ann_file)}', text)
            elif index in entries:
                img = parse_pixels(pixels)
                if img is None:
                    text = f'row {row} ({len(pixels.split())} values)'
                    report(f'pixels that are not {SIZE * SIZE} numbers in 0..255', text)
                    continue
                data_list.append(dict(entries[index], img_index=len(images), row=row))
                images.append(img)
        if count != len(usages):
            text = f'{count} in {self.pixels_path}, {len(usages)} in {self.ann_file}'
            self.report('numbers of rows that disagree', text)
        self.keep_images(images)
        return data_list

    def _image_folder(self, names: list) -> str:
        """The folder that has most of the first images, else the first of the possible ones that exists."""
        part = self.FOLDERS[self.split]
        if self._auto_folder:
            below = (part, os.path.join('Images', part), os.path.join('data', part), 'Images', '')
            folders = [os.path.join(self.data_root, name) for name in below]
        else:
            folders = [os.path.join(self.img_prefix, part), self.img_prefix]
        if self.validate:
            found = [sum(os.path.isfile(os.path.join(folder, name)) for name in names[:_TRIED]) for folder in folders]
            if any(found):
                return folders[found.index(max(found))]
        return next((folder for folder in folders if os.path.isdir(folder)), folders[-1])
