"""What data sets share that are listed from their folders and file names instead of a list."""

import os
import re
from collections.abc import Iterator, Sequence
from typing import Optional

from mmfer.structures.expressions import find_class
from mmfer.utils.image_files import list_images

from .base_fer_dataset import FERDataset
from .folder_dataset import class_folders, folder_samples


def find_below(root: str, *candidates: str, default: Optional[str] = None) -> str:
    """The first of ``candidates`` (paths with '/') that is in ``root``, whatever its case.

    Args:
        root: A folder; it need not exist.
        candidates: Files or folders below it; '' is the root itself.
        default: Returned where none is there. By default the first candidate.

    Returns:
        str: Path relative to ``root``, spelt as it is there.
    """
    for candidate in candidates if os.path.isdir(root or '.') else ():
        found: list = []
        for part in filter(None, candidate.split('/')):
            try:
                names = [name for name in os.listdir(os.path.join(root or '.', *found)) if name.lower() == part.lower()]
            except NotADirectoryError:
                names = []
            if not names:
                break
            found.append(part if part in names else min(names))
        else:
            return os.path.join('', *found)
    return candidates[0] if default is None else default


def class_samples(dataset: FERDataset, root: str, ignored: Sequence = ()) -> list:
    """Path and label of every image in the class folders of ``root``, folder by folder in sorted order.

    Folders with unknown names, or with no images, are reported to the data set.

    Args:
        dataset: Whose classes the folders are named after.
        root: Folder of the class folders.
        ignored: Beginnings, lower case, of the names of folders that are left out.
    """
    labels = {}
    for folder in class_folders(root, dataset.unused):
        if folder.lower().startswith(tuple(ignored)):
            continue
        name = find_class(folder, dataset.classes)
        if name is None:
            kind = f'folders that are no class of {type(dataset).__name__} ({", ".join(dataset.classes)})'
            dataset.report(kind, folder)
        else:
            labels[folder] = dataset.classes.index(name)
    return folder_samples(dataset, root, labels)[0]


class TreeDataset(FERDataset):
    """Base of the data sets that are listed from their folders and file names.

    Args:
        data_root: Folder of the data set.
        split: One of SPLITS. By default the first.
        img_prefix: Folder of the images. By default the first of IMAGE_FOLDERS that is there.
        options: Those of ``FERDataset``: pipeline, metainfo, indices, validate, unreadable and more.

    Class attributes:
        IMAGE_FOLDERS (tuple): Where the images may be below ``data_root``, with ``{split}`` for the split.
        MISNAMED (dict): File name without extension, upper case -> what it should be.
    """

    IMAGE_FOLDERS: tuple = ('',)
    MISNAMED: dict = {}

    def __init__(self, data_root: str = '', split: Optional[str] = None, img_prefix: Optional[str] = None, **options):
        if split is None:
            split = self.SPLITS[0] if self.SPLITS else ''
        if img_prefix is None:
            folders = [folder.format(split=split) for folder in self.IMAGE_FOLDERS]
            img_prefix = find_below(os.path.expanduser(data_root), *folders)
        super().__init__(data_root=data_root, split=split, img_prefix=img_prefix, **options)

    def check_source(self) -> None:
        """Raise FileNotFoundError where a folder does not exist."""
        if self.data_root and not os.path.isdir(self.data_root):
            raise self.source_error('folder of the data set', self.data_root, 'data_root')
        if not os.path.isdir(self.img_prefix):
            raise self.source_error('folder of the images', self.img_prefix, 'data_root')

    def describe_source(self) -> str:
        """The folder searched."""
        return self.img_prefix

    def named_images(self, pattern: re.Pattern, example: str) -> Iterator[tuple]:
        """Yield path and groups of every image in and below ``img_prefix`` whose name, upper case, fits ``pattern``.

        Names that do not fit are reported.

        Args:
            pattern: Of the whole name without extension.
            example: A name that fits, for the report.

        Raises:
            FileNotFoundError: There are no images.
        """
        found = list_images(self.img_prefix)
        if not found.images:
            raise self.source_error('images', os.path.join(self.img_prefix, example), 'data_root')
        self.unused.add_all(found.left_out)
        for path in found.images:
            stem = os.path.splitext(os.path.basename(path))[0].upper()
            match = pattern.fullmatch(self.MISNAMED.get(stem, stem))
            if match:
                yield path, match.groups()
            else:
                self.report(f'images with other names than such as {example}', os.path.relpath(path, self.img_prefix))
