"""The page on a real server, asked by plain HTTP, as a browser would."""

import importlib.util
import json
import os
import re
import socket
import sys
import threading
import urllib.error
import urllib.request

import pytest

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.web.page import _explanation, check_gradio, serve

HAS_GRADIO = pytest.mark.skipif(
    importlib.util.find_spec('gradio') is None,
    reason='gradio is not installed: python -m pip install -r requirements/demo.txt',
)
WRITTEN = []  # paths of files that were opened for writing while somebody listens
LISTENING = threading.Event()


def note_writing(event, arguments):
    """An audit hook: hooks cannot be taken away, so this one listens only when asked."""
    if LISTENING.is_set() and event == 'open':
        path, _, flags = arguments
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            WRITTEN.append(path)


@pytest.fixture(scope='module')
def page(make_looker, tmp_path_factory):
    """The page of the tiny model on a free port, its temporary files in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('temporary')
        patch.setenv('GRADIO_TEMP_DIR', str(folder))
        patch.setenv('GRADIO_ANALYTICS_ENABLED', 'True')
        page = serve(make_looker(), port=0, docs=folder.parent, block=False)
        page.temporary = folder
        yield page
        page.close()


def ask(page, path, data=None, headers=()):
    request = urllib.request.Request(page.local_url + path, data, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def judge(page, token, threshold):
    """Summary, stage and cards, by gradio's own way of asking."""
    data = json.dumps(dict(data=[token, threshold])).encode()
    status, body = ask(page, 'gradio_api/call/judge', data, {'Content-Type': 'application/json'})
    assert status == 200, body
    _, stream = ask(page, f'gradio_api/call/judge/{json.loads(body)["event_id"]}')
    assert b'event: complete' in stream, stream
    return json.loads(stream.decode().split('event: complete\ndata: ')[1].split('\n')[0])


@HAS_GRADIO
def test_from_a_picture_to_an_answer(page, wide, square):
    told = json.loads(ask(page, 'look', wide)[1])
    summary, stage, cards = judge(page, told['token'], 1.1)
    assert '2 faces</b>, all answered' in summary
    assert 'happiness' in cards
    assert told['token'] in stage
    assert told['token'] in cards
    assert '1 answered, 1 too uncertain' in judge(page, told['token'], 0.5)[0]
    assert 'no longer kept' in judge(page, 'unknown', 0.5)[0]
    assert judge(page, '', 0.5)[2] == ''
    assert judge(page, 7, 0.5)[2] == ''
    told = json.loads(ask(page, 'look?example=0', b'')[1])
    assert 'mm-truth' in judge(page, told['token'], 1.1)[2]


@HAS_GRADIO
def test_nothing_is_written_to_disk(page, wide, square):
    sys.addaudithook(note_writing)
    LISTENING.set()
    try:
        for data in (wide, square, b'no image', wide[:-20], 300 * wide):
            body = json.loads(ask(page, 'look', data)[1])
            if 'token' in body:
                judge(page, body['token'], 0.5)
        form = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + wide + b'\r\n--x--\r\n'
        )
        kind = {'Content-Type': 'multipart/form-data; boundary=x'}
        assert ask(page, 'gradio_api/upload', form, kind)[0] == 404
        open(os.devnull, 'w').close()  # the hook does notice
    finally:
        LISTENING.clear()
    assert WRITTEN.pop() == os.devnull
    assert WRITTEN == []
    assert [path for path in page.temporary.rglob('*') if path.is_file()] == []


@HAS_GRADIO
def test_several_people_at_a_time(page, wide, square):
    answers = {}

    def visit(number):
        told = json.loads(ask(page, 'look?one_face=1', square if number % 2 else wide)[1])
        answers[number] = judge(page, told['token'], 1.1)[0]

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [('sadness' in answers[number]) for number in range(6)] == [False, True] * 3


@HAS_GRADIO
def test_the_page_asks_no_other_host_and_counts_nobody(page):
    status, body = ask(page, '')
    html = body.decode()
    assert status == 200
    config = json.loads(ask(page, 'config')[1])
    assert config['analytics_enabled'] is False
    assert config['run_history'] is False
    assert os.environ['GRADIO_ANALYTICS_ENABLED'] == 'False'
    assert not re.search(r'(src|href)="(https?:)?//', html)
    assert 'googleapis' not in html + json.dumps(config) + ask(page, 'theme.css')[1].decode()
    assert page.share_url is None


@HAS_GRADIO
def test_only_this_computer_is_served(page):
    assert page.local_url.startswith('http://127.0.0.1:')
    assert page.server_name == '127.0.0.1'


@HAS_GRADIO
def test_controls_have_names(page):
    config = json.loads(ask(page, 'config')[1])
    picker = next(c['props']['html_template'] for c in config['components'] if c['props'].get('elem_id') == 'mm-picker')
    assert picker.count('<button type="button"') == 4  # open, take, close, and the example
    assert 'role="status"' in picker
    slider = next(c['props'] for c in config['components'] if c['type'] == 'slider')
    assert (slider['value'], slider['minimum'], slider['maximum']) == (0.5, 0, 1.1)
    assert 'Abstain' in slider['label']


@pytest.mark.parametrize(('host', 'port'), [('127.0.0.1', None), ('127.0.0.1', 70_000), ('203.0.113.1', 0)])
def test_ports_and_addresses_that_cannot_be_used(looker, host, port):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1] if port is None else port
        with pytest.raises(
            OSError, match=rf'^port {port} of {host} cannot be used \(.+\): choose another --port or --host$'
        ):
            serve(looker, host, port, block=False)


def test_without_gradio_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr('importlib.util.find_spec', lambda name: None)
    monkeypatch.setenv('GRADIO_ANALYTICS_ENABLED', 'True')
    with pytest.raises(ValueError, match='pip install -r requirements/demo.txt'):
        check_gradio()


def test_where_the_threshold_comes_from(classifier):
    for threshold, expected in (
        ('auto', 'fitted on a validation'),
        (0.3, 'started this page chose'),
        (None, 'None was'),
    ):
        text = _explanation(ExpressionInferencer(classifier, detector=None, threshold=threshold))
        assert expected in text
    assert '1.10 nats (log 3)' in text
