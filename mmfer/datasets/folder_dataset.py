"""Trees of images in folders named by the expression."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Optional

from mmengine.logging import print_log

from mmfer.registry import DATASETS
from mmfer.structures.expressions import EXPRESSIONS, SYNONYMS, class_or_expression, own_classes
from mmfer.utils.image_files import HIDDEN, IMG_EXTENSIONS, Listing, is_folder, is_hidden, list_images, sort_files

from .base_fer_dataset import FERDataset
from .entry_list import first_names
from .left_out import LeftOut


def class_folders(root: str, unused: Optional[LeftOut] = None, extensions: Sequence = IMG_EXTENSIONS) -> list:
    """Names of the folders directly in ``root``, sorted, without hidden ones.

    Image files that lie beside them or in hidden folders are counted in ``unused``, where it is given.

    Raises:
        ValueError: Images lie beside the folders, or there are no folders.
    """
    with os.scandir(root) as entries:
        found = sorted((entry.name, is_folder(entry)) for entry in entries if entry.name != '__MACOSX')
    loose = Listing.empty()
    sort_files(root, [name for name, is_dir in found if not is_dir], extensions, loose)
    if loose.images:
        names = [os.path.basename(path) for path in loose.images]
        raise ValueError(
            f'{len(names)} images lie directly in {root} ({first_names(names)}), where one folder an expression is '
            'expected: class_name/*.jpg'
        )
    all_folders = [name for name, is_dir in found if is_dir]
    if unused is not None:
        unused.add_all(loose.left_out)
        for name in filter(is_hidden, all_folders):
            _leave_out(os.path.join(root, name), extensions, HIDDEN, unused)
    folders = [name for name in all_folders if not is_hidden(name)]
    if not folders:
        raise ValueError(f'no folders in {root}, where one folder an expression is expected: class_name/*.jpg')
    return folders


def _leave_out(folder: str, extensions: Sequence, reason: str, unused: LeftOut) -> None:
    """Count all image files in and below a folder."""
    found = list_images(folder, extensions)
    unused.add_all((reason, path) for path in [*found.images, *(path for _, path in found.left_out)])


def folder_samples(dataset: FERDataset, root: str, labels: Mapping, extensions: Sequence = IMG_EXTENSIONS) -> tuple:
    """Entries of the images in folders, and the files that are no images.

    Folders without images are reported to the data set, image files that are left out counted.

    Args:
        dataset: Whose images they are.
        root: Folder of the folders.
        labels: Name of a folder -> label of all images in and below it.
        extensions: Name endings of images.
    """
    data_list, others = [], []
    for folder, label in labels.items():
        found = list_images(os.path.join(root, folder), extensions)
        if not found.images:
            dataset.report('folders without images', folder)
        dataset.unused.add_all(found.left_out)
        others += found.others
        data_list += [dict(img_path=path, gt_label=label) for path in found.images]
    return data_list, others


@DATASETS.register_module()
class FolderDataset(FERDataset):
    """Any tree ``data_root/split/class_name/**/*.jpg``.

    Folders are matched to classes by name: those of ``classes``, canonical names and their synonyms (see
    ``mmfer.structures.expressions``) in any case, or as ``class_map`` says. Several folders may hold the same class.
    Linked folders are searched, but not in circles. Image files that are left out (hidden, or with an ending that is
    not in ``extensions``) are counted in a line of the log, as are other files.

    Args:
        data_root: Folder of the tree.
        split: Folder below it, such as 'train'. By default none.
        classes: Classes in label order: expressions (synonyms allowed), or any other names. Defaults to the expressions
            present, in the canonical order; set it where the splits, or a trained model, might have other classes.
        class_map: Folder name (a number counts as its digits) -> class, or -> None to leave the folder out. Folders
            that it does not name are matched by name.
        extensions: Name endings of images.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Raises:
        FileNotFoundError: The folder does not exist.
        ValueError: Folders with unknown names (all are listed), with no images, or images beside the folders.
    """

    EXPECTED_TREE = """
  data_root/split/        (split is optional)
    happiness/*.jpg       (or happy, joy, ...; nested folders are searched)
    sadness/*.jpg
    ...
"""

    def __init__(
        self,
        data_root: str,
        split: str = '',
        classes: Optional[Sequence] = None,
        class_map: Optional[Mapping] = None,
        extensions: Sequence = IMG_EXTENSIONS,
        metainfo: Optional[Mapping] = None,
        **options,
    ):
        for option, value in dict(classes=classes, extensions=extensions).items():
            if isinstance(value, str):
                raise TypeError(f'FolderDataset: {option}={value!r} must be a sequence of names')
        if metainfo is not None and 'classes' in metainfo:
            raise ValueError('FolderDataset: give the classes with the option `classes`, not in metainfo')
        if not isinstance(class_map, (Mapping, type(None))):
            raise ValueError(f'FolderDataset: class_map={class_map!r} is no mapping. {self._how_to_map("1")}')
        self.extensions = tuple(f'.{extension.lower().lstrip(".")}' for extension in extensions)
        root = os.path.expanduser(data_root)
        self.root = os.path.join(root, split) if split else root
        names = None if classes is None else own_classes(classes)
        self.class_map = {
            str(folder): None if name is None else class_or_expression(name, names or ())
            for folder, name in (class_map or {}).items()
        }
        if names is None:
            self.data_root, self.split = root, split  # for the errors; the base class sets them again
            self.check_source()
            present = set(self._match_folders(None).values())
            names = tuple(name for name in EXPRESSIONS if name in present)
        super().__init__(
            data_root=data_root,
            split=split,
            metainfo=dict(metainfo or {}, classes=names),
            **options,
        )

    def check_source(self) -> None:
        """Raise FileNotFoundError where the tree does not exist."""
        if not os.path.isdir(self.data_root):
            raise self.source_error('folder of the data set', self.data_root, 'data_root')
        if not os.path.isdir(self.root):
            raise self.source_error(f'folder of the split {self.split!r}', self.root, 'split')

    def describe_source(self) -> str:
        """The folder searched."""
        return self.root

    @staticmethod
    def _how_to_map(folder: str) -> str:
        return (
            f"Map a folder with class_map={{{folder!r}: 'surprise'}}, on the command line --cfg-options "
            f'train_dataloader.dataset.class_map.{folder}=surprise; None in its place leaves the folder out'
        )

    def _match_folders(self, classes: Optional[tuple]) -> dict:
        """Folder -> class; all folders that match none are reported at once."""
        matched, unknown, known = {}, [], classes or ()
        for folder in class_folders(self.root, None if classes is None else self.unused, self.extensions):
            try:
                name = self.class_map[folder] if folder in self.class_map else class_or_expression(folder, known)
            except ValueError:
                unknown.append(folder)
                continue
            if name is None:
                if classes is not None:
                    _leave_out(os.path.join(self.root, folder), self.extensions, 'by class_map', self.unused)
            elif classes is not None and name not in classes:
                unknown.append(f'{folder} ({name} is not in classes={classes})')
            else:
                matched[folder] = name
        if unknown:
            splits = [name for name in unknown if name.lower() in ('train', 'test', 'val', 'valid', 'validation')]
            hint = f"; for the parts of a data set set split='{splits[0]}'" if splits else ''
            raise ValueError(
                f'FolderDataset: {len(unknown)} folders in {self.root} are no known class: {first_names(unknown)}. '
                f'Known are {", ".join(known or EXPRESSIONS)} and the synonyms {", ".join(SYNONYMS)}. '
                f'{self._how_to_map(unknown[0].split(" (")[0])}; classes=(...), all classes in label order, may have '
                f'names of your own{hint} (mmfer explain unknown-folder)'
            )
        if not matched:
            raise ValueError(f'FolderDataset: class_map leaves out all folders in {self.root}')
        return matched

    def load_data_list(self) -> list:
        """List the images of all folders, folder by folder in sorted order."""
        labels = {folder: self.classes.index(name) for folder, name in self._match_folders(self.classes).items()}
        data_list, others = folder_samples(self, self.root, labels, self.extensions)
        if others:
            text = f'FolderDataset: {len(others)} files in {self.root} are no images and ignored: {first_names(others)}'
            print_log(text, logger='current', level=logging.WARNING)
        return data_list
