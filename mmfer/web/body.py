"""Requests whose body does not arrive, or is too long, are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.formparsers import MultiPartException


class TimedBody:
    """ASGI middleware: the body of a request arrives within a time, and is not longer than allowed.

    Otherwise what reads the body gets the error of a malformed form, after which gradio deletes what it has written of
    the file; after any other error it would leave that behind.
    """

    def __init__(self, app: Any, max_bytes: int, seconds: float) -> None:
        self.app, self.max_bytes, self.seconds = app, max_bytes, seconds

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope['type'] != 'http' or scope['method'] in ('GET', 'HEAD'):
            await self.app(scope, receive, send)
            return
        end = asyncio.get_running_loop().time() + self.seconds
        size, is_whole = 0, False

        async def timed() -> dict:
            nonlocal size, is_whole
            if is_whole:  # what follows is the end of the connection, whenever that is
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), end - asyncio.get_running_loop().time())
            except asyncio.TimeoutError:
                raise MultiPartException(f'The picture did not arrive within {self.seconds:g} s.') from None
            if message['type'] == 'http.disconnect':
                raise MultiPartException('The picture did not arrive whole.')
            size += len(message.get('body', b''))
            if size > self.max_bytes:
                raise MultiPartException('The file exceeds the maximum allowed size.')
            is_whole = not message.get('more_body', False)
            return message

        await self.app(scope, timed, send)
