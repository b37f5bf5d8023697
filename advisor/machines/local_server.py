"""Servers on this very machine: one question to one, within limits, and where Ollama's is. Other machines are not asked."""

import ipaddress
import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

from advisor.errors import LocalServerError

SECONDS = 2.0
MOST_BYTES = 16 * 2**20
_OLLAMA_SERVER = "http://127.0.0.1:11434"


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


def ollama_server() -> str | None:
    """The address of Ollama's server by OLLAMA_HOST; None where that is another machine."""
    said = os.environ.get("OLLAMA_HOST", "").strip().strip("\"'")
    if not said:
        return _OLLAMA_SERVER
    try:
        parts = urlsplit(said if "://" in said else f"http://{said}")
        host, port = parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 11434)
    except ValueError:
        return _OLLAMA_SERVER
    # What it listens on everywhere is here too (ollama envconfig/config.go, Host).
    host = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 (compared with)
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}" if is_here(host) else None
