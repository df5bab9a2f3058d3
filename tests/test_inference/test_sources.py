import io
import os
from collections import deque

import numpy as np
import pytest
from face_results import write_video
from PIL import Image

from mmfer.inference.sources import Source, find_faces, folder_files, has_camera, open_sources


def test_folders_in_order_with_what_cannot_be_read(tmp_path):
    (tmp_path / 'b').mkdir()
    (tmp_path / '.hidden').mkdir()
    for name in ('c.png', 'b/a.jpg', '.hidden/d.png', '.e.png'):
        Image.new('RGB', (6, 5)).save(tmp_path / name)
    (tmp_path / 'a.txt').write_text('no image')
    (tmp_path / 'b/empty.jpg').touch()
    assert [file.relative_to(tmp_path).as_posix() for file in folder_files(tmp_path)] == [
        'a.txt',
        'c.png',
        'b/a.jpg',
        'b/empty.jpg',
    ]
    found = list(open_sources(tmp_path))
    assert [source.image is None for source in found] == [True, False, False, True]
    for source in found:
        assert (source.error is None) == (source.image is not None)
        assert source.error is None or source.name in source.error


def test_every_kind_in_one_list(tmp_path):
    path = tmp_path / 'a.png'
    Image.new('RGB', (6, 5), (255, 0, 0)).save(path)
    video = write_video(tmp_path / 'v.avi', [(9, 9, 9)] * 2)
    array = np.zeros((5, 6, 3), np.uint8)
    inputs = [
        path,
        str(path),
        path.read_bytes(),
        array,
        Image.new('L', (6, 5)),
        video,
        'http://a.b/c.png',
        tmp_path / 'no',
    ]
    found = list(open_sources(inputs, channels='rgb'))
    assert [source.frame for source in found] == [None] * 5 + [0, 1] + [None] * 2
    assert [source.error is None for source in found] == [True] * 7 + [False] * 2
    assert 'download the file' in found[-2].error
    assert 'no such image file' in found[-1].error
    assert found[0].image[0, 0].tolist() == [0, 0, 255]
    assert [source.name for source in found[2:5]] == ['image 2', 'image 3', 'image 4']


@pytest.mark.parametrize('wrong', [None, 3.5, True, [3.5], [None], dict, io.BytesIO(b'x'), [np.bool_(True)]])
def test_what_is_no_input(wrong):
    with pytest.raises(TypeError):
        list(open_sources(wrong))


def test_mistakes_with_arrays_are_not_swallowed(tmp_path):
    with pytest.raises(ValueError, match='channels'):
        list(open_sources([np.zeros((4, 4, 3), np.uint8)]))
    for name in ('stride', 'max_frames'):
        for value in (0, 1.5, True):
            with pytest.raises(ValueError, match=f'{name}={value}'):
                list(open_sources(tmp_path, **{name: value}))
    (source,) = open_sources(tmp_path)
    assert source.error.endswith('holds no files')


def test_a_damaged_image_from_memory_is_reported_and_the_rest_goes_on(tmp_path):
    rng = np.random.default_rng(0)
    whole = Image.fromarray(rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    whole.save(tmp_path / 'a.jpg')
    (tmp_path / 'b.jpg').write_bytes((tmp_path / 'a.jpg').read_bytes()[:-300])
    cut_off = Image.open(tmp_path / 'b.jpg')
    found = list(open_sources([cut_off, whole, b'', b'no image']))
    assert [source.error is None for source in found] == [False, True, False, False]
    assert found[0].error.startswith(f'{tmp_path / "b.jpg"}: cannot decode the PIL image')
    assert found[0].name == str(tmp_path / 'b.jpg')
    assert 'image 2' in found[2].error or 'the image' in found[2].error


def test_links_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / 'a/b').mkdir(parents=True)
    (tmp_path / 'elsewhere').mkdir()
    Image.new('RGB', (6, 5)).save(tmp_path / 'elsewhere/x.png')
    Image.new('RGB', (6, 5)).save(tmp_path / 'a/b/y.png')
    (tmp_path / 'a/b/up').symlink_to(tmp_path / 'a', target_is_directory=True)
    (tmp_path / 'a/other').symlink_to(tmp_path / 'elsewhere', target_is_directory=True)
    (tmp_path / 'a/self').symlink_to('self')
    (tmp_path / 'a/broken.png').symlink_to('nothing.png')
    found = list(open_sources(tmp_path / 'a'))
    names = [os.path.relpath(source.name, tmp_path / 'a') for source in found]
    assert names == ['broken.png', 'self', 'b/y.png', 'other/x.png']
    assert [source.error is None for source in found] == [False, False, True, True]
    assert found[0].error == f'{tmp_path}/a/broken.png is a broken link'
    assert str(tmp_path / 'a/self') in found[1].error


def test_what_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / 'open').mkdir()
    (tmp_path / 'shut').mkdir()
    for name in ('open/a.png', 'open/b.png', 'shut/c.png'):
        Image.new('RGB', (6, 5)).save(tmp_path / name)
    own_scandir, own_open, own_fromfile = os.scandir, open, np.fromfile

    def refuse(own, bad):  # permissions do not stop an administrator
        def call(path, *args, **kwargs):
            if str(path).endswith(bad):
                raise PermissionError(13, 'Permission denied', str(path))
            return own(path, *args, **kwargs)

        return call

    monkeypatch.setattr('os.scandir', refuse(own_scandir, 'shut'))
    monkeypatch.setattr('builtins.open', refuse(own_open, 'b.png'))
    monkeypatch.setattr('numpy.fromfile', refuse(own_fromfile, 'b.png'))
    good, bad, folder = open_sources(tmp_path)
    assert good.error is None
    assert bad.error == f'{tmp_path}/open/b.png: Permission denied'
    assert folder.error == f'the folder {tmp_path}/shut cannot be read: Permission denied'


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='there are no pipes with names here')
def test_pipes_and_devices_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jpg')
    os.mkfifo(tmp_path / 'pipe.mp4')
    for source in (*open_sources(tmp_path), *open_sources('/dev/zero')):
        assert source.error == f'{source.name} is no regular file'


def test_odd_names(tmp_path):
    names = [
        'ein bild ü.png',
        '表情.png',
        "it's 100% {x} [y].png",
        'a\nb.png',
        '-x.png',
        'x' * 200 + '.png',
        'no suffix',
    ]
    if os.name == 'posix':
        names.append(os.fsdecode(b'\xff\xfe.png'))
    folder = tmp_path / 'ein fach*? \n'
    folder.mkdir()
    for name in names:
        with open(folder / name, 'wb') as file:
            Image.new('RGB', (6, 5)).save(file, 'PNG')
    found = list(open_sources(folder))
    assert [source.error for source in found] == [None] * len(names)
    assert sorted(os.path.basename(source.name) for source in found) == sorted(names)
    for path in ('', 'x' * 5000, str(tmp_path / 'a\0b.png')):
        (source,) = open_sources(path)
        assert source.image is None
        assert source.error


def test_cameras_are_numbers():
    assert has_camera(0)
    assert has_camera(['a.jpg', np.int64(1)])
    assert has_camera('RTSP://camera.local/live')
    assert not has_camera('0')
    assert not has_camera(iter([0]))
    assert not has_camera([np.zeros((2, 2, 3), np.uint8), 'http://server/v.mp4'])


def test_frames_wait_for_faces_that_are_found_late():
    """One is added to the frame before; live frames, photos and what failed do not wait, and the order stays."""

    class Late:
        past = deque(maxlen=2)

        def __call__(self, img, name, seconds, is_live):
            if name == 'damaged':
                raise ValueError('no image')
            if seconds is None or is_live:
                self.past.clear()
                return ['face']
            if self.past:
                self.past[-1].append('late')
            self.past.append(['face'])
            return self.past[-1]

    image = np.zeros((2, 2, 3), np.uint8)
    video = [Source('v', image, frame=i, time=i / 30) for i in range(4)]
    others = [Source('photo', image), Source('damaged', image), Source('camera', image, time=0.0, is_live=True)]
    asked = []
    found = find_faces((asked.append(each.name) or each for each in [*video, *others]), Late())
    assert (next(found)[0], len(asked)) == (video[0], 3)
    assert [(each, len(faces)) for each, faces in found] == [
        *((video[1], 2), (video[2], 2), (video[3], 1)),
        *((others[0], 1), (others[1], 0), (others[2], 1)),
    ]
    assert others[1].error == 'damaged: no image'
