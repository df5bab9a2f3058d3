import numpy as np
import pytest
from processes import load_tool

from mmfer.datasets.synth.film import FilmedFace
from mmfer.structures.results import ImageResult

VIDEO = load_tool('benchmarks/video.py')
MOOD = np.eye(7)[1]


def face(person, x, visible=1.0, size=50):
    return FilmedFace(person, (x, 0, x + size, size), visible, MOOD)


def result(*found):
    from face_results import make_face

    return ImageResult('v', faces=tuple(make_face(box=(x, 0, x + 50, 50), track=track) for x, track in found))


def test_recall_false_faces_and_identities():
    """Of two people, one loses the number in the third frame; a hidden face is neither wanted nor wrong."""
    truth = [[face(0, 0), face(1, 100)]] * 4 + [[face(0, 0), face(1, 100, visible=0.2)]]
    found = [result((0, 5), (102, 6)), result((0, 5)), result((0, 5), (100, 8)), result((0, 5), (100, 8), (300, 9))]
    judged = VIDEO.judge(truth, [*found, result((0, 5), (100, 8))])
    assert judged['found'] == 8 / 9
    assert judged['recall']['40-80'] == (8 / 9, 9)
    assert judged['false'] == 1 / 10
    assert judged['idf1'] == pytest.approx(2 * 7 / (9 + 9))
    assert judged['people'] == 3
    assert len(judged['answers']) == 8


def test_identities_agree_with_motmetrics():
    motmetrics = pytest.importorskip('motmetrics')
    rng, counted = np.random.default_rng(0), motmetrics.MOTAccumulator(auto_id=True)
    pairs, wanted, found = [], 0, 0
    for _ in range(40):
        people = [p for p in range(4) if rng.random() < 0.8]
        seen = {p: p + 10 * (rng.random() < 0.3) for p in people if rng.random() < 0.8}
        distances = [[0.0 if seen.get(p) == n else np.nan for n in seen.values()] for p in people]
        counted.update(people, list(seen.values()), distances)
        pairs, wanted, found = [*pairs, *seen.items()], wanted + len(people), found + len(seen)
    summary = motmetrics.metrics.create().compute(counted, metrics=['idf1'])
    assert VIDEO.idf1(pairs, wanted, found) == pytest.approx(summary['idf1'].iloc[0])


def test_scores_of_other_classes():
    found = VIDEO.to_classes(np.array([0.5, 0.25, 0.25]), ['contempt', 'anger', 'neutral'])
    assert found.tolist() == [0.5, *[0] * 5, 0.5]


def test_memory_and_speed_of_each_part_of_a_long_video(monkeypatch, tmp_path):
    class Inferencer:
        def __init__(self, speed, threads):
            pass

        def stream(self, path):
            frames = sum(1 for _ in VIDEO._frames(path))
            yield from (ImageResult('v', frame=i, time=i / 30) for i in range(frames))

    def write_film(path, seed, seconds, people):
        writer = VIDEO.VideoWriter(path, 30)
        for i in range(3):
            writer.write(np.full((32, 48, 3), 60 * i, np.uint8), i / 30)
        writer.close()

    monkeypatch.setattr(VIDEO, 'ExpressionInferencer', Inferencer)
    monkeypatch.setattr(VIDEO, 'write_film', write_film)
    rows = VIDEO.memory(2.5, tmp_path, every=1.0)
    assert [row['seconds'] for row in rows] == [1, 2, 2.5]
    assert min(value for row in rows for value in row.values()) > 0
    assert {*rows[0]} == {'seconds', 'peak_mb', 'cpu_ms', 'frames_per_s'}
