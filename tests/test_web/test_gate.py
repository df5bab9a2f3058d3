import asyncio
import json

import pytest

from mmfer.web.documents import Documents
from mmfer.web.gate import MESSAGE, Gate
from mmfer.web.looker import Looker
from mmfer.web.pictures import Limits


async def behind(scope, receive, send):
    """The application behind the gate: says what it got."""
    body = (await receive())['body'] if scope['method'] == 'POST' else b''
    headers = [(b'content-type', b'text/plain'), (b'X-Content-Type-Options', b'other')]
    await send(dict(type='http.response.start', status=200, headers=headers))
    await send(dict(type='http.response.body', body=b'behind: ' + body))


def ask(gate, path, data=None, method=None, chunk=None, told_length=True, **headers):
    """(status, headers, body) of a request; ``chunk`` bytes at a time."""
    path, _, query = path.partition('?')
    data = b'' if data is None else data
    names = [(name.replace('_', '-').encode(), value.encode()) for name, value in headers.items()]
    if told_length and data:
        names.append((b'content-length', str(len(data)).encode()))
    scope = dict(type='http', method=method or ('POST' if data else 'GET'), path=path, query_string=query.encode())
    scope['headers'] = names
    parts = [data[i : i + (chunk or len(data))] for i in range(0, len(data), chunk or len(data))] if data else [b'']
    taken, sent = [], []

    async def receive():
        part = parts[len(taken)]
        taken.append(part)
        return dict(type='http.request', body=part, more_body=len(taken) < len(parts))

    async def send(message):
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    body = b''.join(message.get('body', b'') for message in sent[1:])
    return sent[0]['status'], dict(sent[0]['headers']), body, len(taken)


@pytest.fixture
def gate(looker, tmp_path):
    (tmp_path / 'app.md').write_text('# Page')
    return Gate(behind, looker, Documents(tmp_path))


def answered(gate, *args, **options):
    status, headers, body, _ = ask(gate, *args, **options)
    assert headers[b'content-type'].startswith(b'application/json')
    assert headers[b'cache-control'] == b'no-store'
    return status, json.loads(body)


def test_a_picture_is_answered(gate, looker, wide, square):
    status, told = answered(gate, '/look', wide, chunk=50)
    assert (status, len(told['faces'])) == (200, 2)
    assert looker.judge(told['token'], 1.0) is not None
    assert len(answered(gate, '/look?one_face=1', square)[1]['faces']) == 1
    assert answered(gate, '/look?one_face=0', square)[1]['faces'] == []
    assert answered(gate, '/look?example=0', method='POST')[0] == 200


@pytest.mark.parametrize('example', ['7', '-1', 'x', '', '99999999999999999999', '%00', '²'])
def test_examples_that_are_not_there(gate, example):
    status, told = answered(gate, f'/look?example={example}', method='POST')
    assert status == 422
    assert 'There is no such example.' in told['error'] or not example


def test_bad_files_get_one_sentence(gate, wide):
    for data in (b'', b'no image', wide[:-30], b'\x00' * 2000):
        status, told = answered(gate, '/look', data, method='POST')
        assert status == 422
        assert told['error'].endswith('.')
        assert 'Traceback' not in told['error']


def test_large_files_are_refused_as_soon_as_that_is_known(looker, tmp_path):
    gate = Gate(behind, Looker(looker.inferencer, Limits(max_bytes=1000)), Documents(tmp_path))
    for told_length, taken in ((True, 0), (False, 11)):
        status, _, body, parts = ask(gate, '/look', bytes(100_000), chunk=100, told_length=told_length)
        assert (status, parts) == (422, taken)
        assert b'limit' in body


def test_faults_are_told_to_the_terminal_and_not_to_the_browser(gate, looker, wide, monkeypatch, capfd):
    def fail(*args):
        raise RuntimeError('secret path')

    monkeypatch.setattr(looker, 'look', fail)
    status, told = answered(gate, '/look', wide)
    assert status == 500
    assert 'secret' not in told['error']
    assert 'RuntimeError: secret path' in capfd.readouterr().err
    assert gate.waiting == 0


def test_who_comes_when_many_wait_is_asked_to_try_again(gate, wide):
    gate.waiting = gate.max_waiting
    status, told = answered(gate, '/look', wide)
    assert (status, told['error']) == (503, 'Many pictures are waiting: try again in a moment.')
    gate.waiting = 0
    assert answered(gate, '/look', wide)[0] == 200
    assert gate.waiting == 0


@pytest.mark.parametrize(
    ('method', 'path'),
    [
        ('POST', '/gradio_api/upload'),
        ('POST', '/upload'),
        ('POST', '/gradio_api/process_recording'),
        ('POST', '/gradio_api/component_server'),
        ('POST', '/gradio_api/stream/1'),
        ('GET', '/gradio_api/file=/etc/passwd'),
        ('GET', '/gradio_api/proxy=https://example.org'),
        ('GET', '/gradio_api/deep_link'),
        ('GET', '/gradio_api/runs'),
        ('GET', '/look'),
        ('PUT', '/'),
        ('POST', '/'),
    ],
)
def test_what_the_page_does_not_need_is_not_there(gate, method, path):
    status, _, body, taken = ask(gate, path, b'x' if method != 'GET' else None, method)
    assert (status, taken) == (404, 0)
    assert b'behind' not in body


def test_the_rest_goes_through_with_a_policy(gate):
    for path in ('/', '/config', '/assets/a.js', '/gradio_api/queue/data', '/gradio_api/heartbeat/1'):
        status, headers, body, _ = ask(gate, path)
        assert (status, body) == (200, b'behind: ')
    assert headers[b'x-content-type-options'] == b'nosniff'
    assert b'X-Content-Type-Options' not in headers
    policy = headers[b'content-security-policy'].decode()
    assert "default-src 'self'" in policy
    assert 'http' not in policy
    status, _, body, _ = ask(gate, '/gradio_api/queue/join', b'{"data": []}', chunk=4)
    assert (status, body) == (200, b'behind: {"data": []}')
    assert ask(gate, '/gradio_api/queue/join', bytes(MESSAGE + 1))[0] == 413


def test_other_pages_cannot_ask(gate, wide):
    assert ask(gate, '/look', wide, sec_fetch_site='cross-site')[0] == 403
    assert ask(gate, '/look', wide, sec_fetch_site='same-origin')[0] == 200
    assert ask(gate, '/gradio_api/queue/join', b'{}', sec_fetch_site='same-site')[0] == 403
    assert ask(gate, '/', sec_fetch_site='cross-site')[0] == 200  # a link on another page


def test_the_documentation(gate):
    status, headers, body, _ = ask(gate, '/docs/app.md')
    assert (status, headers[b'content-type']) == (200, b'text/html; charset=utf-8')
    assert b'<h1>Page</h1>' in body
    assert ask(gate, '/docs/../../etc/passwd')[0] == 404
