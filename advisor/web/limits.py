"""Limits of the server: what may be asked from where, how large, how often. One ASGI layer around everything.

Whose request it is says the connection, or `X-Forwarded-For` where the connection is a trusted proxy's: uvicorn works that
out (its `forwarded_allow_ips`), and `serve` gives it the proxies of ADVISOR_TRUSTED_PROXIES and nobody else.
"""

import asyncio
import json
import time
from collections import Counter as Tally
from collections.abc import Mapping

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from advisor.networks import network_of
from advisor.settings import Settings
from advisor.units import KIB, MIB
from advisor.web.metrics import METRICS, group_of, method_of

MOST_BYTES = 64 * KIB
"""The largest body of a question."""
MOST_REPORT_BYTES = 2 * MIB
BODY_SECONDS = 15.0
"""A body that is not whole after this is given up."""
_REPORTS = "/api/v1/reports"
_LIMITED = ("/api/", "/r/")
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Refusal(Exception):  # noqa: N818 - not an error of ours: an answer
    """A request that is not passed on: its status and one sentence."""

    def __init__(self, status: int, sentence: str, **headers: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers


class Limits:
    """The layer. Hosted, it also counts requests and open pages by address."""

    def __init__(self, app: ASGIApp, settings: Settings, body_seconds: float = BODY_SECONDS) -> None:
        self.app, self.settings, self.body_seconds = app, settings, body_seconds
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._rate = RateLimitItemPerMinute(settings.rate_per_minute)
        self._open: Tally[str] = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._session(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _session(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of(scope)
        if self.settings.hosted and self._open[address] >= self.settings.sessions_per_address:
            METRICS.refused.labels("sessions").inc()
            await send({"type": "websocket.close", "code": 1013})  # before it was accepted: the browser sees 403
            return
        self._open[address] += 1
        METRICS.sessions.inc()
        try:
            await self.app(scope, receive, send)
        finally:
            METRICS.sessions.dec()
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in _HEADERS if pair[0] not in given)]
            await send(message)

        try:
            if scope["path"].startswith(_LIMITED):
                receive = await self._checked(scope, receive)
            await self.app(scope, receive, answer)
        except Refusal as refusal:
            METRICS.refused.labels(str(refusal.status)).inc()
            await _refuse(refusal, answer)
        finally:
            METRICS.requests.labels(group_of(scope["path"]), method_of(scope["method"]), str(status)).inc()
            METRICS.seconds.labels(group_of(scope["path"])).observe(time.perf_counter() - began)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """What the request is read from, whole and within the limits. Raises Refusal."""
        if not scope["path"].isprintable():
            raise Refusal(400, "the address holds signs that cannot be printed")
        if self.settings.hosted and not self._limiter.hit(self._rate, address_of(scope)):
            raise Refusal(429, "too many requests from this address; try again in a minute", **{"retry-after": "60"})
        if scope["method"] in _SAFE:
            return receive
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        _same_origin(headers)
        if headers.get("content-encoding", "identity").strip().lower() not in ("identity", ""):
            raise Refusal(415, "send the body as it is, not compressed")
        most = MOST_REPORT_BYTES if scope["path"].rstrip("/") == _REPORTS else MOST_BYTES
        return await self._whole_body(headers, receive, most)

    async def _whole_body(self, headers: Mapping[str, str], receive: Receive, most: int) -> Receive:
        too_long = Refusal(413, f"the body is longer than {most // KIB} KiB")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise Refusal(400, "Content-Length is not a number")
        if len(length) > 12 or int(length) > most:
            raise too_long
        body = bytearray()
        try:
            async with asyncio.timeout(self.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the connection was closed")
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > most:
                        raise too_long
        except TimeoutError:
            raise Refusal(408, f"the body was not sent within {self.body_seconds:g} seconds") from None
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        return replay


def _same_origin(headers: Mapping[str, str]) -> None:
    """A page elsewhere may not change anything here with its visitor's browser."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower():
        raise Refusal(403, "this request comes from a page of another site")


def address_of(scope: Scope) -> str:
    """Who is asking (`network_of`)."""
    client = scope.get("client")
    return network_of(client[0] if client else "")


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps({"error": refusal.sentence, "field": None}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    # What is left of the body is not read: the connection cannot be used again.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
