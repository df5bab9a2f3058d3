"""Any images with a metadata table: path, label or votes, and optionally split, fold, subject and face box."""

import logging
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional, Union

import numpy as np
from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS, class_or_expression, find_class, own_classes
from mmfer.utils.nesting import PLACE

from .arguments import check_choice
from .base_fer_dataset import FERDataset
from .csv_table import read_table
from .entry_list import first_names
from .left_out import LeftOut
from .votes import VoteSubset

TAKEN = (
    *('img_path', 'img', 'img_shape', 'ori_shape', 'sample_idx', 'face_box', 'face_landmarks', PLACE),
    *('gt_label', 'clean_label', 'gt_score', 'votes', 'tied'),
)
WHOLE_NUMBER = re.compile(r'\d{1,9}(\.0*)?')  # tables that went through pandas may say 3.0


@DATASETS.register_module()
class CSVDataset(FERDataset):
    """Images listed in a table with a header, such as ``path,label,split,fold,subject``.

    Labels are names of ``classes``, expressions or synonyms of them, or numbers that count ``classes``. Case and blanks
    around a cell do not matter in labels, splits, folds and names of columns. Rows that are left out are counted in a
    line of the log. Instead there may be one column of votes a class, whole numbers: entries then have ``votes``, int64
    (K,), ``gt_label`` is the class with the most of them, and ``gt_score`` (K,) float32 the votes divided by their sum.
    Entries have ``subject`` (str), ``fold`` (str) and ``face_box`` (x1, y1, x2, y2) in pixels where the table has them;
    the same image may have several faces.

    With ``exclude_folds=[2]`` for training and ``folds=[2]`` for the test, fold by fold, this is cross-validation;
    with the fold column naming data sets, it is work across data sets. Give ``classes`` there, so that the order of
    labels does not depend on what the table holds.

    Args:
        data_root: Folder of the table.
        ann_file: The table, UTF-8.
        split: Take the rows with this in ``split_column``. By default all rows.
        classes: Classes in label order: expressions (synonyms allowed), or any other names. By default the expressions
            of the vote columns in their order, or those that the whole table names, in the canonical order.
        path_column: Column of the image files, absolute or below ``img_prefix``.
        label_column: Column of the labels. Defaults to 'label'; not read where there are vote columns.
        vote_columns: Columns of the votes, named as classes, or column -> class. By default no votes.
        votes_used: So many of a face's votes, drawn at random, make ``votes``, ``gt_label`` and ``gt_score``, see
            ``mmfer.datasets.votes``. By default all.
        votes_seed: Another seed draws other votes.
        ties: Of several classes with the most votes 'first' takes the first in label order, 'drop' leaves the row out
            (by all its votes).
        label_map: Label as in the table -> class, or -> None to leave its rows out.
        split_column: Column of the splits.
        fold_column: Column of the folds.
        folds: Take these folds. By default all.
        exclude_folds: Take all folds but these.
        subject_column: Column of the people.
        columns: Further columns to keep, as text of entries under the same name; None where a cell is empty. Metrics
            get at them by ``meta_keys`` of ``PackInputs``, such as ``GroupMetric`` by its groups.
        box_columns: Columns of the face boxes; rows may leave all four empty. None does not read them.
        delimiter: ',', tab, ';' or another character. Defaults to 'auto': the one of these three that the header has
            most of.
        metainfo: More meta information.
        lazy_init: Do not read the table before it is needed, but for classes that are not given.
        options: Those of ``FERDataset``: img_prefix, pipeline, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: The table, or images that it names, do not exist.
        ValueError: Columns are missing; rows have unknown labels, bad votes, boxes or number of cells (all are
            listed); a split or fold does not occur; an argument is wrong.
    """

    EXPECTED_TREE = """
  data_root/metadata.csv
    path,label,split,fold,subject      (the last three are optional, as is their order)
    images/0001.jpg,happiness,train,0,anna
"""

    def __init__(
        self,
        data_root: str = '',
        ann_file: str = 'metadata.csv',
        split: str = '',
        classes: Optional[Sequence] = None,
        path_column: str = 'path',
        label_column: str = 'label',
        vote_columns: Optional[Union[Sequence, Mapping]] = None,
        votes_used: Optional[int] = None,
        votes_seed: int = 0,
        ties: str = 'first',
        label_map: Optional[Mapping] = None,
        split_column: str = 'split',
        fold_column: str = 'fold',
        folds: Optional[Sequence] = None,
        exclude_folds: Optional[Sequence] = None,
        subject_column: str = 'subject',
        columns: Sequence = (),
        box_columns: Optional[Sequence] = ('x1', 'y1', 'x2', 'y2'),
        delimiter: str = 'auto',
        metainfo: Optional[Mapping] = None,
        lazy_init: bool = False,
        **options,
    ):
        super().__init__(
            data_root=data_root, ann_file=ann_file, split=split, metainfo=metainfo, lazy_init=True, **options
        )
        lists = dict(
            classes=classes, vote_columns=vote_columns, folds=folds, exclude_folds=exclude_folds, columns=columns
        )
        for option, value in dict(lists, box_columns=box_columns).items():
            if isinstance(value, str) or not isinstance(value, (Sequence, Mapping, type(None))):
                raise TypeError(f'CSVDataset: {option}={value!r} must be a sequence')
        if metainfo is not None and 'classes' in metainfo:
            raise ValueError('CSVDataset: give the classes with the option `classes`, not in metainfo')
        if folds is not None and exclude_folds is not None:
            raise ValueError('CSVDataset: give folds or exclude_folds, not both')
        if delimiter != 'auto' and len(delimiter) != 1:
            raise ValueError(f"CSVDataset: delimiter={delimiter!r} must be 'auto' or one character")
        if votes_used is not None and not vote_columns:
            raise ValueError(f'CSVDataset: votes_used={votes_used!r} needs vote_columns')
        if label_map and vote_columns:
            raise ValueError(
                f'CSVDataset: label_map={label_map!r} is about label_column, which vote_columns replace. Leave it out, '
                'and put MapClasses around the data set.'
            )
        if box_columns is not None and len(box_columns) != 4:
            raise ValueError(f'CSVDataset: box_columns={box_columns!r} must be four names, or None')
        self.path_column, self.label_column = path_column, label_column
        self.split_column, self.fold_column, self.subject_column = split_column, fold_column, subject_column
        self.ties, self.delimiter = check_choice(self, 'ties', ties, ('first', 'drop')), delimiter
        self.vote_subset = VoteSubset(self, votes_used, votes_seed)
        self.box_columns = tuple(box_columns or ())
        self.columns = tuple(columns or ())
        taken = [name for name in self.columns if name in TAKEN]
        if taken:
            raise ValueError(f'CSVDataset: columns={columns!r}: {", ".join(taken)} means something else in an entry')
        self.folds = None if folds is None else tuple(map(_plain, folds))
        self.exclude_folds = None if exclude_folds is None else tuple(map(_plain, exclude_folds))
        self._given = () if classes is None else own_classes(classes)
        self.label_map = {
            _key(label): None if name is None else class_or_expression(name, self._given)
            for label, name in dict(label_map or {}).items()
        }
        votes = vote_columns if isinstance(vote_columns, Mapping) else {name: name for name in vote_columns or ()}
        self.vote_columns = {column: class_or_expression(name, self._given) for column, name in votes.items()}
        if classes is not None:
            names = self._given
        elif votes:
            names = tuple(self.vote_columns.values())
        else:
            self.check_source()
            names = self._find_classes()
        outside = [name for name in self.vote_columns.values() if name not in names]
        if not names or len(set(names)) < len(names) or len(set(self.vote_columns.values())) < len(votes):
            raise ValueError(f'CSVDataset: classes {names} and vote_columns must name each expression once')
        if outside:
            raise ValueError(f'CSVDataset: vote_columns of {", ".join(outside)}, which classes={names} lacks')
        self._metainfo['classes'] = names
        if not lazy_init:
            self.full_init()

    @property
    def protocol(self) -> str:
        """One line that says which samples and which labels a result is about."""
        text = f'{super().protocol}, {os.path.basename(self.ann_file)}{self._named_folds()}'
        return f'{text}, most votes (ties: {self.ties}){self.vote_subset.protocol}' if self.vote_columns else text

    def describe_source(self) -> str:
        """The table, split and folds."""
        return f'{super().describe_source()}{self._named_folds()}'

    def _named_folds(self) -> str:
        if self.exclude_folds is not None:
            return f', all folds but {", ".join(self.exclude_folds)}'
        return '' if self.folds is None else f', folds {", ".join(self.folds)}'

    # ---- the table ------------------------------------------------------------------------------------------------
    def _rows(self) -> Iterator[tuple]:
        """Yield (number, dict of column -> cell) of the rows; those with wrong numbers of cells are reported."""
        columns, optional = [self.path_column, *(self.vote_columns or [self.label_column])], [self.subject_column]
        columns += self.columns
        (columns if self.split else optional).append(self.split_column)
        (optional if self.folds is None and self.exclude_folds is None else columns).append(self.fold_column)
        names = (*columns, *optional, *self.box_columns)
        remedy = (
            'Name the columns with the options path_column, label_column, vote_columns, split_column, fold_column, '
            'columns, box_columns, and the character between them with delimiter'
        )
        rows = read_table(
            *(self.ann_file, columns, 'CSVDataset', self.report, optional, self.box_columns),
            delimiter=self.delimiter,
            remedy=remedy,
        )
        for row, cells in rows:
            if cells is not None:
                yield row, {name: cell for name, cell in zip(names, cells) if cell is not None}

    def _expression(self, text: str) -> Union[str, int, None]:
        """Expression or number that a label stands for, None for one to leave out; ValueError for an unknown one."""
        key = _key(text)
        if key in self.label_map:
            return self.label_map[key]
        found = find_class(key, self._given)
        if found is None and WHOLE_NUMBER.fullmatch(text):
            return int(key)
        return class_or_expression(text) if found is None else found

    def _find_classes(self) -> tuple:
        found, labels = set(), Counter(cells[self.label_column] for _, cells in self._rows())
        for label in labels:
            try:
                found.add(self._expression(label))
            except ValueError:
                continue  # reported with its rows when the list is read
        if any(isinstance(name, int) for name in found):
            raise ValueError(
                f'CSVDataset: column {self.label_column} of {self.ann_file} has numbers as labels '
                f'({first_names(sorted(labels))}); set classes=[...] to the expressions that they count from 0, or '
                'label_map=dict(number=expression)'
            )
        if not found - {None}:
            shown = first_names([repr(label) for label in labels]) if labels else 'no rows'
            raise ValueError(
                f'CSVDataset: no known expression in column {self.label_column} of {self.ann_file}: {shown}'
            )
        return tuple(name for name in EXPRESSIONS if name in found)

    # ---- the entries ----------------------------------------------------------------------------------------------
    def load_data_list(self) -> list:
        """Read the table; every bad row of the split and folds is reported."""
        self.unused = LeftOut('rows of', logging.INFO)
        data_list, faces, splits, folds, tied = [], Counter(), {}, {}, 0
        wanted, excluded = (set(map(_key, names or ())) for names in (self.folds, self.exclude_folds))
        for row, cells in self._rows():
            faces[(cells[self.path_column], *(cells.get(name) for name in self.box_columns))] += 1
            split, fold = cells.get(self.split_column, ''), _plain(cells.get(self.fold_column, ''))
            splits[_key(split)], folds[_key(fold)] = split, fold
            if self.split and _key(split) != _key(self.split):
                self.unused.add(f'of split {split!r}', f'row {row}')
                continue
            if _key(fold) in excluded or (self.folds is not None and _key(fold) not in wanted):
                self.unused.add(f'of fold {fold!r}', f'row {row}')
                continue
            entry = self._entry(row, cells)
            if entry is None:
                continue
            if entry.pop('tied', False) and self.ties == 'drop':
                tied += 1
                continue
            data_list.append(dict(entry, fold=fold) if fold else entry)
        if self.split and splits and _key(self.split) not in splits:
            raise ValueError(
                f'CSVDataset: no split {self.split!r} in {self.ann_file}, which has {first_names([*splits.values()])}'
            )
        absent = [fold for fold in (self.folds or self.exclude_folds or ()) if _key(fold) not in folds]
        if absent and folds:
            there = first_names(sorted(folds.values()))
            raise ValueError(f'CSVDataset: {self.ann_file} has no folds {", ".join(absent)}; there are {there}')
        doubles = [face[0] for face, count in faces.items() if count > 1]
        if doubles:
            self._warn(f'{len(doubles)} images are listed several times, over all splits: {first_names(doubles)}')
        if tied:
            self._warn(f'{tied} rows with tied votes are left out')
        return data_list

    def _warn(self, text: str) -> None:
        print_log(f'CSVDataset: {self.ann_file}: {text}', logger='current', level=logging.WARNING)

    def _entry(self, row: int, cells: dict) -> Optional[dict]:
        """Entry of a row; None where it is left out or bad, which is reported."""
        labels = self._votes(row, cells) if self.vote_columns else self._label(row, cells)
        path = cells[self.path_column].replace('\\', '/')
        if not path:
            self.report('rows without a path', f'row {row}')
        box = [cells[name] for name in self.box_columns if name in cells]
        if any(box):
            try:
                x1, y1, x2, y2 = box = tuple(map(float, box))
                if not (all(map(math.isfinite, box)) and x1 < x2 and y1 < y2):
                    raise ValueError
            except ValueError:
                self.report('face boxes that are not x1 < x2, y1 < y2', f'row {row} ({", ".join(map(str, box))})')
                return None
        if labels is None or not path:
            return None
        entry = dict(img_path=path if '://' in path else os.path.join(self.img_prefix, path), **labels)
        if any(box):
            entry['face_box'] = box
        entry.update((name, cells[name] or None) for name in self.columns)
        if cells.get(self.subject_column):
            entry['subject'] = cells[self.subject_column]
        return entry

    def _label(self, row: int, cells: dict) -> Optional[dict]:
        text = cells[self.label_column]
        try:
            name = self._expression(text)
        except ValueError:
            self.report('unknown labels (name them with label_map, to None to leave them out)', f'row {row} {text!r}')
            return None
        if isinstance(name, int):
            if name < self.num_classes:
                return dict(gt_label=name)
            self.report(f'labels that are not in 0..{self.num_classes - 1}', f'row {row} {text!r}')
        elif name in self.classes:
            return dict(gt_label=self.classes.index(name))
        elif name is None:
            self.unused.add(f'labelled {text!r}, by label_map', f'row {row}')
        else:
            kind = f'labels that are not in classes={self.classes} (label_map to None leaves them out)'
            self.report(kind, f'row {row} {text!r}')
        return None

    def _votes(self, row: int, cells: dict) -> Optional[dict]:
        texts = {name: cells[column] for column, name in self.vote_columns.items()}
        votes = np.zeros(self.num_classes, dtype=np.int64)
        if all(map(WHOLE_NUMBER.fullmatch, texts.values())):
            for name, text in texts.items():
                votes[self.classes.index(name)] = float(text)
        if not votes.any():
            shown = ', '.join(texts.values())
            self.report('bad votes (expected whole numbers from 0 up, not all 0)', f'row {row} ({shown})')
            return None
        tied = np.count_nonzero(votes == votes.max()) > 1
        # the face's own name, which neither other rows nor the place of the data change
        face = ' '.join([cells[self.path_column], *filter(None, (cells.get(name) for name in self.box_columns))])
        votes = self.vote_subset(votes, face)
        score = (votes / votes.sum()).astype(np.float32)
        return dict(gt_label=int(votes.argmax()), gt_score=score, votes=votes, tied=bool(tied))


def _plain(cell: object) -> str:
    """Text of a cell, whole numbers without a fraction."""
    text = str(cell).strip()
    return str(int(float(text))) if WHOLE_NUMBER.fullmatch(text) else text


def _key(cell: object) -> str:
    """By what cells are compared: :func:`_plain` in lower case."""
    return _plain(cell).casefold()
