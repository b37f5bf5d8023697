"""The frontend's scripts and styles, compressed once and kept: Streamlit sends them as they are, 5 MB for a page with a figure.

Only where hosted. On the own computer there is no line to save, and compressing would only delay the first page.
"""

import gzip
from collections.abc import MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIX = "/static/"
_ENDINGS = (".js", ".css")
_LEVEL = 6
_MOST_KEPT = 1000
"""Files; those of the frontend are about 300, each under a name that changes with its content."""


class Compressed:
    """Answers requests for scripts and styles with gzip, where the browser takes it; passes everything else on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[str, tuple[list[tuple[bytes, bytes]], bytes]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _wanted(scope):
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        if path not in self._kept:
            start, body = await self._answer(scope, receive)
            if not _whole(start, body) or len(self._kept) >= _MOST_KEPT:
                await send(start)
                await send({"type": "http.response.body", "body": body})
                return
            packed = await run_in_threadpool(gzip.compress, body, _LEVEL, mtime=0)
            self._kept[path] = (_headers(start, len(packed)), packed)
        headers, packed = self._kept[path]
        response = Response(packed)
        response.raw_headers = headers
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[MutableMapping[str, Any], bytes]:
        """What the server would have sent. Never a 304 or a part: what is kept must be the whole file."""
        start: MutableMapping[str, Any] = {}
        parts: list[bytes] = []

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        asked = [(name, value) for name, value in scope["headers"] if name not in (b"if-none-match", b"if-modified-since")]
        await self._app({**scope, "headers": asked}, receive, take)
        return start, b"".join(parts)


def _wanted(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    headers = Headers(scope=scope)
    encodings = [part.partition(";")[0].strip() for part in headers.get("accept-encoding", "").split(",")]
    path = scope["path"]
    return path.startswith(_PREFIX) and path.endswith(_ENDINGS) and "gzip" in encodings and "range" not in headers


def _whole(start: MutableMapping[str, Any], body: bytes) -> bool:
    """True where the answer is a whole file as it lies on the disk; one that a visitor cut by leaving must not be kept."""
    headers = Headers(raw=start["headers"])
    return start["status"] == 200 and headers.get("content-length") == str(len(body)) and "content-encoding" not in headers


def _headers(start: MutableMapping[str, Any], length: int) -> list[tuple[bytes, bytes]]:
    headers = MutableHeaders(raw=list(start["headers"]))
    # An ETag names the bytes that are sent, and these are others.
    for name in ("etag", "accept-ranges"):
        if name in headers:
            del headers[name]
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(length)
    headers.add_vary_header("Accept-Encoding")
    return headers.raw
