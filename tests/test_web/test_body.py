import asyncio

import pytest

pytest.importorskip('starlette')  # which comes with gradio
from starlette.formparsers import MultiPartException  # noqa: E402

from mmfer.web.body import TimedBody  # noqa: E402


def send(parts, method='POST', seconds=0.05):
    """What the application behind it reads of the messages ``parts``, and whether it then waits for the end."""
    waiting = iter(parts)

    async def receive():
        message = next(waiting, None)
        return message if message is not None else await asyncio.sleep(0.2, dict(type='http.disconnect'))

    async def read(scope, receive, send):
        body = b''
        while True:
            message = await receive()
            body += message.get('body', b'')
            if not message.get('more_body'):
                break
        got.append((body, (await receive())['type']))

    got = []
    asyncio.run(TimedBody(read, max_bytes=8, seconds=seconds)(dict(type='http', method=method), receive, None))
    return got[0]


def part(body, more=True):
    return dict(type='http.request', body=body, more_body=more)


@pytest.mark.parametrize('method', ['POST', 'GET'])
def test_what_arrives_goes_through_and_the_end_may_take_its_time(method):
    assert send([part(b'1234'), part(b'5678', False)], method) == (b'12345678', 'http.disconnect')


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        ([part(b'1234')], 'did not arrive within 0.05 s'),
        ([part(b'1234'), dict(type='http.disconnect')], 'did not arrive whole'),
        ([part(b'1234'), part(b'56789')], 'maximum allowed size'),
    ],
)
def test_what_does_not_arrive_or_is_too_long_is_a_malformed_form(parts, message):
    with pytest.raises(MultiPartException) as caught:
        send(parts)
    assert message in caught.value.message
