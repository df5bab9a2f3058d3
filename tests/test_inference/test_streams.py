import cv2
import numpy as np
import pytest

from mmfer.inference import streams
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.sources import open_sources
from mmfer.inference.streams import read_stream

ADDRESS = 'rtsp://me:secret@camera.local/live?key=1'


class Camera:
    """Stands for a camera in the network: ``plan`` tells how many frames each opening gives, None where it fails.

    Attributes:
        now: Seconds; a frame takes 0.1 of them.
        waits: How long the reader waited each time.
    """

    def __init__(self, plan, frames=0):
        self.plan, self.announced, self.now, self.waits, self.left, self.released = list(plan), frames, 0.0, [], 0, 0

    def open(self, address):
        assert address == ADDRESS
        self.left = self.plan.pop(0) if self.plan else None
        return self

    def isOpened(self):  # noqa: N802
        return self.left is not None

    def read(self):
        if not self.left:
            return False, None
        self.left, self.now = self.left - 1, self.now + 0.1
        return True, np.zeros((4, 5, 3), np.uint8)

    def get(self, what):
        return self.announced if what == cv2.CAP_PROP_FRAME_COUNT else 0.0

    def release(self):
        self.released += 1

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def play(monkeypatch):
    def start(plan, **options):
        camera = Camera(plan)
        monkeypatch.setattr(streams, 'open_stream', camera.open)
        frames = list(read_stream(ADDRESS, wait=camera.wait, clock=lambda: camera.now, **options))
        return camera, frames

    return start


def test_a_camera_that_drops_is_opened_again_and_the_gap_is_one_in_time(play):
    camera, frames = play([3, None, None, 2], max_frames=5)
    assert camera.waits == [1, 2, 4]
    assert camera.released == 4
    numbers, times, images, errors = zip(*frames)
    assert numbers == (0, 1, 2, None, 3, 4)
    assert [time for time in times if time is not None] == pytest.approx([0, 0.1, 0.2, 7.3, 7.4])
    assert errors[3] == 'rtsp://camera.local/live: no frames from 0.2 to 7.3 s, it was opened again'
    assert images[3] is None


def test_before_the_first_frame_there_is_no_gap(play):
    _, frames = play([0, None, 2], max_frames=2)
    assert [(number, error) for number, *_, error in frames] == [(0, None), (1, None)]


def test_it_is_given_up_after_a_while(play):
    camera, frames = play([2])
    assert frames[-1][3].startswith('rtsp://camera.local/live: no frames for 6')
    assert camera.waits[:7] == [1, 2, 4, 8, 16, 30, 30]
    assert 600 < sum(camera.waits) < 640


def test_strides_and_a_camera_that_is_not_there(play):
    assert [frame[0] for frame in play([9], stride=3, max_frames=3)[1]] == [0, 3, 6]
    ((*nothing, error),) = play([None])[1]
    assert nothing == [None] * 3
    assert error == 'cannot open rtsp://camera.local/live: is it there, and does it let you in?'


def test_a_video_that_a_server_holds_ends(monkeypatch, tmp_path):
    """It has a number of frames and times of its own; here a local file stands for it."""
    from face_results import write_video

    path = write_video(tmp_path / 'v.avi', [(20 * i,) * 3 for i in range(5)])
    monkeypatch.setattr(streams, 'open_stream', lambda address: cv2.VideoCapture(str(path)))
    frames = list(read_stream('https://host/v.avi'))
    assert [frame[0] for frame in frames] == list(range(5))
    assert [frame[1] for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_addresses_need_leave(monkeypatch):
    monkeypatch.setattr(streams, 'open_stream', lambda address: pytest.fail('opened'))
    (source,) = open_sources(ADDRESS)
    assert 'allow the network (--allow-network)' in source.error
    camera = Camera([2])
    monkeypatch.setattr(streams, 'open_stream', camera.open)
    first, second = ExpressionInferencer(allow_network=True, detector=None).stream(ADDRESS, max_frames=2)
    assert (first.source, first.frame, second.frame) == ('rtsp://camera.local/live', 0, 1)


def test_file_names_with_such_letters_are_files():
    (source,) = open_sources('http.png', allow_network=True)
    assert 'no such' in source.error
