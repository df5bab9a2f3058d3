"""Generated trees of data sets, and the failures that every data set must report in the same way."""

import os

import cv2
import numpy as np
import pytest

from mmfer.datasets import LoadImageFromFile


def write_image(path, value=90):
    """A grey image of 8 x 8 pixels in the format that the name says; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((8, 8, 3), value, np.uint8))


def write_images(root, *names):
    for name in names:
        write_image(root / name)
    return str(root)


def write_class_folders(root, folders, names=('a.png', 'b.png')):
    return write_images(root, *(f'{folder}/{name}' for folder in folders for name in names))


def raf_tree(root, lines, skip=()):
    """RAF-DB's list of these lines, and its aligned images but for those to skip."""
    (root / 'EmoLabel').mkdir(parents=True)
    (root / 'EmoLabel' / 'list_patition_label.txt').write_text('\n'.join(lines) + '\n')
    stems = (line.split('.')[0] for line in lines)
    return write_images(root, *(f'Image/aligned/{stem}_aligned.jpg' for stem in stems if stem not in skip))


def tail(root, path):
    """Path below ``root``, with '/'."""
    return os.path.relpath(path, root).replace(os.sep, '/')


def check_common_failures(cls, root, **options):
    """A missing root, a typo'd option, an unknown split, and a corrupt image of a data set that is fine else."""
    with pytest.raises(FileNotFoundError) as error:
        cls(f'{root}_absent', **options)
    message = str(error.value)
    assert f'{root}_absent' in message.splitlines()[0]
    assert cls.EXPECTED_TREE.strip('\n') in message
    assert cls.HOMEPAGE in message
    with pytest.raises(TypeError, match='no_such_option'):
        cls(root, no_such_option=1, **options)
    if cls.SPLITS:
        with pytest.raises(ValueError, match="split='no_such'"):
            cls(root, **{**options, 'split': 'no_such'})

    dataset = cls(root, **options)
    victim = dataset[0]['img_path']
    total = len(dataset)
    faces = dataset.column('img_path').count(victim)
    with open(victim, 'wb') as file:
        file.write(b'no image')
    dataset = cls(root, pipeline=[LoadImageFromFile()], **options)
    with pytest.raises(ValueError, match='cannot decode') as error:
        dataset[0]
    assert victim in str(error.value)
    dataset = cls(root, unreadable='skip', allow_empty_classes=True, **options)
    assert len(dataset) == total - faces
    assert dataset.skipped == [victim] * faces
    assert 'left out' in dataset.protocol
