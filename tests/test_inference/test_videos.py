import os
import struct
import tracemalloc

import cv2
import numpy as np
import pytest
from face_results import set_stamps, write_video

from mmfer.inference.drawing import VideoWriter
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.sources import open_sources
from mmfer.inference.videos import frame_rate, read_ahead, read_video


def greys(number):
    return [(20 * i,) * 3 for i in range(number)]


@pytest.mark.parametrize(('suffix', 'code'), [('avi', 'MJPG'), ('mp4', 'mp4v'), ('mkv', 'MJPG')])
def test_frames_in_order(suffix, code, tmp_path):
    path = write_video(tmp_path / f'ein film ü.{suffix}', greys(9), code=code)
    numbers, times, images, errors = zip(*read_video(str(path)))
    assert numbers == tuple(range(9))
    assert times == pytest.approx([i / 10 for i in range(9)])
    assert [image.mean() for image in images] == pytest.approx([20 * i for i in range(9)], abs=4)
    assert errors == (None,) * 9
    assert frame_rate(str(path)) == pytest.approx(10)
    third = list(read_video(str(path), stride=3))
    assert [number for number, *_ in third] == [0, 3, 6]
    np.testing.assert_array_equal(third[2][2], images[6])
    assert [number for number, *_ in read_video(str(path), 2, max_frames=2)] == [0, 2]


def test_a_file_that_is_cut_off_gives_what_there_is_and_says_so(tmp_path):
    path = write_video(tmp_path / 'v.avi', np.random.default_rng(0).integers(0, 256, (12, 24, 32, 3), np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *frames, last = open_sources(path)
    assert 3 <= len(frames) <= 9
    assert [frame.frame for frame in frames] == list(range(len(frames)))
    assert last.image is None
    assert last.error == f'{path}: {12 - len(frames)} of 12 frames cannot be decoded: damaged, or cut off'
    assert next(iter(open_sources(path, max_frames=1))).error is None
    assert len(list(open_sources(path, max_frames=1))) == 1


def test_frames_that_are_decoded_ahead_are_the_same_and_few(tmp_path):
    path = str(write_video(tmp_path / 'v.avi', greys(9)))
    for (*where, image, error), (*wanted, expected, none) in zip(read_ahead(read_video(path)), read_video(path)):
        assert (where, error) == (wanted, none)
        np.testing.assert_array_equal(image, expected)
    given, closed = [], []

    def frames():
        try:
            for i in range(100):
                given.append(i)
                yield i, 0.0, None, None
        finally:
            closed.append(True)

    ahead = read_ahead(frames(), count=3)
    assert [next(ahead)[0], next(ahead)[0]] == [0, 1]
    ahead.close()
    assert closed == [True]
    assert len(given) <= 6

    def broken():
        yield 0, 0.0, None, None
        raise MemoryError('too large')

    with pytest.raises(MemoryError, match='too large'):
        list(read_ahead(broken()))


def test_memory_does_not_grow_with_the_length(tmp_path):
    """Ten seconds of a video, and forty: frames, people and answers that are done with are let go."""
    from face_results import ColourClassifier, two_faces

    rng, peaks = np.random.default_rng(0), []
    for seconds in (10, 40):
        noise = rng.integers(0, 256, (seconds * 10, 24, 32, 3), np.uint8)
        path = write_video(tmp_path / f'{seconds}.avi', noise)
        infer = ExpressionInferencer(ColourClassifier(), detector=two_faces)
        frames = infer.stream(str(path))
        for _ in range(50):
            next(frames)
        tracemalloc.start()
        for _ in frames:
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000  # 300 frames more are 700 kB, and their answers over a megabyte


UNEVEN = (6, 1 / 30), (6, 1 / 5)  # frames, and the seconds that each lasts
TIMES = [i / 30 for i in range(6)] + [0.2 + i / 5 for i in range(6)]


def test_times_are_those_of_the_file(tmp_path):
    path = set_stamps(write_video(tmp_path / 'v.mp4', greys(12), rate=30, code='mp4v'), UNEVEN)
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) < 10
    numbers, times, _, errors = zip(*read_video(str(path)))
    assert numbers == tuple(range(12))
    assert times == pytest.approx(TIMES, abs=0.002)
    assert set(errors) == {None}
    assert [time for _, time, *_ in read_video(str(path), stride=4)] == pytest.approx(TIMES[::4], abs=0.002)
    assert frame_rate(str(path)) == 30


@pytest.mark.parametrize(
    ('header', 'seconds', 'rate'),
    [(1000, 1 / 30, 30), (1000, 1 / 15, 15), (240, 1 / 240, 240), (100, 1 / 50, 100), (25, 2.0, 25), (1000, 2.0, 1)],
)
def test_a_header_that_tells_the_resolution_of_the_stamps(header, seconds, rate, monkeypatch):
    """Browsers write 1000; the stamps are whole milliseconds. High-speed cameras have such rates indeed."""

    class Packets(Holes):
        def set(self, what, value):
            return True

        def get(self, what):
            if what == cv2.CAP_PROP_POS_MSEC:
                return round(1000 * self.number * seconds) if header == 1000 else 1000 * self.number * seconds
            return header if what == cv2.CAP_PROP_FPS else super().get(what)

    monkeypatch.setattr(cv2, 'VideoCapture', Packets)
    monkeypatch.setattr(Holes, 'grab', lambda self: setattr(self, 'number', self.number + 1) or self.number < 20)
    assert frame_rate('v.webm') == rate


def test_a_drawn_video_keeps_the_times(tmp_path):
    """Each frame comes at its time, and one that falls together with the next is dropped."""
    writer = VideoWriter(tmp_path / 'd.mp4', rate=30)
    for colour, time in zip(greys(12), TIMES):
        writer.write(np.full((24, 32, 3), colour, np.uint8), time)
    writer.write(np.full((24, 32, 3), 255, np.uint8), TIMES[-1] + 0.001)
    writer.close()
    _, times, images, _ = zip(*read_video(str(tmp_path / 'd.mp4')))
    assert len(times) == round(TIMES[-1] * 30) + 1
    expected = [20 * (np.searchsorted(TIMES, time + 0.01) - 1) for time in times]
    assert [image.mean() for image in images[:-1]] == pytest.approx(expected[:-1], abs=4)
    assert images[-1].mean() == pytest.approx(255, abs=4)


@pytest.mark.parametrize('stamps', [[0] * 10, [np.nan] * 10, [5, 6, 7, 3, 3, 5, 6, 7, 8, 9]])
def test_without_times_they_follow_from_the_rate(stamps, monkeypatch):
    class Stamped(Holes):
        def get(self, what):
            return 1000 * stamps[self.number] if what == cv2.CAP_PROP_POS_MSEC else super().get(what)

    monkeypatch.setattr(cv2, 'VideoCapture', Stamped)
    times = [time for _, time, _, error in read_video('v.mp4') if error is None]
    even = [i / 5 for i in (0, 1, 2, 5, 6, 7, 8, 9)]
    assert times == pytest.approx(even if stamps[0] != 5 else [0, 1, 2, 2.6, 2.8, 3, 3.2, 4])


def test_a_trimmed_file_that_plays_to_its_end_is_whole(tmp_path):
    path = write_video(tmp_path / 'v.mp4', greys(12) * 2, rate=10, code='mp4v')
    set_stamps(path, [(24, 0.1)], shown=1.5)
    frames = list(read_video(str(path)))
    assert [frame[3] for frame in frames] == [None] * 15
    assert frames[-1][1] == pytest.approx(1.4)


@pytest.mark.parametrize(
    ('end', 'error'), [(269, None), (209, '60 of 270 frames cannot be decoded: damaged, or cut off')]
)
def test_a_file_that_begins_late(end, error, monkeypatch):
    """Some headers tell nothing but the time of the end, here 9 s at 30 frames a second, of which 5 s are before it."""

    class Late(Holes):
        announced = 270

        def get(self, what):
            if what == cv2.CAP_PROP_PTS:
                return end - 9 + self.number
            return 30.0 if what == cv2.CAP_PROP_FPS else super().get(what)

    monkeypatch.setattr(cv2, 'VideoCapture', Late)
    monkeypatch.setattr(Late, 'grab', lambda self: super(Late, self).grab() or self.number in (3, 4))
    *frames, last = read_video('v.mkv')
    assert last[3] == (error and f'v.mkv: {error}')


def test_an_mp4_that_is_cut_off_behind_its_index_says_so(tmp_path):
    """As a download that broke off; the trimmed file above announces frames that are not there as well."""
    path = write_video(
        tmp_path / 'v.mp4', np.random.default_rng(0).integers(0, 256, (24, 24, 32, 3), np.uint8), code='mp4v'
    )
    data = path.read_bytes()
    content, index = data.index(b'mdat') - 4, data.index(b'moov') - 4
    moved = bytearray(data[:content] + data[index:] + data[content:index])
    table = moved.index(b'stco') + 12
    for place in range(table, table + 4 * int.from_bytes(moved[table - 4 : table], 'big'), 4):  # where the frames are
        moved[place : place + 4] = (int.from_bytes(moved[place : place + 4], 'big') + len(data) - index).to_bytes(
            4, 'big'
        )
    path.write_bytes(moved)
    assert [frame[3] for frame in read_video(str(path))] == [None] * 24
    path.write_bytes(moved[: len(moved) * 2 // 3])
    *frames, last = read_video(str(path))
    assert 3 <= len(frames) <= 20
    assert last[3] == f'{path}: {24 - len(frames)} of 24 frames cannot be decoded: damaged, or cut off'


@pytest.mark.parametrize(
    ('turn', 'matrix', 'corner'),
    [(90, (0, 1, -1, 0), (0, -1)), (180, (-1, 0, 0, -1), (-1, -1)), (270, (0, -1, 1, 0), (-1, 0))],
)
def test_videos_of_phones_are_turned_upright(turn, matrix, corner, tmp_path):
    """Phones write the frames as the sensor lies, and how they are to be turned clockwise."""
    image = np.zeros((24, 32, 3), np.uint8)
    image[:8, :8] = 255
    path = write_video(tmp_path / 'v.mp4', [image] * 3, code='mp4v')
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    place = data.index(b'tkhd') + 44
    data[place : place + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frames = list(open_sources(path))
    assert [frame.error for frame in frames] == [None] * 3
    for frame in frames:
        assert frame.image.shape == ((24, 32, 3) if turn == 180 else (32, 24, 3))
        assert frame.image[corner].min() > 200
        assert (frame.image.min(axis=2) > 128).sum() == pytest.approx(64, abs=16)


def test_numbers_in_names_make_no_series(tmp_path):
    for number in (1, 2, 3):  # of a format that the video library leaves to others
        cv2.imwrite(str(tmp_path / 'a.ppm'), np.zeros((24, 32, 3), np.uint8))
        (tmp_path / 'a.ppm').rename(tmp_path / f'a{number}.mp4')
    assert len(list(read_video(str(tmp_path / 'a1.mp4')))) == 1


class Holes:
    """Stands for OpenCV's reader of a file of which frames 3 and 4 do not decode; it announces 10, or far more."""

    announced = 10

    def __init__(self, source, backend):
        self.number = -1

    def isOpened(self):  # noqa: N802
        return True

    def grab(self):
        self.number += 1
        return self.number not in (3, 4) and self.number < 10

    def retrieve(self):
        return True, np.full((4, 5), self.number, np.uint8)

    def get(self, what):
        return {cv2.CAP_PROP_FPS: 5.0, cv2.CAP_PROP_FRAME_COUNT: self.announced}.get(what, 0.0)

    def release(self):
        pass


def test_beyond_a_hole_the_frames_go_on(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', Holes)
    *frames, last = read_video('v.mp4')
    assert [number for number, *_ in frames] == [0, 1, 2, 5, 6, 7, 8, 9]
    assert [image[0, 0].tolist() for _, _, image, _ in frames] == [[i] * 3 for i in (0, 1, 2, 5, 6, 7, 8, 9)]
    assert frames[3][1] == 1.0
    assert last[3] == 'v.mp4: 2 of 10 frames cannot be decoded: damaged, or cut off'


def test_announcements_are_not_believed_without_end(monkeypatch):
    monkeypatch.setattr(cv2, 'VideoCapture', Holes)
    monkeypatch.setattr(Holes, 'announced', 2**39)
    monkeypatch.setattr('mmfer.inference.videos._MOST_MISSING', 50)
    *frames, last = read_video('v.avi')
    assert len(frames) == 8
    assert last[3].startswith(f'v.avi: {2**39 - 8} of {2**39} frames')


@pytest.mark.skipif(os.name != 'posix', reason='file names are bytes on POSIX systems only')
def test_a_name_that_is_no_text(tmp_path):
    path = os.fsdecode(bytes(tmp_path) + b'/\xff.avi')
    os.rename(write_video(tmp_path / 'v.avi', greys(2)), path)
    (source,) = open_sources(path)
    assert source.error == f'cannot open {path}: its name is no text in UTF-8, rename it'
    assert frame_rate(path) == 25


def test_videos_that_are_none(tmp_path):
    whole = write_video(tmp_path / 'v.avi', greys(9)).read_bytes()
    for name, content in (('a.mp4', b'no video'), ('b.avi', b''), ('w.avi', whole[:100])):
        (tmp_path / name).write_bytes(content)
        (source,) = open_sources(tmp_path / name)
        assert source.error.startswith(f'cannot open {tmp_path / name}')
    (source,) = open_sources(tmp_path / 'none.mp4')
    assert 'no such' in source.error
    (source,) = open_sources(99)
    assert source.error.startswith('cannot open camera 99')
