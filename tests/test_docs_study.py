"""docs/study.md: from a folder of videos to figures, word by word."""

import re

import book
import cv2
import pytest
from face_results import two_faces, write_video
from processes import ROOT

from mmfer.structures.results import columns

pytest.importorskip('pandas')
pytest.importorskip('pyarrow')
PAGE = (ROOT / 'docs/study.md').read_text()


def test_the_columns_are_all_there():
    table = PAGE.split('## The columns')[1].split('\n## ')[0]
    told = {
        name for row in re.findall(r'^\| (`.*?) \|', table, flags=re.MULTILINE) for name in re.findall('`(.*?)`', row)
    }
    assert told == set(columns(['<class>']))


@pytest.mark.slow
def test_from_a_folder_to_figures(tmp_path, monkeypatch, call_tool):
    """The faces of the videos are where the detector of the test says."""
    (tmp_path / 'videos/pilot').mkdir(parents=True)
    for name in ('p07_baseline', 'pilot/p01'):
        write_video(tmp_path / f'videos/{name}.mp4', [(60, 90, 8 * i) for i in range(20)], size=(64, 48), code='mp4v')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmfer.inference.inferencer.build_detector', lambda detector: two_faces)
    names, told = book.run_page('study.md', tmp_path, call_tool)
    assert 'files: 2 done' in told
    assert len(names['table']) == 80
    assert len(names['smiles']) == len(names['people']) == 4
    assert len((tmp_path / 'summary/people.csv').read_text().splitlines()) == 5
    pictures = [tmp_path / name for name in ('pictures/p07_baseline.png', 'pictures/p01.png', 'baseline.png')]
    assert all(cv2.imread(str(path)).std() > 10 for path in pictures)
    assert (tmp_path / 'drawn.mp4').is_file()
