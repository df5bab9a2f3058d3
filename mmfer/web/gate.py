"""What the server answers: the page, pictures sent to be looked at, the documentation, and nothing else.

It stands before gradio, whose own upload route would write files.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from .documents import Documents
from .looker import Looker
from .pictures import PictureError

GET = (
    *('/', '/config', '/theme.css', '/favicon.ico', '/robots.txt', '/manifest.json'),
    *('/gradio_api/info', '/gradio_api/app_id', '/gradio_api/startup-events', '/gradio_api/queue/data'),
)
GET_BELOW = ('/assets/', '/static/', '/svelte/', '/gradio_api/call/', '/gradio_api/heartbeat/')
POST = ('/gradio_api/queue/join', '/gradio_api/cancel', '/gradio_api/reset')
POST_BELOW = ('/gradio_api/call/',)
MESSAGE = 64 * 1024  # bytes of a message that is no picture
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Whom the browser may ask: this server alone."""
HEADERS = {
    b'content-security-policy': POLICY.encode(),
    b'referrer-policy': b'no-referrer',
    b'x-content-type-options': b'nosniff',
}


class Gate:
    """ASGI middleware: ``POST look`` takes a picture, other requests are let through to gradio if the page needs them.

    Args:
        app: The application behind it.
        looker: Who looks at the pictures.
        documents: The pages below ``docs``.
        max_waiting: Pictures that may wait at a time; who comes later is asked to try again.
    """

    def __init__(self, app: Any, looker: Looker, documents: Documents, max_waiting: int = 16) -> None:
        self.app, self.looker, self.documents, self.max_waiting = app, looker, documents, max_waiting
        self.waiting = 0

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope['type'] == 'lifespan':
            await self.app(scope, receive, send)
            return
        if scope['type'] != 'http':
            await send(dict(type='websocket.close', code=1008))
            return

        async def guarded(message: dict) -> None:
            if message['type'] == 'http.response.start':
                own = [(name, value) for name, value in message.get('headers', []) if name.lower() not in HEADERS]
                message = dict(message, headers=[*own, *HEADERS.items()])
            await send(message)

        method, path = scope['method'], scope['path']
        headers = {name.lower(): value for name, value in scope['headers']}
        if headers.get(b'sec-fetch-site', b'none') not in (b'none', b'same-origin') and method == 'POST':
            await _reply(guarded, 403, 'This request comes from another page.')
        elif method == 'POST' and path == '/look':
            await self._look(scope, headers, receive, guarded)
        elif method == 'GET' and path.startswith('/docs/'):
            page = await asyncio.to_thread(self.documents.page, path[len('/docs/') :])
            await _reply(guarded, 200 if page else 404, page or 'There is no such page.')
        elif _is_needed(method, path):
            await self._pass(scope, headers, receive, guarded)
        else:
            await _reply(guarded, 404, 'There is nothing here. Files are not taken in this way.')

    async def _pass(self, scope: dict, headers: dict, receive: Callable, send: Callable) -> None:
        """To gradio, with what was sent if that is short."""
        if scope['method'] != 'POST':
            await self.app(scope, receive, send)
            return
        try:
            body = await _read(headers, receive, MESSAGE)
        except PictureError:
            await _reply(send, 413, 'This message is too long.')
            return
        told = False

        async def again() -> dict:
            nonlocal told
            if told:
                return await receive()
            told = True
            return dict(type='http.request', body=body, more_body=False)

        await self.app(scope, again, send)

    async def _look(self, scope: dict, headers: dict, receive: Callable, send: Callable) -> None:
        query = parse_qs(scope['query_string'].decode('ascii', 'replace'))
        if self.waiting >= self.max_waiting:
            await _reply(send, 503, dict(error='Many pictures are waiting: try again in a moment.'))
            return
        self.waiting += 1
        try:
            if 'example' in query:
                number = query['example'][0]
                look = [self.looker.look_at_example, int(number) if number.isdecimal() and len(number) < 6 else -1]
            else:
                limits = self.looker.limits
                if headers.get(b'content-length', b'').isdigit():
                    limits.check_bytes(int(headers[b'content-length']))
                data = await _read(headers, receive, limits.max_bytes)
                look = [self.looker.look, data, query.get('one_face') == ['1']]
            answer, code = await asyncio.to_thread(*look), 200
        except PictureError as error:
            answer, code = dict(error=str(error)), 422
        except Exception:
            traceback.print_exc()
            message = 'This picture could not be looked at: the terminal of the server says why.'
            answer, code = dict(error=message), 500
        finally:
            self.waiting -= 1
        await _reply(send, code, answer)


def _is_needed(method: str, path: str) -> bool:
    if method == 'POST':
        return path in POST or path.startswith(POST_BELOW)
    return method in ('GET', 'HEAD') and (path in GET or path.startswith(GET_BELOW))


async def _read(headers: dict, receive: Callable, limit: int) -> bytes:
    """The body of a request, in memory.

    Raises:
        PictureError: If it is longer than ``limit``, as soon as that is known.
    """
    parts, size = [], 0
    while True:
        message = await receive()
        if message['type'] == 'http.disconnect':
            raise PictureError('The picture did not arrive whole.')
        parts.append(message.get('body', b''))
        size += len(parts[-1])
        if size > limit:
            raise PictureError(f'The file has more than the limit of {limit / 1e6:g} MB: make the picture smaller.')
        if not message.get('more_body'):
            return b''.join(parts)


async def _reply(send: Callable, status: int, content: Any) -> None:
    is_page = isinstance(content, str) and content.startswith('<!')
    kind = 'application/json' if isinstance(content, dict) else 'text/html' if is_page else 'text/plain'
    data = (json.dumps(content) if isinstance(content, dict) else content).encode()
    headers = [
        (b'content-type', f'{kind}; charset=utf-8'.encode()),
        (b'content-length', str(len(data)).encode()),
        (b'cache-control', b'no-store'),
    ]
    await send(dict(type='http.response.start', status=status, headers=headers))
    await send(dict(type='http.response.body', body=data))
