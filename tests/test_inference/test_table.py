import numpy as np
import pytest
from face_results import CLASSES, make_face
from film_results import film_results, write_results

import mmfer
from mmfer.inference.writers import SCHEMA, SCHEMA_KEY
from mmfer.structures.results import ImageResult, columns

pandas = pytest.importorskip('pandas')
arrow = pytest.importorskip('pyarrow')
RESULTS = [
    *film_results(['nh.S']),
    ImageResult('=cmd|x.jpg', 40, 30, (make_face(std=np.ones(3)), make_face(abstain=True))),
    ImageResult("'quoted'.jpg", 40, 30, (make_face(),)),
    ImageResult('NA', 10, 10),
    ImageResult('Icon\r\udcff', 10, 10),
    ImageResult('@kaputt.jpg', error='@kaputt.jpg: damaged,\nor no image'),
]


@pytest.fixture
def files(tmp_path):
    """The same results in each format, and as two shards."""
    paths = [write_results(tmp_path / f'r.{ending}', RESULTS) for ending in ('csv', 'jsonl', 'parquet')]
    (tmp_path / 'r.parquet').rename(tmp_path / 'one.parquet')
    shards = tmp_path / 'r.parquet'
    (shards / '_plan').mkdir(parents=True)
    for number, part in enumerate((RESULTS[:3], RESULTS[3:])):
        write_results(shards / f'part-{number}.parquet', part)
    return [tmp_path / 'one.parquet', *paths]


def test_all_formats_give_the_same_table(files):
    first, *others = [mmfer.read_results(path) for path in files]
    assert list(first.columns) == columns(CLASSES)
    assert list(first.source.unique()) == ['a.mp4', '=cmd|x.jpg', "'quoted'.jpg", 'NA', 'Icon\\r\\udcff', '@kaputt.jpg']
    assert first.face.tolist()[:2] == [0, 0]
    assert first.frame.dtype == 'Int64'
    assert first.scores_happiness[1] == pytest.approx(0.8)
    assert first.abstain.sum() == 2
    assert first.error.iloc[-1] == RESULTS[-1].error
    for other in others:
        pandas.testing.assert_frame_equal(other, first, rtol=1e-14)


def test_some_columns_alone(files):
    for path in files:
        table = mmfer.read_results(path, ['label', 'frame'])
        assert list(table.columns) == ['label', 'frame']
        assert len(table) == 10
        with pytest.raises(ValueError, match='has no column smile'):
            mmfer.read_results(path, ['smile'])


def test_joined_lines_of_models_with_other_classes(files):
    lines = files[2].read_text()
    files[2].write_text(lines + lines.replace('"sadness"', '"contempt"'))
    table = mmfer.read_results(files[2])
    assert [name for name in table.columns if name.startswith('scores_')] == [
        f'scores_{name}' for name in (*CLASSES, 'contempt')
    ]
    half = len(table) // 2
    assert table.scores_contempt[:half].isna().all()
    assert table.scores_contempt[half:].tolist() == pytest.approx(table.scores_sadness[:half].tolist(), nan_ok=True)
    assert table.scores_sadness[half:].isna().all()


def test_cells_are_no_formulas(files):
    lines = files[1].read_text().splitlines()
    assert [line[:12] for line in lines[5:8:2]] == ["'=cmd|x.jpg,", "''quoted'.jp"]
    assert not [line for line in lines[1:] if line.startswith(('=', '@', '+', '-'))]
    assert ",'@kaputt.jpg: damaged" not in lines[-1]
    assert '"\'@kaputt.jpg: damaged,' in files[1].read_text()


def test_files_say_the_version_of_their_columns(files, tmp_path):
    table = arrow.parquet.read_table(files[0])
    assert table.schema.metadata[SCHEMA_KEY] == str(SCHEMA).encode()
    later = tmp_path / 'later.parquet'
    arrow.parquet.write_table(table.replace_schema_metadata({SCHEMA_KEY: b'99'}), later)
    with pytest.raises(ValueError, match='has columns of version 99, this mmfer knows 1: update it'):
        mmfer.read_results(later)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('a.txt', b'', 'holds no results by its name'),
        ('a.csv', b'', 'a.csv is damaged, or no table'),
        ('b.csv', b'image,true\na,b\n', 'it has no column source'),
        ('c.csv', b'source,frame\na.jpg,one\n', 'c.csv is damaged, or no table'),
        ('a.jsonl', b'{"source": "a.jpg"}\n{"sour', 'line 2 is no result of mmfer, or cut off'),
        ('b.jsonl', b'[1]\n', 'line 1 is no result of mmfer, or cut off'),
        ('a.parquet', b'PAR1', 'a.parquet is damaged, or no Parquet file'),
        ('empty', None, 'empty holds no .parquet files'),
    ],
)
def test_what_is_no_table(name, content, message, tmp_path):
    path = tmp_path / name
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        mmfer.read_results(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file of results'):
        mmfer.read_results(tmp_path / 'a.csv')
