"""The one way to the hub's network: every request of this program, and of huggingface_hub within it, goes through here.

What it holds to: only the endpoint and where the endpoint itself leads are contacted; the token goes to the endpoint alone;
every request has a time limit for all of it and a limit of bytes; every failure is a `HubError` with one sentence.
"""

import contextlib
import contextvars
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import httpx2
from huggingface_hub import constants, set_client_factory

from advisor.errors import HubAnswerError, HubUnreachableError
from advisor.models.sources.hub_refusals import refusal
from advisor.models.sources.public_address import is_public, refuse_private
from advisor.settings import settings

V = TypeVar("V")
QUIET_S = 10.0
"""How long the hub may say nothing."""
_NARROW_BUFFER = 128 * 2**10
"""Bytes that may be on their way when a header has been read and the connection is closed (Linux doubles it)."""
_GRACE_S = 0.5
_POLL_S = 0.2
_MOST_REDIRECTS = 5


@dataclass
class Bounds:
    """What one question to the hub may cost, and what it is about."""

    what: str
    endpoint: httpx2.URL
    until: float
    """By `time.monotonic`."""
    most_bytes: int
    narrow: bool = False
    """For headers: read as little as possible ahead."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Ends the question at once: set by who asks, or at the end of the time."""
    led_to: set[str] = field(default_factory=set)
    """Origins that the endpoint redirected to."""

    def left(self) -> float:
        """Seconds left. Raises HubUnreachableError where there are none."""
        left = self.until - time.monotonic()
        if left <= 0 or self.cancelled.is_set():
            raise self.too_slow()
        return left

    def too_slow(self) -> HubUnreachableError:
        """The error of a question whose time is up."""
        return HubUnreachableError(f"the hub at {self.endpoint.host} was too slow with {self.what}; try again, or later")


_BOUNDS: contextvars.ContextVar[Bounds] = contextvars.ContextVar("hub_bounds")


def bounded(bounds: Bounds, call: Callable[[], V]) -> V:
    """What `call` returns, its requests held to `bounds`. Whatever hangs (a name server, a stalled handshake) is left behind.

    Raises what `call` raises, and HubUnreachableError at the end of the time.
    """
    _install()
    answer: Future[V] = Future()

    def work() -> None:
        _BOUNDS.set(bounds)
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 (raised again where the answer is waited for)
            answer.set_exception(error)

    # A daemon: Python does not wait for it at its end, as it would for a pool's.
    threading.Thread(target=contextvars.copy_context().run, args=(work,), name="hub", daemon=True).start()
    while not answer.done():
        wait([answer], timeout=_POLL_S)
        if bounds.cancelled.is_set() or time.monotonic() > bounds.until + _GRACE_S:
            bounds.cancelled.set()
            raise bounds.too_slow()
    return answer.result()


@cache
def _install() -> None:
    """Give huggingface_hub this transport, for the whole process, and keep it from telling the hub about this machine."""
    constants.HF_HUB_DISABLE_TELEMETRY = True
    set_client_factory(_client)


def _client() -> httpx2.Client:
    return httpx2.Client(
        transport=_Transport(), follow_redirects=True, max_redirects=_MOST_REDIRECTS, headers={"Accept-Encoding": "identity"}
    )


class _Transport(httpx2.BaseTransport):
    """Sends requests within the bounds of the question that they belong to."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        bounds = _BOUNDS.get(None)
        if bounds is None:  # another library's own use of huggingface_hub in this process
            return _wire(_proxy_for(request.url), narrow=False).handle_request(request)
        own = _origin(bounds.endpoint)
        origin = _origin(request.url)
        if origin != own:
            request.headers.pop("Authorization", None)
            if origin not in bounds.led_to:
                raise HubAnswerError(f"the hub sent Headroom to {request.url.host} for {bounds.what}, which it does not follow")
            if settings().hosted:
                # A visitor chose the repository: it must not lead into the network that the site stands in.
                refuse_private(request.url.host, request.url.port, bounds.what)
        quiet = min(QUIET_S, bounds.left())
        request.extensions["timeout"] = dict.fromkeys(("connect", "read", "write", "pool"), quiet)
        with _said(bounds):
            response = _wire(_proxy_for(request.url), narrow=bounds.narrow).handle_request(request)
        if origin != own and settings().hosted and not _answered_from_outside(request, response):
            response.close()
            raise HubAnswerError(f"the hub led to an address of a private network for {bounds.what}, which is not followed")
        response.stream = _Stream(response.stream, bounds)
        if response.is_redirect:
            self._note(bounds, request.url.join(response.headers.get("Location", "")))
            return response
        problem = refusal(response, bounds.what, bounds.endpoint, with_token="Authorization" in request.headers)
        if problem is not None:
            response.close()
            raise problem
        return response

    @staticmethod
    def _note(bounds: Bounds, target: httpx2.URL) -> None:
        if target.scheme not in ("http", "https") or (bounds.endpoint.scheme == "https" and target.scheme != "https"):
            raise HubAnswerError(
                f"the hub led to an address without encryption for {bounds.what}, which Headroom does not follow"
            )
        bounds.led_to.add(_origin(target))


def _answered_from_outside(request: httpx2.Request, response: httpx2.Response) -> bool:
    """Whether the address that answered is public: a name may be looked up twice with two answers. A proxy looks up itself."""
    if _proxy_for(request.url):
        return True
    stream = response.extensions.get("network_stream")
    address = stream.get_extra_info("server_addr") if stream is not None else None
    return address is not None and is_public(str(address[0]))


class _Stream(httpx2.SyncByteStream):
    """A body that ends with an error where the time or the bytes are used up."""

    def __init__(self, inner: object, bounds: Bounds) -> None:
        assert isinstance(inner, httpx2.SyncByteStream)
        self._inner, self._bounds = inner, bounds

    def __iter__(self) -> Iterator[bytes]:
        left = self._bounds.most_bytes
        with _said(self._bounds):
            for chunk in self._inner:
                self._bounds.left()
                left -= len(chunk)
                if left < 0:
                    raise HubAnswerError(f"the hub answered with far more than {self._bounds.what}; this is no usual hub")
                yield chunk

    def close(self) -> None:
        with contextlib.suppress(httpx2.HTTPError, OSError):
            self._inner.close()


@contextlib.contextmanager
def _said(bounds: Bounds) -> Iterator[None]:
    """Failures of the network as sentences."""
    host = bounds.endpoint.host
    try:
        yield
    except httpx2.ProxyError as error:
        raise HubUnreachableError(
            f"the proxy before the hub refused ({_reason(error)}); check HTTPS_PROXY", down=True
        ) from None
    except httpx2.ConnectTimeout:
        raise HubUnreachableError(f"the hub at {host} cannot be reached: no answer; {_CHECK}", down=True) from None
    except httpx2.ConnectError as error:
        raise HubUnreachableError(f"the hub at {host} cannot be reached ({_reason(error)}); {_CHECK}", down=True) from None
    except httpx2.TimeoutException:
        raise bounds.too_slow() from None
    except httpx2.TransportError as error:
        raise HubUnreachableError(f"the answer of the hub with {bounds.what} broke off ({_reason(error)}); try again") from None


_CHECK = "check the network, or name a file that is on this machine"


def _reason(error: Exception) -> str:
    """The system's words; an address with a password in it would be in none of them."""
    said = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return re.sub(r"^\[Errno -?\d+\] ", "", said)


def _origin(url: httpx2.URL) -> str:
    return f"{url.scheme}://{url.host}:{url.port or {'http': 80, 'https': 443}.get(url.scheme)}"


def _proxy_for(url: httpx2.URL) -> str | None:
    """The proxy that the environment names for an address, by the rules of Python's own library."""
    if urllib.request.proxy_bypass(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


@cache
def _wire(proxy: str | None, *, narrow: bool) -> httpx2.HTTPTransport:
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, _NARROW_BUFFER)] if narrow else None
    return httpx2.HTTPTransport(proxy=proxy, socket_options=options)
