"""One question to a server on this very machine, within limits: `ask`. Other machines are not asked."""

import ipaddress
import json
import time
from typing import Any
from urllib.parse import urlsplit

from advisor.errors import LocalServerError

SECONDS = 2.0
MOST_BYTES = 16 * 2**20


def ask(
    url: str, *, send: dict[str, Any] | None = None, seconds: float = SECONDS, most_bytes: int = MOST_BYTES
) -> dict[str, Any]:
    """The JSON object that the server at `url` answers; `send` is posted to it. Raises LocalServerError."""
    import httpx  # a quarter of a second, which nobody waits for who asks no server

    where = urlsplit(url).netloc
    until = time.monotonic() + seconds
    try:
        # Neither proxies of the environment nor redirects: the question is for this machine.
        with (
            httpx.Client(trust_env=False, timeout=seconds) as client,
            client.stream("GET" if send is None else "POST", url, json=send) as answer,
        ):
            if answer.status_code != 200:
                raise LocalServerError(f"the server at {where} answered with HTTP {answer.status_code}")
            data = bytearray()
            for chunk in answer.iter_raw():
                data += chunk
                if len(data) > most_bytes or time.monotonic() > until:
                    raise LocalServerError(f"the server at {where} sends too much, or too slowly")
        found = json.loads(data)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
        raise LocalServerError(f"no usual answer from the server at {where} ({type(error).__name__}); is it running?") from None
    if not isinstance(found, dict):
        raise LocalServerError(f"the server at {where} answered something else than was asked for")
    return found


def is_here(host: str) -> bool:
    """Whether a host name or address is this machine's own (loopback)."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
