import json
import os
import signal
import time

import cv2
import numpy as np
import pytest
from demo_model import write_face, write_model
from face_results import set_stamps, write_video

TOOL = 'demo/video_demo.py'


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('model'))


@pytest.fixture
def video(tmp_path):
    face = cv2.imread(str(write_face(tmp_path / 'a.png')))
    (tmp_path / 'a.png').unlink()
    return write_video(tmp_path / 'v.avi', [face] * 9, size=(260, 200))


def test_a_video_is_drawn_and_summed_up(model, video, tmp_path, call_tool):
    arguments = (TOOL, *model, video, '--detector', 'none', '--draw', tmp_path / 'd.mp4', '--out', tmp_path / 'r.jsonl')
    code, told, _ = call_tool(*arguments, '--stride', '2', '--threshold', '0')
    assert code == 0
    row = next(line for line in told.splitlines() if line.strip().startswith('0'))
    assert row.split()[:3] == ['0', '0..8', '5']
    assert row.split()[-2:] == ['100', '%']
    assert '5 frames, 5 faces' in told
    lines = [json.loads(line) for line in (tmp_path / 'r.jsonl').read_text().splitlines()]
    assert [line['frame'] for line in lines] == [0, 2, 4, 6, 8]
    assert {line['faces'][0]['track'] for line in lines} == {0}
    drawn = cv2.VideoCapture(str(tmp_path / 'd.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 5
    assert drawn.get(cv2.CAP_PROP_FPS) == pytest.approx(5)
    assert drawn.read()[1].shape == (200, 260, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['d.mp4', 'r.jsonl', 'v.avi']


def test_a_video_that_is_stopped_keeps_what_there_is(model, video, tmp_path, call_tool, monkeypatch):
    from mmfer.inference.inferencer import ExpressionInferencer

    whole = ExpressionInferencer.stream_images

    def stopped(self, *args, **kwargs):
        frames = whole(self, *args, **kwargs)
        yield from (next(frames) for _ in range(3))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    monkeypatch.setattr(ExpressionInferencer, 'stream_images', stopped)
    files = ('--draw', tmp_path / 'd.mp4', '--out', tmp_path / 'r.jsonl')
    code, _, errors = call_tool(TOOL, *model, video, '--detector', 'none', *files)
    assert code == 143
    assert 'error: stopped by SIGTERM: these are the results until then\n' in errors
    assert '3 frames, 3 faces' in errors
    assert len((tmp_path / 'r.jsonl').read_text().splitlines()) == 3
    assert (tmp_path / 'd.mp4').is_file()


def test_a_drawn_video_keeps_the_timing(model, tmp_path, call_tool):
    """Of a variable rate too: 6 frames of 1/30 s, then 6 of 1/5 s."""
    video = write_video(tmp_path / 'v.mp4', [(90, 90, 90)] * 12, rate=30, size=(260, 200), code='mp4v')
    set_stamps(video, [(6, 1 / 30), (6, 1 / 5)])
    arguments = ('--detector', 'none', '--draw', tmp_path / 'd.mp4', '--out', tmp_path / 'r.csv')
    code, told, _ = call_tool(TOOL, *model, video, *arguments)
    assert code == 0
    assert '12 frames, 12 faces' in told
    drawn = cv2.VideoCapture(str(tmp_path / 'd.mp4'))
    assert drawn.get(cv2.CAP_PROP_FPS) == pytest.approx(30)
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 6 + 5 * 6 + 1
    last = (tmp_path / 'r.csv').read_text().splitlines()[-1].split(',')
    assert last[1] == '11'
    assert float(last[2]) == pytest.approx(1.2, abs=0.002)


def test_a_camera_ends_when_the_viewer_wants(model, tmp_path, call_tool, monkeypatch):
    class Camera:
        def __init__(self, source):
            assert source == 3

        def isOpened(self):  # noqa: N802
            return True

        def grab(self):
            return True

        def retrieve(self):
            return True, np.full((200, 260, 3), 99, np.uint8)

        def get(self, what):
            return 0.0

        def release(self):
            pass

    shown = []
    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    monkeypatch.setattr(cv2, 'imshow', lambda name, image: shown.append(image))
    monkeypatch.setattr(cv2, 'waitKey', lambda time: ord('q') if len(shown) == 4 else -1)
    monkeypatch.setattr(cv2, 'destroyAllWindows', lambda: None)
    code, told, _ = call_tool(TOOL, *model, '3', '--show', '--detector', 'none', '--draw', tmp_path / 'd.mp4')
    assert code == 0
    assert len(shown) == 4
    assert '4 frames, 4 faces' in told
    assert (tmp_path / 'd.mp4').is_file()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('{config}', '{checkpoint}', 'none.mp4'), 'no such video file: none.mp4'),
        (
            ('{config}', '{checkpoint}', '{checkpoint}', '--draw', 'd.mp4'),
            'is no video by its name; for photos leave out --show',
        ),
        (('{config}', '{checkpoint}', '{broken}', '--draw', 'd.mp4', '--out', 'r.csv'), 'cannot open'),
        (('{config}', '{checkpoint}', '{video}', '--draw', 'd.avi'), 'name a file that ends in .mp4'),
        (('{config}', '{checkpoint}', '{video}', '--stride', '0'), 'stride=0'),
        (('{config}', '{checkpoint}', '99'), 'cannot open camera 99'),
    ],
)
def test_mistakes_are_told_in_a_line(arguments, message, model, video, call_tool, monkeypatch):
    monkeypatch.chdir(video.parent)
    (video.parent / 'broken.mp4').write_bytes(b'damaged')
    names = dict(config=model[0], checkpoint=model[1], video=video, broken='broken.mp4')
    code, _, errors = call_tool(TOOL, *(argument.format(**names) for argument in arguments), '--detector', 'none')
    assert code == 1
    (line,) = (line for line in errors.splitlines() if line.startswith('error: '))
    assert message in line
    assert 'Traceback' not in errors
    assert sorted(path.name for path in video.parent.iterdir()) == ['broken.mp4', 'v.avi']
