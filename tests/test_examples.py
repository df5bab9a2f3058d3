"""The programs in examples/, each run from its first line to its last."""

import csv
import runpy
import sys
from pathlib import Path

import book
import cv2
import pytest
from demo_model import write_face
from face_results import write_video
from processes import ROOT
from small_runs import shallow_config

EXAMPLES = ROOT / 'examples'


@pytest.fixture
def example(tmp_path, monkeypatch, capsys):
    """Runs a program in an empty folder, as a script: ``(name, *arguments) -> what it printed``."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(EXAMPLES / name), run_name='__main__')
        return capsys.readouterr().out

    return run


@pytest.fixture(autouse=True)
def _whole_images(monkeypatch):
    """Each image is one face: what detectors find in drawn ones is not the point."""
    monkeypatch.setattr('mmfer.inference.inferencer.build_detector', lambda detector: whole_image)


def whole_image(image):
    from mmfer.structures.results import Face

    return [Face((0.0, 0.0, float(image.shape[1]), float(image.shape[0])), 0.9)]


def rows(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_every_example_is_tested_and_short():
    programs = {path.name for path in EXAMPLES.glob('*.py')}
    tested = (ROOT / 'tests/test_examples.py').read_text()
    assert {name for name in programs if f"example('{name}'" not in tested} == set()
    assert {name for name in programs if f'[{name}]({name})' not in (EXAMPLES / 'README.md').read_text()} == set()
    assert all(len((EXAMPLES / name).read_text().splitlines()) < 40 for name in programs)


def test_photo(example, tmp_path):
    told = example('photo.py', write_face(tmp_path / 'me.jpg'))
    assert '1 faces; see me_faces.png' in told
    assert cv2.imread('me_faces.png').shape == cv2.imread('me.jpg').shape
    assert cv2.imread('me_cards.png') is not None
    (tmp_path / 'none.jpg').write_text('no image')
    with pytest.raises(SystemExit, match='none.jpg'):
        example('photo.py', 'none.jpg')


def test_webcam(example, tmp_path, monkeypatch):
    """A video stands in for the camera, and the viewer types q in the third frame."""
    write_video(tmp_path / 'v.avi', [cv2.imread(str(write_face(tmp_path / 'f.png')))] * 5, size=(260, 200))
    shown, keys = [], iter([-1, -1, ord('q')])
    monkeypatch.setattr(cv2, 'imshow', lambda title, image: shown.append(image.shape))
    monkeypatch.setattr(cv2, 'waitKey', lambda delay: next(keys))
    monkeypatch.setattr(cv2, 'destroyAllWindows', lambda: None)
    example('webcam.py', 'v.avi')
    assert shown == [(200, 260, 3)] * 3


def test_folder_to_table(example, tmp_path):
    (tmp_path / 'photos/more').mkdir(parents=True)
    for number, name in enumerate(('a.jpg', 'more/b.png')):
        write_face(tmp_path / 'photos' / name, number)
    (tmp_path / 'photos/c.jpg').write_text('no image')
    told = example('folder_to_table.py', 'photos', 'table.csv')
    assert '2 faces in table.csv; files that could not be read: 1' in told
    assert [bool(row['label']) for row in rows('table.csv')] == [True, False, True]


def test_study_videos(example, tmp_path):
    """A person is seen for as long as the video lasts."""
    face = cv2.imread(str(write_face(tmp_path / 'f.png')))
    (tmp_path / 'videos').mkdir()
    write_video(tmp_path / 'videos/a.avi', [face] * 11, size=(260, 200))
    write_video(tmp_path / 'videos/b.avi', [face] * 6, size=(260, 200))
    told = example('study_videos.py', 'videos', 'results')
    assert 'a.avi, person ' in told
    assert ': 1.1 s seen' in told
    people = rows('results/people.csv')
    assert [Path(row['source']).name for row in people] == ['a.avi', 'b.avi']
    assert [float(row['seconds']) for row in people] == pytest.approx([1.1, 0.6])
    assert (tmp_path / 'results/frames.parquet').is_file()


def test_fine_tune(example, tmp_path):
    """Names of folders become classes; the weights of the shipped model are found."""
    book.write_photos(tmp_path / 'faces', ('happy', 'sad'), num=20)
    told = example('fine_tune.py', 'faces', 1)
    assert 'on the photos left out' in told
    assert (tmp_path / 'work_dirs/fine_tuned/epoch_1.pth').is_file()


def test_own_head(example, tmp_path):
    shallow_config(tmp_path / 'w').dump(str(tmp_path / 'small.py'))
    assert 'accuracy' in example('own_head.py', 'small.py', 1)
    assert (tmp_path / 'work_dirs/own_head/epoch_1.pth').is_file()
