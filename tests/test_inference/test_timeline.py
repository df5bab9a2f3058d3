import json
import re
import sys

import cv2
import numpy as np
import pytest
from face_results import CLASSES, write_video
from film_results import film_results, write_results
from processes import python

from mmfer.cli import main
from mmfer.inference.timeline import plot_timelines
from mmfer.visualization import timeline
from mmfer.visualization.contact_sheet import class_colors

pytest.importorskip('pandas')
pytest.importorskip('pyarrow')


@pytest.fixture
def results(tmp_path):
    """Two videos; of the first there is a file, whose frames get brighter."""
    video = write_video(tmp_path / 'a.mp4', [(8 * i,) * 3 for i in range(30)], size=(64, 48), code='mp4v')
    films = film_results(['H' * 10 + 'h' * 8 + 's' * 12, '.' * 20 + 'N' * 10], str(video))
    return write_results(tmp_path / 'r.parquet', [*films, *film_results(['hhh'], 'b.mp4')])


def strip_of(letters, rate=10.0):
    frames = [(i, letter) for i, letter in enumerate(letters) if letter != '.']
    sure = np.array([0.9 if letter.islower() else 0.4 for _, letter in frames])
    scores = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
    scores[np.arange(len(frames)), ['nhs'.index(letter.lower()) for _, letter in frames]] = sure
    doubt = -(scores * np.log(scores)).sum(1)
    start = np.array([i / rate for i, _ in frames])
    abstains = np.array([letter.isupper() for _, letter in frames])
    return timeline.Strip('x', start, np.full(len(frames), 1 / rate), scores, doubt, abstains)


def test_a_strip_shows_probability_doubt_abstention_and_absence():
    binned = timeline._binned(strip_of('nnhhSS..nn'), 0.0, 1.0)
    parts = np.arange(timeline.BINS) // (timeline.BINS // 10)  # a tenth of a second each
    assert np.isnan(binned.doubt).tolist() == np.isin(parts, (6, 7)).tolist()
    assert binned.abstains.tolist() == np.isin(parts, (4, 5)).tolist()
    np.testing.assert_allclose(binned.scores[parts == 2], [[0.05, 0.9, 0.05]] * 120)
    colors = np.array(class_colors(CLASSES), float)[:, ::-1] / 255
    image = timeline._picture(binned, colors)
    column = image[:, 300]  # within the third tenth: 90 of 100 rows are those of happiness
    assert (np.abs(column - column[50]).max(1) < 1e-9).sum() == 90
    paler = 1 - (1 - column[50]) / (1 - colors[1])
    np.testing.assert_allclose(paler, timeline.FADING * binned.doubt[300], atol=1e-9)
    assert (image[:, 800] == 0.93).all()


def test_many_frames_of_a_part_are_averaged():
    strip = strip_of('nh' * 6000, rate=1000.0)
    binned = timeline._binned(strip, 0.0, 12.0)
    np.testing.assert_allclose(binned.scores[:, :2], 0.475, atol=0.09)
    assert not np.isnan(binned.doubt).any()


def test_a_picture_a_video(results, tmp_path, capsys):
    assert main(['plot', 'timeline', str(results), '--out', str(tmp_path / 'pictures')]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [str(tmp_path / f'pictures/{name}.png') for name in 'ab']
    assert all(cv2.imread(path).std() > 10 for path in told)


def test_thumbnails_are_the_faces_of_their_times(results, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(timeline, 'draw_timeline', lambda strips, *more: drawn.extend(strips) or sys.exit(0))
    with pytest.raises(SystemExit):
        plot_timelines(results, tmp_path / 'a.png', source='a.mp4', thumbnails=3)
    assert [strip.name for strip in drawn] == ['person 0: 3.0 s, mostly sadness', 'person 1: 1.0 s, no answer']
    for strip, least in zip(drawn, (0, 2.0)):
        assert len(strip.faces) == 3
        assert min(seconds for seconds, _ in strip.faces) >= least
        for seconds, face in strip.faces:
            assert face.mean() == pytest.approx(80 * seconds, abs=4)


def test_faces_are_drawn_above_the_strips(results, tmp_path):
    plain, faces = tmp_path / 'plain.png', tmp_path / 'faces.png'
    plot_timelines(results, plain, source='a.mp4', people=1)
    plot_timelines(results, faces, source='a.mp4', people=1, thumbnails=2)
    assert cv2.imread(str(faces)).shape[0] > cv2.imread(str(plain)).shape[0] + 50


def test_a_page_holds_the_numbers_and_passes_none_on(results, tmp_path):
    pytest.importorskip('plotly')
    (path,) = plot_timelines(results, tmp_path / 'a.html', source='a.mp4')
    text = path.read_text(encoding='utf-8')
    assert not re.search(r'<(?:script|link|img|iframe)[^>]+(?:src|href)=', text)
    assert '"showSendToCloud": false' in text
    traces = json.JSONDecoder().raw_decode(text[re.search(r'Plotly\.newPlot\(\s*"[^"]+",\s*', text).end() :])[0]
    assert [trace['name'] for trace in traces if trace.get('showlegend')] == [*CLASSES, 'abstains']
    assert len(traces) == 2 * (len(CLASSES) + 2)


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--out', 'a.png'], 'holds 2 videos. Name one with --source'),
        (['--out', 'a.png', '--source', 'c.mp4'], 'holds no faces of a video c.mp4'),
        (['--out', 'a.png', '--source', 'b.mp4', '--thumbnails', '2'], 'b.mp4 is not there to cut faces out of'),
        (['--out', 'a.html', '--source', 'b.mp4', '--thumbnails', '2'], '--thumbnails are drawn into pictures'),
        (['--out', 'a.png', '--people', '0'], 'people=0, thumbnails=0: at least 1 and 0'),
    ],
)
def test_what_cannot_be_drawn(words, message, results, tmp_path, capsys):
    words[1] = str(tmp_path / words[1])
    assert main(['plot', 'timeline', str(results), *words]) == 1
    assert message in capsys.readouterr().err


def test_neither_tables_nor_pictures_need_the_training(results, tmp_path):
    code = """
import sys
from mmfer.cli import main
assert main(['summarise', 'r.parquet', '--out', 'sums']) == 0
assert main(['plot', 'timeline', 'r.parquet', '--out', 'pictures']) == 0
print({'torch', 'mmengine', 'scipy'} & {*sys.modules})
"""
    result = python('-c', code, cwd=tmp_path)
    assert result.stdout.endswith('set()\n'), result.stderr[-2000:]
