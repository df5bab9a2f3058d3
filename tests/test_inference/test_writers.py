import csv
import json
import os

import numpy as np
import pytest
from face_results import CLASSES, make_face
from processes import ROOT, python

from mmfer.inference.writers import check_output, open_writer
from mmfer.structures.results import ImageResult

RESULTS = [
    ImageResult(
        'ein bild, "ü".jpg',
        40,
        30,
        (make_face(std=np.ones(3), label_set=CLASSES[1::-1]), make_face(abstain=True, track=3)),
    ),
    ImageResult('leer.jpg', 10, 10),
    ImageResult('kaputt.jpg', error='damaged,\nor no image'),
]


def write(path):
    with open_writer(path, CLASSES) as writer:
        for result in RESULTS:
            writer.write(result)


def test_json_lines(tmp_path):
    write(tmp_path / 'a.jsonl')
    lines = (tmp_path / 'a.jsonl').read_text(encoding='utf-8').splitlines()
    assert [json.loads(line) for line in lines] == [result.to_dict() for result in RESULTS]


def test_csv(tmp_path):
    write(tmp_path / 'a.csv')
    with open(tmp_path / 'a.csv', encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['source'] for row in rows] == [RESULTS[0].source] * 2 + ['leer.jpg', 'kaputt.jpg']
    first, second, empty, broken = rows
    assert [float(first[f'scores_{name}']) for name in CLASSES] == [0.2, 0.7, 0.1]
    assert (first['x1'], first['y2'], first['face'], first['std_neutral']) == ('1.0', '40.0', '0', '1.0')
    assert (first['label_set'], second['label_set']) == ('happiness|neutral', '')
    assert (second['abstain'], second['track'], second['std_neutral']) == ('True', '3', '')
    assert (empty['width'], empty['face'], empty['label']) == ('10', '', '')
    assert broken['error'] == 'damaged,\nor no image'


def test_what_was_there_stays_if_something_goes_wrong(tmp_path):
    path = tmp_path / 'a.jsonl'
    path.write_text('old')

    def stopped():
        with open_writer(path, CLASSES) as writer:
            writer.write(RESULTS[1])
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert path.read_text() == 'old'
    write(path)
    assert len(path.read_text().splitlines()) == 3
    assert list(tmp_path.iterdir()) == [path]


FULL = """
import resource, sys
from face_results import CLASSES, make_face
from processes import ROOT, python
from mmfer.inference.writers import open_writer
from mmfer.structures.results import ImageResult
limit = 5_000 if sys.argv[1].endswith('parquet') else 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    with open_writer(sys.argv[1], CLASSES) as writer:
        for i in range(2000):
            writer.write(ImageResult(f'{i}.jpg', 9, 9, (make_face(),)))
except OSError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == 'nt', reason='limits the size of files')
@pytest.mark.parametrize('ending', ['jsonl', 'csv', 'parquet'])
def test_of_a_full_disk_whole_lines_are_kept(ending, tmp_path):
    path = tmp_path / f'a.{ending}'
    told = python('-c', FULL, path, cwd=ROOT / 'tests')
    if ending == 'parquet':
        assert 'File too large' in told.stdout + told.stderr
        assert list(tmp_path.iterdir()) == []
        return
    assert 'File too large. It holds the results until then' in told.stdout
    lines = path.read_bytes().splitlines(keepends=True)
    assert 90_000 < sum(map(len, lines)) <= 100_000
    if ending == 'jsonl':
        assert json.loads(lines[-1])['source'] == f'{len(lines) - 1}.jpg'
    else:
        assert lines[-1].startswith(f'{len(lines) - 2}.jpg,'.encode())
    assert lines[-1].endswith(b'\n')


def test_names_of_files_that_are_no_text(tmp_path):
    result = ImageResult('a\udcff.jpg', error='a\udcff.jpg: damaged')
    for name in ('a.jsonl', 'a.csv'):
        with open_writer(tmp_path / name, CLASSES) as writer:
            writer.write(result)
    assert json.loads((tmp_path / 'a.jsonl').read_text(encoding='utf-8')) == result.to_dict()
    assert 'a\\udcff.jpg' in (tmp_path / 'a.csv').read_text(encoding='utf-8')


def test_names_that_are_not_taken(tmp_path):
    with pytest.raises(ValueError, match='ends in .jsonl, .csv or .parquet'):
        check_output(tmp_path / 'a.json')
    with pytest.raises(FileNotFoundError, match='there is no folder'):
        check_output(tmp_path / 'nothing/a.csv')
