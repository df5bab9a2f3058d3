"""Sound is made and looked at by PyAV; the tests that need it, or ffmpeg, are left out where it is not there."""

import os
import shutil
import stat

import numpy as np
import pytest
from face_results import write_video

from mmfer.inference import sound


def add_tone(av, source, path, seconds, late=0.0):
    """A copy of a video with a tone of 1 kHz that begins after half a second; the pictures begin after ``late``."""
    with av.open(str(source)) as pictures, av.open(str(path), 'w') as out:
        copied = out.add_stream_from_template(pictures.streams.video[0])
        tone = out.add_stream('pcm_s16le' if path.suffix == '.avi' else 'aac', 16000)
        times = np.arange(round(16000 * seconds)) / 16000
        wave = (8000 * np.sin(2000 * np.pi * times) * (times >= 0.5)).astype(np.int16)
        for packet in pictures.demux():
            if packet.dts is not None:
                shift = round(late / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, copied
                out.mux(packet)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], 's16', 'mono')
            frame.sample_rate, frame.pts = 16000, start
            out.mux(tone.encode(frame))
        out.mux(tone.encode(None))


def loudness(av, path):
    """Of each tenth of a second, and the number of pictures."""
    with av.open(str(path)) as film:
        wave = np.concatenate([frame.to_ndarray()[0] for frame in film.decode(audio=0)])
        rate = film.streams.audio[0].rate
    with av.open(str(path)) as film:
        pictures = sum(1 for _ in film.decode(video=0))
    length = rate // 10
    return [float(np.abs(wave[i : i + length]).mean()) for i in range(0, len(wave) - length + 1, length)], pictures


@pytest.fixture(params=['ffmpeg', 'av'])
def av(request, monkeypatch):
    """PyAV; once where sound is added by ffmpeg, and once by itself."""
    av = pytest.importorskip('av')
    if request.param == 'ffmpeg' and shutil.which('ffmpeg') is None:
        pytest.skip('there is no ffmpeg')
    if request.param == 'av':
        monkeypatch.setattr(sound.shutil, 'which', lambda name: None)
    return av


@pytest.mark.parametrize(('suffix', 'code', 'seconds'), [('.mp4', 'mp4v', 3.0), ('.avi', 'MJPG', 0.9)])
def test_the_sound_comes_along_and_ends_with_the_pictures(suffix, code, seconds, av, tmp_path):
    plain = write_video(tmp_path / f'plain{suffix}', [(9, 9, 9)] * 10, code=code)
    add_tone(av, plain, tmp_path / f'in{suffix}', seconds)
    drawn = write_video(tmp_path / 'drawn.mp4', [(99, 9, 9)] * 10, code='mp4v')
    assert sound.add_sound(drawn, tmp_path / f'in{suffix}') is None
    loud, pictures = loudness(av, drawn)
    assert pictures == 10
    assert 8 <= len(loud) <= 12
    assert max(loud[:4]) < 0.05 * max(loud)
    assert min(loud[6:8]) > 0.5 * max(loud)
    assert not [path for path in tmp_path.iterdir() if path.suffix == '.part']


def test_sound_before_the_first_picture_is_left_out(av, tmp_path):
    plain = write_video(tmp_path / 'plain.mp4', [(9, 9, 9)] * 10, code='mp4v')
    add_tone(av, plain, tmp_path / 'in.mp4', 2.0, late=0.3)
    drawn = write_video(tmp_path / 'drawn.mp4', [(99, 9, 9)] * 10, code='mp4v')
    assert sound.add_sound(drawn, tmp_path / 'in.mp4') is None
    loud, _ = loudness(av, drawn)
    assert loud[0] < 0.05 * max(loud)
    assert min(loud[3:8]) > 0.5 * max(loud)


def test_a_silent_film_stays_silent(av, tmp_path):
    source = write_video(tmp_path / 'in.mp4', [(9, 9, 9)] * 10, code='mp4v')
    drawn = write_video(tmp_path / 'drawn.mp4', [(99, 9, 9)] * 10, code='mp4v')
    assert sound.add_sound(drawn, source) is None
    with av.open(str(drawn)) as film:
        assert not film.streams.audio
        assert sum(1 for _ in film.decode(video=0)) == 10


def test_what_cannot_be_read_leaves_the_drawn_video_as_it_is(av, tmp_path):
    (tmp_path / 'in.mp4').write_bytes(b'no video')
    drawn = write_video(tmp_path / 'drawn.mp4', [(99, 9, 9)] * 10, code='mp4v')
    before = drawn.read_bytes()
    assert 'has no sound, for that of' in sound.add_sound(drawn, tmp_path / 'in.mp4')
    assert drawn.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_without_the_programs_one_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sound.shutil, 'which', lambda name: None)
    monkeypatch.setitem(__import__('sys').modules, 'av', None)
    drawn = write_video(tmp_path / 'drawn.mp4', [(99, 9, 9)] * 10, code='mp4v')
    assert sound.add_sound(drawn, drawn).endswith('has no sound: that needs ffmpeg, or pip install av')


@pytest.mark.skipif(os.name == 'nt', reason='makes a script')
def test_the_words_for_ffmpeg(monkeypatch, tmp_path):
    """Of a program in its place, which writes down what it is called with and fails."""
    program = tmp_path / 'ffmpeg'
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\necho "no such codec" >&2\nexit 1\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv('PATH', str(tmp_path))
    told = sound.add_sound(write_video(tmp_path / 'drawn.mp4', [(99, 9, 9)] * 10, code='mp4v'), '-in.mp4')
    assert told.endswith('has no sound, for that of -in.mp4 cannot be read: no such codec')
    words = (tmp_path / 'words').read_text().splitlines()
    assert 'file:-in.mp4' in words
    assert words[words.index('-t') + 1] == '1.000000'
    assert words[-1].startswith(f'file:{tmp_path}/.drawn.mp4.')
