"""Trees of images in folders named by the expression."""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Optional

from mmengine.logging import print_log

from mmfer.registry import DATASETS

from .base_fer_dataset import FERDataset, first_names
from .expressions import EXPRESSIONS, SYNONYMS, canonical_name

IMG_EXTENSIONS = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.pgm', '.ppm', '.avif', '.heic', '.heif')


def is_hidden(name: str) -> bool:
    """Whether a file or folder is one that systems and archivers leave behind."""
    return name.startswith('.') or name == '__MACOSX'


def class_folders(root: str, extensions: Sequence = IMG_EXTENSIONS) -> list:
    """Names of the folders directly in ``root``, sorted, without hidden ones.

    Raises:
        ValueError: Images lie beside the folders, or there are no folders.
    """
    with os.scandir(root) as entries:
        found = sorted((entry.name, entry.is_dir()) for entry in entries if not is_hidden(entry.name))
    loose = [name for name, is_dir in found if not is_dir and name.lower().endswith(tuple(extensions))]
    if loose:
        raise ValueError(
            f'{len(loose)} images lie directly in {root} ({first_names(loose)}), where one folder an expression is '
            'expected: class_name/*.jpg'
        )
    folders = [name for name, is_dir in found if is_dir]
    if not folders:
        raise ValueError(f'no folders in {root}, where one folder an expression is expected: class_name/*.jpg')
    return folders


def list_images(folder: str, extensions: Sequence = IMG_EXTENSIONS) -> tuple:
    """Paths of the images in and below ``folder``, sorted, and of the other files; hidden ones are ignored."""
    images, others = [], []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            if not is_hidden(name):
                chosen = images if name.lower().endswith(tuple(extensions)) else others
                chosen.append(os.path.join(path, name))
    return images, others


@DATASETS.register_module()
class FolderDataset(FERDataset):
    """Any tree ``data_root/split/class_name/**/*.jpg``.

    Folders are matched to expressions by name: canonical names and their synonyms (see ``mmfer.datasets.expressions``)
    in any case, or as ``class_map`` says. Several folders may hold the same expression. Hidden files are ignored;
    other files that are no images are ignored with a warning.

    Args:
        data_root (str): Folder of the tree.
        split (str): Folder below it, such as 'train'. Defaults to '': none.
        classes (Sequence[str], optional): Expressions in label order (synonyms allowed). Defaults to those present, in
            the canonical order; set it where the splits, or a trained model, might have other classes.
        class_map (Mapping, optional): Folder name -> expression, or -> None to leave the folder out. Folders that it
            does not name are matched by name. Defaults to None.
        extensions (Sequence[str]): Name endings of images. Defaults to the common formats.
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
        self.extensions = tuple(f'.{extension.lower().lstrip(".")}' for extension in extensions)
        self.class_map = {
            folder: None if name is None else canonical_name(name) for folder, name in dict(class_map or {}).items()
        }
        root = os.path.expanduser(data_root)
        self.root = os.path.join(root, split) if split else root
        names = None if classes is None else tuple(canonical_name(name) for name in classes)
        if names is not None and len(set(names)) < len(names):
            raise ValueError(f'FolderDataset: classes={tuple(classes)} names an expression twice')
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

    def _match_folders(self, classes: Optional[tuple]) -> dict:
        """Folder -> expression; all folders that match none are reported at once."""
        matched, unknown = {}, []
        for folder in class_folders(self.root, self.extensions):
            try:
                name = self.class_map[folder] if folder in self.class_map else canonical_name(folder)
            except ValueError:
                unknown.append(folder)
                continue
            if name is None:
                continue
            if classes is not None and name not in classes:
                unknown.append(f'{folder} ({name} is not in classes={classes})')
                continue
            matched[folder] = name
        if unknown:
            splits = [name for name in unknown if name.lower() in ('train', 'test', 'val', 'valid', 'validation')]
            hint = f"; for the parts of a data set set split='{splits[0]}'" if splits else ''
            raise ValueError(
                f'FolderDataset: {len(unknown)} folders in {self.root} are no known expression: '
                f'{first_names(unknown)}. Known are {", ".join(EXPRESSIONS)} and the synonyms {", ".join(SYNONYMS)}. '
                f'Map others with class_map=dict(folder=expression), or leave one out with class_map=dict(folder=None)'
                f'{hint}'
            )
        if not matched:
            raise ValueError(f'FolderDataset: class_map leaves out all folders in {self.root}')
        return matched

    def load_data_list(self) -> list:
        """List the images of all folders, folder by folder in sorted order."""
        labels = {name: label for label, name in enumerate(self.classes)}
        data_list, others = [], []
        for folder, name in self._match_folders(self.classes).items():
            images, rest = list_images(os.path.join(self.root, folder), self.extensions)
            if not images:
                self.report('folders without images', folder)
            others += rest
            data_list += [dict(img_path=path, gt_label=labels[name]) for path in images]
        if others:
            text = f'FolderDataset: {len(others)} files in {self.root} are no images and ignored: {first_names(others)}'
            print_log(text, logger='current', level=logging.WARNING)
        return data_list
