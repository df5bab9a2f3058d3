"""The page on a real server, asked by gradio's own client and by plain HTTP (httpx comes with gradio)."""

import json
import os
import re
import socket
import threading
from types import SimpleNamespace

import pytest

gradio = pytest.importorskip('gradio', reason='gradio is not installed: python -m pip install -r requirements/demo.txt')
import httpx  # noqa: E402
from gradio_client import Client, handle_file  # noqa: E402

from mmfer.inference.inferencer import ExpressionInferencer  # noqa: E402
from mmfer.web.page import GONE, _explanation, build_page, serve  # noqa: E402


@pytest.fixture(scope='module')
def page(inferencer, example):
    """The page on a free port."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ('GRADIO_TEMP_DIR', 'GRADIO_ANALYTICS_ENABLED'):
            patch.setenv(name, '')  # and back afterwards
        page = serve(inferencer, [example], port=0, max_bytes=10_000, block=False)
        yield page
        page.close()


@pytest.fixture
def file(wide, tmp_path):
    path = tmp_path / 'wide.png'
    path.write_bytes(wide)
    return handle_file(str(path))


def upload(page, data):
    """(status, text) of an upload."""
    answer = httpx.post(page.local_url + 'gradio_api/upload', files=[('files', ('a.png', data))])
    return answer.status_code, answer.text


def call(page, picture, one_face=False):
    """What is sent back for the form of a page: summary, stage and cards."""
    url = page.local_url + 'gradio_api/call/look'
    event = httpx.post(url, json=dict(data=[picture, one_face, 1.39])).json()['event_id']
    stream = httpx.get(f'{url}/{event}', timeout=60).text
    return json.loads(stream.split('event: complete\ndata: ')[1].split('\n')[0])[1:] if 'complete' in stream else None


def send(page, data, one_face=False):
    """The same for a file, which is uploaded."""
    path = json.loads(upload(page, data)[1])[0]
    return call(page, dict(path=path, meta=dict(_type='gradio.FileData')), one_face)


def stall(page):
    """An upload of which half arrives."""
    connection = socket.create_connection(('127.0.0.1', page.server_port), timeout=30)
    head = 'POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n'
    form = 'Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n'
    file = 'Content-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    connection.sendall((head + form + file).encode() + bytes(3000))
    return connection


def test_from_a_picture_to_an_answer_and_another_threshold(page, inferencer, file):
    client = Client(page.local_url, verbose=False)
    summary, stage, cards = client.predict(file, False, 1.39, api_name='/look')
    assert '2 faces</b>, all answered' in summary
    assert '2 faces in boxes' in stage
    assert 'green' in cards
    calls = len(inferencer.classifier.batches)
    assert '1 answered, 1 too uncertain' in client.predict(1.0, api_name='/judge')[0]
    assert len(inferencer.classifier.batches) == calls
    assert 'with probability' in client.predict(file, True, 1.39, api_name='/look')[0]


def test_what_is_no_picture_gets_a_sentence_that_stays(page, tmp_path):
    (tmp_path / 'a.png').write_text('no picture')
    client = Client(page.local_url, verbose=False)
    for values, api in ((handle_file(str(tmp_path / 'a.png')), False, 1.0), '/look'), ((1.1,), '/judge'):
        summary, *others = client.predict(*values, api_name=api)
        assert 'mm-error' in summary
        assert 'This file cannot be read' in summary
        assert others == ['', '']


def test_faults_are_told_to_the_terminal_and_not_to_the_browser(page, inferencer, wide, monkeypatch, capfd):
    monkeypatch.setattr(inferencer, 'detector', lambda image: 1 / 0)
    summary, *_ = send(page, wide)
    assert 'could not be looked at' in summary
    assert 'division' not in summary
    assert 'ZeroDivisionError' in capfd.readouterr().err


def test_twenty_people_are_answered_while_uploads_stall(page, wide):
    stalled, answers = [stall(page) for _ in range(16)], []

    def visit(number):
        answers.append((number % 2, '2 faces' in send(page, wide, one_face=number % 2 == 0)[0]))

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == 10 * [(0, False)] + 10 * [(1, True)]
    for connection in stalled:
        connection.close()


def test_large_files_are_refused(page):
    for size in (10_001, 100_000):
        status, text = upload(page, bytes(size))
        assert status == 413, text
        assert 'maximum allowed size' in text


@pytest.mark.parametrize('meta', [{}, dict(meta=dict(_type='gradio.FileData'))])
def test_only_uploaded_files_are_read(page, meta, root):
    answer = call(page, dict(path=str(root / 'docs/images/app.png'), **meta))
    assert answer is None or GONE in answer[0]


def test_pictures_are_deleted(page):
    assert page.delete_cache == (60, 600)
    look = next(fn.fn for fn in page.fns.values() if fn.api_name == 'look')
    assert GONE in look(dict(path=page.folder.name + '/gone.png'), False, 1.0)[1]
    assert os.stat(page.folder.name).st_mode & 0o077 == 0


def test_an_example_is_answered_and_the_box_leaves_it(inferencer, example):
    functions = {fn.name: fn.fn for fn in build_page(inferencer, [example]).fns.values()}
    picture, answer, summary, _, cards = functions['ask_example'](1.39, SimpleNamespace(index=0))
    assert picture is None
    assert answer.truth == example.truth
    assert 'red' in summary
    assert 'mm-truth' in cards
    assert functions['ask'](None, True, 1.39) == 4 * (gradio.skip(),)


def test_the_page_asks_no_other_host_and_counts_nobody(page):
    html, config, style = (httpx.get(page.local_url + path).text for path in ('', 'config', 'theme.css'))
    config = json.loads(config)
    assert (config['analytics_enabled'], config['run_history']) == (False, False)
    assert os.environ['GRADIO_ANALYTICS_ENABLED'] == 'False'
    assert not re.search(r'(src|href)="(https?:)?//', html)
    assert 'googleapis' not in html + json.dumps(config) + style
    assert (page.share_url, page.server_name) == (None, '127.0.0.1')
    slider = next(c['props'] for c in config['components'] if c['type'] == 'slider')
    assert (slider['value'], slider['minimum'], slider['maximum']) == (0.9, 0, 1.39)


@pytest.mark.parametrize(('host', 'port'), [('127.0.0.1', None), ('127.0.0.1', 70_000), ('203.0.113.1', 0)])
def test_ports_and_addresses_that_cannot_be_used(inferencer, host, port):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1] if port is None else port
        expected = rf'^port {port} of {host} cannot be used \(.+\): choose another --port or --host$'
        with pytest.raises(OSError, match=expected):
            serve(inferencer, host=host, port=port, block=False)


@pytest.mark.parametrize(
    ('threshold', 'expected'), [('auto', 'starts at 0.90 nats'), (0.3, 'starts at 0.30 nats'), (None, 'None was')]
)
def test_where_the_threshold_comes_from(inferencer, threshold, expected):
    text = _explanation(ExpressionInferencer(inferencer.classifier, detector=None, threshold=threshold))
    assert expected in text
    assert '1.39 nats (log 4)' in text
    assert 'deleted 10 minutes later' in text
