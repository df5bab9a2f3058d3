"""Tiny copies of what the data sets' authors hand out, as trees and as archives."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np

EMOTIONS = ('Angry', 'Disgust', 'Fear', 'Happy', 'Neutral', 'Sad', 'Surprise')


def picture(value, ending='.jpg', size=12):
    image = np.full((size, size, 3), value % 256, np.uint8)
    return cv2.imencode(ending, image)[1].tobytes()


def number(value):
    file = io.BytesIO()
    np.save(file, np.array(value))
    return file.getvalue()


def _raf(classes, top):
    lines, files = [], {}
    for split in ('train', 'test'):
        for label in range(1, classes + 1):
            name = f'{split}_{label:05d}'
            lines.append(f'{name}.jpg {label}')
            files[f'{top}/Image/aligned/{name}_aligned.jpg'] = picture(label)
    return {f'{top}/EmoLabel/list_patition_label.txt': '\n'.join(lines).encode(), **files}


def _folders(splits, ending, classes=EMOTIONS, top=''):
    return {
        f'{top}{split}/{name}/{i:04d}{ending}': picture(i + len(name), ending)
        for split in splits
        for i, name in enumerate(classes)
    }


USAGES = ('Training', 'PublicTest', 'PrivateTest')


def fer2013_csv(columns='emotion,pixels,Usage', rows=8):
    lines = [columns]
    for i, usage in enumerate(usage for usage in USAGES for _ in range(rows)):
        cells = dict(emotion=str(i % rows % 7), pixels=' '.join([str(i)] * 2304), Usage=usage)
        lines.append(','.join(cells[name.strip()] for name in columns.split(',')))
    return '\n'.join(lines).encode()


def fer_plus_csv():
    names = ('neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt', 'unknown', 'NF')
    lines = [f'Usage,Image name,{",".join(names)}']
    for i, usage in enumerate(usage for usage in USAGES for _ in range(9)):
        votes = ['0'] * 10
        votes[i % 9 if i % 9 < 8 else 9] = '10'
        name = f'fer{i:07d}.png' if i % 9 < 8 else ''
        lines.append(','.join([usage, name, *votes]))
    return '\n'.join(lines).encode()


def _affect_net_2017():
    header = 'subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal'
    files = {}
    for split, folder in (('training', 1), ('validation', 2)):
        rows = [header]
        for label in range(11):
            rows.append(f'{folder}/{split}{label}.jpg,4,4,16,16,1;2;3,{label},0.5,-0.25')
            image = np.zeros((24, 24, 3), np.uint8)
            image[4:20, 4:20] = 200
            coded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
            files[f'Manually_Annotated/Manually_Annotated_Images/{folder}/{split}{label}.jpg'] = coded
        files[f'Manually_Annotated_file_lists/{split}.csv'] = '\n'.join(rows).encode()
    return files


def _affect_net_2021():
    files = {}
    for part in ('train_set', 'val_set'):
        for label in range(9):
            files[f'{part}/images/{label}.jpg'] = picture(label)
            files[f'{part}/annotations/{label}_exp.npy'] = number(str(label))
            files[f'{part}/annotations/{label}_val.npy'] = number('0.5')
            files[f'{part}/annotations/{label}_aro.npy'] = number('-0.25')
            files[f'{part}/annotations/{label}_lnd.npy'] = number([1.0, 2.0])
    return files


def _expw():
    lines = [f'face_{i}.jpg 0 1 2 11 12 90.5 {i}' for i in range(7)]
    images = {f'image/origin/face_{i}.jpg': picture(i) for i in range(7)}
    return {'label/label.lst': '\n'.join(lines).encode(), **images, 'readme.txt': b'read me'}


def _kdef():
    names = [f'A{who}{code}{angle}' for who in ('F01', 'M02') for code in KDEF_CODES for angle in ('S', 'FL', 'HR')]
    files = {f'KDEF_and_AKDEF/KDEF/{name[:4]}/{name}.JPG': picture(i) for i, name in enumerate(names)}
    return {**files, 'KDEF_and_AKDEF/AKDEF/AFAFS.JPG': picture(9), 'KDEF_and_AKDEF/KDEF/Thumbs.db': b'x'}


KDEF_CODES = ('AF', 'AN', 'DI', 'HA', 'NE', 'SA', 'SU')


def _ckplus():
    files = {}
    for label in range(1, 8):
        folder = f'S{label:03d}/001'
        for frame in range(1, 7):
            files[f'cohn-kanade-images/{folder}/S{label:03d}_001_{frame:08d}.png'] = picture(frame, '.png')
        files[f'Emotion/{folder}/S{label:03d}_001_00000006_emotion.txt'] = f'   {label}.0000000e+00\n'.encode()
    return {**files, 'FACS/S001/001/S001_001_00000006_facs.txt': b'1.0 2.0'}


def _jaffe():
    codes = ('AN', 'DI', 'FE', 'HA', 'NE', 'SA', 'SU')
    return {f'jaffedbase/KA.{code}1.{i}.tiff': picture(i, '.tiff') for i, code in enumerate(codes)}


RAW = {
    'raf_db': lambda: _raf(7, 'basic'),
    'raf_compound': lambda: _raf(11, 'compound'),
    'affectnet-2017': _affect_net_2017,
    'affectnet-2021': _affect_net_2021,
    'fer2013-csv': lambda: {'fer2013/fer2013.csv': fer2013_csv(), 'fer2013/README': b'hello'},
    'fer2013-icml': lambda: {'icml_face_data.csv': fer2013_csv('emotion, Usage, pixels'), 'train.csv': b'x'},
    'fer2013-folders': lambda: _folders(('train', 'test'), '.jpg', top='fer2013/'),
    'ferplus-csv': lambda: {'fer2013.csv': fer2013_csv(rows=9), 'FERPlus/fer2013new.csv': fer_plus_csv()},
    'ferplus-icml': lambda: {
        'icml_face_data.csv': fer2013_csv('emotion, Usage, pixels', rows=9),
        'fer2013new.csv': fer_plus_csv(),
    },
    'ferplus-png': lambda: {
        'fer2013new.csv': fer_plus_csv(),
        **{
            f'data/{folder}/fer{i:07d}.png': picture(i, '.png')
            for k, folder in enumerate(('FER2013Train', 'FER2013Valid', 'FER2013Test'))
            for i in range(9 * k, 9 * k + 8)
        },
        'data/FER2013Train/label.csv': b'fer0.png',
    },
    'sfew-aligned': lambda: {
        **_folders(('Train_Aligned_Faces', 'Val_Aligned_Faces'), '.png'),
        **_folders(('Train', 'Val'), '.png'),
    },
    'sfew-frames': lambda: _folders(('Train', 'Val'), '.png', top='SFEW_2/'),
    'caers': lambda: _folders(('train', 'test'), '.png', ('Anger', *EMOTIONS[1:]), top='CAER-S/'),
    'expw': _expw,
    'kdef': _kdef,
    'ckplus': _ckplus,
    'jaffe': _jaffe,
}
"""Name of a data set and its form -> function that gives path -> content."""


def write_tree(files, root):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return root


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def tarred(files, mode='w:gz'):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def snapshot(root):
    """Everything about a tree that must not change: paths, links, contents, sizes and times."""
    state = {}
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = Path(folder, name)
            about = path.lstat()
            content = hashlib.sha1(path.read_bytes()).hexdigest() if path.is_file() else ''
            link = os.readlink(path) if path.is_symlink() else ''
            time = about.st_mtime_ns if path.is_file() and not link else 0
            state[path.relative_to(root).as_posix()] = (link, content, about.st_mode, time)
    return state


def contents(root):
    """Paths and contents of a prepared tree, links followed."""
    found = {}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.')]
        for name in names:
            if not name.startswith('.'):
                path = Path(folder, name)
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found
