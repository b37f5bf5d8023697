"""HTTP to a server that nobody vouches for: everything it sends is bounded in time and length, and may be nonsense."""

import ipaddress
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from advisor.verify.protocol import RunError

_LONGEST_LINE = 2**20
_LONGEST_ANSWER = 64 * 2**20
_LONGEST_INFO = 4 * 2**20
_INFO_S = 5.0
_SAID = 200


class Wire:
    """A server by its address. Raises RunError for whatever goes wrong; not to be shared between threads."""

    def __init__(self, url: str, *, patience_s: float = 90.0) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise RunError("server", f'"{url[:80]}" is not the address of a server; write it as http://127.0.0.1:8080')
        path = parts.path.rstrip("/").removesuffix("/v1")
        self.base = f"{parts.scheme}://{parts.netloc}{path}"
        self.host, self.port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        self._patience_s = patience_s
        self._client = httpx.Client(
            timeout=httpx.Timeout(patience_s, connect=_INFO_S),
            follow_redirects=False,
            # Servers close connections that were idle, some after each answer: each question has its own.
            limits=httpx.Limits(max_keepalive_connections=0),
            # A proxy of the environment is for the world outside.
            trust_env=not self.is_local,
        )

    @property
    def is_local(self) -> bool:
        """Whether the server is on this computer."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()

    def info(self, path: str) -> Any:
        """The JSON at `path`; None where there is none, or something else. Raises RunError where nobody answers at all."""
        end = time.monotonic() + 2 * _INFO_S
        try:
            with self._client.stream("GET", self.base + path, timeout=_INFO_S) as response:
                if response.status_code != 200:
                    return None
                return json.loads(b"".join(_limited(response, _LONGEST_INFO, end)))
        except httpx.ConnectError as error:
            raise RunError("network", f"nothing answers at {self.base}; start the server, or check the address") from error
        except httpx.TimeoutException as error:
            raise RunError("time", f"{self.base} takes a connection and then says nothing; restart the server") from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError, RunError):
            return None

    def events(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The JSON objects of a streamed answer, by server-sent events or one a line, to its declared end.

        Raises RunError where it ends before that, is no JSON, or takes too long.
        """
        end = time.monotonic() + 2 * self._patience_s
        try:
            with self._client.stream("POST", self.base + path, json=dict(body)) as response:
                if response.status_code != 200:
                    raise RunError("server", _refusal(response.status_code, b"".join(_limited(response, _LONGEST_LINE, end))))
                for line in _lines(response, end):
                    text = line.removeprefix(b"data:").strip()
                    if text == b"[DONE]":
                        return
                    if not text or text.startswith((b":", b"event:", b"id:", b"retry:")):
                        continue
                    yield _object(text)
        except httpx.TimeoutException as error:
            raise RunError("time", f"the server said nothing for {self._patience_s:g} s, so it was left") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RunError("network", f"the connection to the server broke off ({type(error).__name__}); try again") from error


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        said = text[:60].decode("utf-8", "replace")
        raise RunError("server", f'the server answers with something that is no JSON object: "{said}"')
    if error := found.get("error"):
        raise RunError("server", f"the server says: {_message(error)}")
    return found


def _lines(response: httpx.Response, end: float) -> Iterator[bytes]:
    kept = b""
    for chunk in _limited(response, _LONGEST_ANSWER, end):
        *lines, kept = (kept + chunk).split(b"\n")
        yield from lines
        if len(kept) > _LONGEST_LINE:
            raise RunError("server", "the server sends a line without an end")
    if kept:
        yield kept


def _limited(response: httpx.Response, most: int, end: float) -> Iterator[bytes]:
    total = 0
    for chunk in response.iter_bytes():
        total += len(chunk)
        if total > most:
            raise RunError("server", "the server sends far more than an answer can be")
        if time.monotonic() > end:
            raise RunError("time", "the server takes too long for its answer, so it was left")
        yield chunk


def _refusal(status: int, body: bytes) -> str:
    try:
        found = json.loads(body)
        said = _message(found.get("error", found)) if isinstance(found, dict) else ""
    except (ValueError, RecursionError):
        said = ""
    return f"the server refuses with status {status}{': ' + said if said else ''}"


def _message(error: object) -> str:
    if isinstance(error, dict):
        error = error.get("message", error)
    return str(error)[:_SAID]
