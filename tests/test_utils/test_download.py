import hashlib
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mmfer.utils.download import FILES, RemoteFile, fetch, is_there, known_file

CONTENT = bytes(range(256)) * 600
FILE = RemoteFile(
    'thing', 'thing.bin', 'http://127.0.0.1:9/thing', hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), 'x'
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'cache'))
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / 'cache'


@contextmanager
def serving(content, status=200, length=None):
    """The address of a server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.send_header('Content-Length', str(len(content) if length is None else length))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = HTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.02))
    thread.start()
    try:
        yield f'http://127.0.0.1:{server.server_port}/thing'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def entries(cache):
    return sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


def test_a_download(cache):
    with serving(CONTENT) as url:
        path = fetch(replace(FILE, url=url))
    assert path == cache / 'thing.bin'
    assert path.read_bytes() == CONTENT
    assert entries(cache) == ['thing.bin']
    assert is_there(FILE)
    assert fetch(FILE) == path  # nothing to download: its address answers nobody


@pytest.mark.parametrize(
    'content', [CONTENT[:-1] + b'\1', CONTENT[:1000], b'', CONTENT + b'\0', b'\n<!DOCTYPE html><html>']
)
def test_what_is_not_the_file(content, cache, tmp_path):
    with serving(content) as url, pytest.raises(ValueError, match=r'/thing is not thing\.bin.* Nothing was kept'):
        fetch(FILE, url=url)
    copy = tmp_path / 'copy'
    copy.write_bytes(content)
    with pytest.raises(ValueError, match=r'copy is not thing\.bin'):
        fetch(FILE, copy=copy)
    assert entries(cache) == []


def test_no_network_no_such_page_and_a_connection_that_breaks_off(cache):
    with pytest.raises(OSError, match=r'cannot download http://127\.0\.0\.1:9/thing: .* mmfer download thing --from'):
        fetch(FILE)
    with serving(b'', status=404) as url, pytest.raises(OSError, match='404'):
        fetch(FILE, url=url)
    with serving(CONTENT[:5000], length=len(CONTENT)) as url, pytest.raises((OSError, ValueError)):
        fetch(FILE, url=url)
    assert entries(cache) == []


@pytest.mark.parametrize('url', ['file:///etc/hostname', 'ftp://a/b', '/etc/hostname', 'thing.bin'])
def test_addresses_of_other_kinds(url):
    with pytest.raises(ValueError, match='no address of the web'):
        fetch(FILE, url=url)


def test_a_copy(cache, tmp_path):
    copy = tmp_path / 'copy'
    copy.write_bytes(CONTENT)
    assert fetch(FILE, copy=copy).read_bytes() == CONTENT
    assert copy.is_file()
    with pytest.raises(FileNotFoundError, match='nowhere'):
        fetch(replace(FILE, file='other.bin'), copy=tmp_path / 'nowhere')
    assert entries(cache) == ['thing.bin']


def test_a_folder_with_the_file(cache, tmp_path):
    (tmp_path / 'thing.bin').write_bytes(CONTENT)
    assert fetch(FILE, copy=tmp_path).read_bytes() == CONTENT
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty.*other.bin'):
        fetch(replace(FILE, file='other.bin'), copy=tmp_path / 'empty')


def test_another_file_in_its_place(cache, tmp_path):
    cache.mkdir()
    (cache / 'thing.bin').write_bytes(b'mine')
    (tmp_path / 'copy').write_bytes(CONTENT)
    assert not is_there(FILE)
    with pytest.raises(ValueError, match=r'thing\.bin is there, but .* Remove it, or add --force'):
        fetch(FILE, copy=tmp_path / 'copy')
    with pytest.raises(OSError, match='cannot download'):
        fetch(FILE, force=True)
    assert (cache / 'thing.bin').read_bytes() == b'mine'
    assert fetch(FILE, copy=tmp_path / 'copy', force=True).read_bytes() == CONTENT


def test_a_folder_in_its_place(cache):
    (cache / 'thing.bin').mkdir(parents=True)
    with pytest.raises(ValueError, match='Remove it'):
        fetch(FILE, force=True)


def test_known_files():
    from mmfer.faces.yunet import default_model

    assert default_model() == known_file('yunet').path
    with pytest.raises(ValueError, match="unknown file 'resnet'; known are yunet"):
        known_file('resnet')
    for name, file in FILES.items():
        assert name == file.name
        assert file.url.startswith('https://')
        assert len(file.sha256) == 64


def test_the_pinned_checksum_is_that_of_the_file(cache):
    from processes import ROOT

    real = ROOT.parent / 'shared' / 'weights' / 'face_detection_yunet_2023mar.onnx'
    if not real.is_file():
        pytest.skip(f'needs ../shared/weights/{real.name}')
    assert fetch(known_file('yunet'), copy=real).name == real.name
