"""The sound of a video for its drawn copy, by ffmpeg or PyAV, whichever is installed."""

from __future__ import annotations

import heapq
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2

from mmfer.utils.files import whole_file
from mmfer.utils.optional import MissingPackageError, require

from .videos import open_video


def add_sound(drawn: str | Path, source: str | Path) -> str | None:
    """Give a drawn video, an MP4 file, the sound of its source as AAC, as long as its pictures last.

    Returns:
        None, also where the source has no sound; or a sentence why the drawn video stays silent.
    """
    ffmpeg = shutil.which('ffmpeg')
    try:
        with whole_file(drawn) as part:
            if ffmpeg is None:
                _by_pyav(require('av', 'av', 'sound needs ffmpeg or the package av'), str(drawn), str(source), part)
            else:
                _by_ffmpeg(ffmpeg, str(drawn), str(source), part)
    except MissingPackageError:
        return f'{drawn} has no sound: that needs ffmpeg, or pip install av'
    except (OSError, ValueError) as error:  # those of PyAV are such errors
        return f'{drawn} has no sound, for that of {source} cannot be read: {" ".join(str(error).split())[-200:]}'
    return None


def _by_ffmpeg(ffmpeg: str, drawn: str, source: str, part: Path) -> None:
    capture = cv2.VideoCapture(drawn)
    seconds = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    film = open_video(source)
    first = film.get(cv2.CAP_PROP_PTS) if film.grab() else 0.0  # picture, in frames
    begin = max(0.0, first / (film.get(cv2.CAP_PROP_FPS) or 1.0))
    film.release()
    inputs = ['-i', f'file:{drawn}', '-seek_timestamp', '1', '-ss', f'{begin:.6f}', '-i', f'file:{source}']
    inputs += ['-map', '0:v', '-map', '1:a:0?', '-t', f'{seconds:.6f}']
    words = [ffmpeg, '-nostdin', '-v', 'error', '-y', *inputs, '-c:v', 'copy', '-c:a', 'aac']
    done = subprocess.run([*words, '-f', 'mp4', f'file:{part}'], capture_output=True, text=True, errors='replace')
    if done.returncode:
        raise ValueError(done.stderr)


def _by_pyav(av: Any, drawn: str, source: str, part: Path) -> None:
    with av.open(drawn) as pictures, av.open(source) as film, av.open(str(part), 'w', format='mp4') as out:
        (video,) = pictures.streams.video
        copied = out.add_stream_from_template(video)
        packets = _copied(pictures, video, copied)
        if film.streams.audio:
            audio = film.streams.audio[0]
            begin = film.streams.video[0].start_time or 0
            encoded = _encoded(film, audio, out.add_stream('aac', audio.rate), begin * film.streams.video[0].time_base)
            packets = heapq.merge(packets, encoded, key=lambda timed: timed[0])
        end = float(video.duration * video.time_base)
        for seconds, packet in packets:
            if seconds < end:
                out.mux(packet)


def _copied(pictures: Any, video: Any, copied: Any) -> Iterator[tuple[float, Any]]:
    for packet in pictures.demux(video):
        if packet.dts is not None:
            seconds = float(packet.dts * packet.time_base)
            packet.stream = copied
            yield seconds, packet


def _encoded(film: Any, audio: Any, encoder: Any, begin: Any) -> Iterator[tuple[float, Any]]:
    """Packets of the sound; times are those since the first picture, at ``begin`` of the film."""
    for frame in film.decode(audio):
        frame.pts -= round(begin / frame.time_base)
        for packet in encoder.encode(frame) if frame.pts >= 0 else ():
            yield float(packet.pts * packet.time_base), packet
    for packet in encoder.encode(None):
        yield float(packet.pts * packet.time_base), packet
