import csv
import os
import shutil
from functools import partial

import cv2
import numpy as np
import pytest
from processes import ROOT

from mmfer.datasets.prepare import align_faces as module
from mmfer.datasets.prepare.align_faces import REPORT, align_faces
from mmfer.datasets.synth_fer import SynthFER
from mmfer.datasets.transforms import AlignFace
from mmfer.faces.alignment import align_by_box, align_face, arcface_template
from mmfer.structures.results import Face
from mmfer.utils.images import read_image

SHARED = ROOT.parent / 'shared'


class Finder:
    """Stands for YuNet: bright pictures show a face at their centre, very bright ones a second, smaller one."""

    def __init__(self, model):
        self.model = model

    def __call__(self, img):
        if img.mean() < 60:
            return []
        height, width = img.shape[:2]
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        face = Face((left, top, left + side, top + side), 0.9, arcface_template(side) + [left, top])
        return [face, Face((0, 0, 4, 4), 0.9, arcface_template(4))] if img.mean() > 200 else [face]


@pytest.fixture(autouse=True)
def finder(monkeypatch, tmp_path):
    """Counts the pictures that are searched."""
    model = tmp_path / 'model.onnx'
    model.write_text('a model')
    calls = []

    class Counting(Finder):
        def __init__(self, given=None):
            super().__init__(model if given is None else given)

        def __call__(self, img):
            calls.append(img.shape)
            return super().__call__(img)

    monkeypatch.setattr(module, 'YuNet', Counting)
    return calls


def picture(height=40, width=60, low=90, seed=0):
    return np.random.RandomState(seed).randint(low, low + 60, (height, width, 3), dtype=np.uint8)


def save(path, img):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), img)
    os.utime(path, (10**9, 10**9))


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / 'raw'
    save(folder / 'happy' / 'a.png', picture(seed=1))
    save(folder / 'happy' / 'deep er' / 'b.jpg', picture(seed=2))
    save(folder / 'sad' / 'c.bmp', picture(50, 40, seed=3))
    return folder


@pytest.fixture
def run(tmp_path, raw):
    said = []
    call = partial(align_faces, str(raw), str(tmp_path / 'out'), size=32, say=said.append)
    call.said = said
    return call


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file())


FILES = ['happy/a.png', 'happy/deep er/b.jpg', 'sad/c.bmp']


# ---- what is written -------------------------------------------------------------------------------------------------
def test_same_names_and_the_faces_of_the_transform(tmp_path, raw, run):
    before = {path: path.read_bytes() for path in raw.rglob('*') if path.is_file()}
    assert run(margin=0.2) == []
    assert files(tmp_path / 'out') == FILES
    for name in ('happy/a.png', 'sad/c.bmp'):
        img = read_image(str(raw / name))
        sample = dict(img=img, face_landmarks=Finder(None)(img)[0].landmarks)
        wanted = AlignFace(size=32, margin=0.2)(sample)['img']
        np.testing.assert_array_equal(read_image(str(tmp_path / 'out' / name)), wanted)
    assert {path: path.read_bytes() for path in raw.rglob('*') if path.is_file()} == before
    assert any("face_crop = dict(type='AlignFace', size=32, margin=0.2)" in line for line in run.said)


def test_by_the_box(tmp_path, raw, run):
    run(crop='box', pad='zero')
    img = read_image(str(raw / 'sad' / 'c.bmp'))
    wanted = align_by_box(img, Finder(None)(img)[0].box, 32, 0.1, 'zero')
    np.testing.assert_array_equal(read_image(str(tmp_path / 'out' / 'sad' / 'c.bmp')), wanted)
    assert any("face_crop = dict(type='CropFace', margin=0.1, pad='zero')" in line for line in run.said)


@pytest.mark.parametrize('ending', ['.jpg', '.JPEG', '.png', '.PNG', '.bmp', '.tif', '.tiff', '.webp', '.pgm', '.ppm'])
def test_formats(tmp_path, ending):
    img = cv2.GaussianBlur(picture(40, 40), (0, 0), 5)
    save(tmp_path / 'in' / f'a{ending}', cv2.cvtColor(img, cv2.COLOR_BGR2GRAY) if ending == '.pgm' else img)
    align_faces(str(tmp_path / 'in'), str(tmp_path / 'out'), size=40, say=lambda text: None)
    img = read_image(str(tmp_path / 'in' / f'a{ending}'))
    wanted = align_face(img, arcface_template(40), 40)
    found = read_image(str(tmp_path / 'out' / f'a{ending}')).astype(int)
    assert np.abs(found - wanted).max() <= (8 if ending.lower() in ('.jpg', '.jpeg') else 0)


def test_the_largest_of_several_faces(tmp_path, run, raw):
    save(raw / 'sad' / 'bright.png', picture(low=190))
    run()
    assert any('4 faces written, 1 of several in the image' in line for line in run.said)


# ---- images without a face -------------------------------------------------------------------------------------------
@pytest.fixture
def bad(raw):
    """Adds a dark image, three that cannot be read and a file that is no image."""
    save(raw / 'sad' / 'dark.png', picture(low=0))
    (raw / 'sad' / 'empty.jpg').write_bytes(b'')
    (raw / 'happy' / 'cut.png').write_bytes((raw / 'happy' / 'a.png').read_bytes()[:300])
    os.symlink(raw / 'nowhere.png', raw / 'happy' / 'gone.png')
    (raw / 'labels.txt').write_text('no image')
    return raw


def report(folder):
    with open(folder / REPORT, newline='', encoding='utf-8') as file:
        return dict(list(csv.reader(file))[1:])


def test_all_are_reported_at_once(tmp_path, bad, run):
    with pytest.raises(ValueError, match=r'^4 images without a face, .*missing_faces\.csv: ') as error:
        run()
    for text in ('sad/dark.png (no face found)', 'happy/cut.png (unreadable: ', 'sad/empty.jpg (', '--missing keep'):
        assert text in str(error.value)
    assert 'happy/gone.png (unreadable: No such file' in str(error.value)
    assert files(tmp_path / 'out') == sorted([*FILES, REPORT])
    assert set(report(tmp_path / 'out')) == {'sad/dark.png', 'happy/cut.png', 'sad/empty.jpg', 'happy/gone.png'}
    assert any('1 other files are not copied: labels.txt' in line for line in run.said)


def test_left_out(tmp_path, bad, run):
    missing = run(missing='skip')
    assert len(missing) == 4
    assert files(tmp_path / 'out') == sorted([*FILES, REPORT])
    assert any(line.startswith('  4 images without a face') for line in run.said)


def test_kept_whole(tmp_path, bad, run):
    assert dict(run(missing='keep'))['sad/dark.png'] == 'no face found: kept whole'
    img = read_image(str(bad / 'sad' / 'dark.png'))
    kept = read_image(str(tmp_path / 'out' / 'sad' / 'dark.png'))
    np.testing.assert_array_equal(kept, align_by_box(img, (0, 0, 60, 40), 32))
    assert files(tmp_path / 'out') == sorted([*FILES, REPORT, 'sad/dark.png'])


def test_landmarks_that_are_no_face(tmp_path, raw, run, monkeypatch):
    monkeypatch.setattr(Finder, '__call__', lambda self, img: [Face((0, 0, 9, 9), 0.9, np.ones((5, 2)))])
    with pytest.raises(ValueError, match='3 images .*points coincide'):
        run()


def test_an_interrupted_run_leaves_nothing_and_the_next_begins_anew(tmp_path, run, finder, monkeypatch):
    def stop(img, ending):
        if len(finder) == 2:
            raise KeyboardInterrupt
        return encode(img, ending)

    encode = module._encode
    monkeypatch.setattr(module, '_encode', stop)
    with pytest.raises(KeyboardInterrupt):
        run(workers=1)
    assert not [path for path in tmp_path.iterdir() if 'out' in path.name]
    monkeypatch.setattr(module, '_encode', encode)
    run()
    assert files(tmp_path / 'out') == FILES
    with pytest.raises(ValueError, match=r'OUT_DIR .*out has files'):
        run()


# ---- mistakes --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(detector='mtcnn'), "detector='mtcnn' must be one of yunet, haar"),
        (dict(crop='face'), "crop='face' must be one of align, box"),
        (dict(missing='drop'), "missing='drop' must be one of error, skip, keep"),
        (dict(detector='haar'), 'finds no landmarks'),
        (dict(detector='haar', crop='box', model='a.onnx'), 'needs no model'),
        (dict(workers=0), 'workers=0'),
    ],
)
def test_wrong_options(tmp_path, run, options, message):
    with pytest.raises(ValueError, match=message):
        run(**options)
    assert not (tmp_path / 'out').exists()


def test_wrong_folders(tmp_path, raw):
    quiet = dict(say=lambda text: None)
    with pytest.raises(FileNotFoundError, match='RAW_DIR is no folder'):
        align_faces(str(tmp_path / 'nowhere'), str(tmp_path / 'out'), **quiet)
    (tmp_path / 'none').mkdir()
    with pytest.raises(ValueError, match='no images in RAW_DIR'):
        align_faces(str(tmp_path / 'none'), str(tmp_path / 'out'), **quiet)


# ---- real detectors --------------------------------------------------------------------------------------------------
def test_haar_on_drawn_faces(tmp_path):
    save(tmp_path / 'in' / 'a.png', SynthFER(split='test', num_samples=1, size=224).get_data_info(0)['img'])
    assert align_faces(str(tmp_path / 'in'), str(tmp_path / 'out'), 'haar', crop='box', size=64, say=print) == []
    assert read_image(str(tmp_path / 'out' / 'a.png')).shape == (64, 64, 3)


def test_yunet_on_photos(tmp_path, monkeypatch):
    model = SHARED / 'weights' / 'face_detection_yunet_2023mar.onnx'
    if not model.is_file():
        pytest.skip(f'needs ../shared/weights/{model.name}')
    monkeypatch.undo()
    (tmp_path / 'in').mkdir()
    for name in ('single_face.jpg', 'multi_face.jpg', 'astronaut.png'):
        shutil.copy(SHARED / 'photos' / name, tmp_path / 'in')
    said = []
    assert align_faces(str(tmp_path / 'in'), str(tmp_path / 'out'), model=model, say=said.append) == []
    assert '  3 faces written, 1 of several in the image' in said
    with pytest.raises(ValueError, match='has files'):
        align_faces(str(tmp_path / 'in'), str(tmp_path / 'out'), str(model), say=said.append)
    img = read_image(str(SHARED / 'photos' / 'astronaut.png'))
    face = read_image(str(tmp_path / 'out' / 'astronaut.png'))
    np.testing.assert_array_equal(face, align_face(img, module.YuNet(model)(img)[0].landmarks, 224))


# ---- links -----------------------------------------------------------------------------------------------------------
def test_linked_folders_are_aligned_and_image_files_left_out_counted(tmp_path, raw, run):
    save(tmp_path / 'far' / 'd.png', picture(seed=4))
    (raw / 'happy' / 'more').symlink_to(tmp_path / 'far')
    (raw / 'happy' / 'round').symlink_to(raw)
    (raw / 'e.jxl').touch()
    run()
    assert files(tmp_path / 'out') == sorted([*FILES, 'happy/more/d.png'])
    assert any(f'1 image files under {raw} were left out: 1 with endings that' in line for line in run.said)
