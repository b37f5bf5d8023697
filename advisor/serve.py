"""The server: Streamlit's app on one address, from a checkout or an installed wheel, started in any folder."""

import contextlib
import ctypes
import gc
import logging
import os
import socket
import sys
import threading
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from advisor.ahead import Ahead
from advisor.collector import collect_in_short_pauses, collect_less_often
from advisor.engine.recipe import usable_cores
from advisor.errors import MissingPartError, QuestionError
from advisor.paths import streamlit_folder
from advisor.settings import HOSTED, settings

HOST, PORT = "127.0.0.1", 8501
_PORTS_TRIED = 20
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound by default
_NESTED_THEMES = ("light", "dark", "sidebar")
_HOSTED_OPTIONS = {
    # Megabytes that a stranger may send at once: a report as a file, and the header of a model out of a browser.
    "server.maxUploadSize": 2,
    "server.maxMessageSize": 48,
    # A session holds some hundred KiB until then.
    "server.disconnectedSessionTTL": 60,
}


def serve(*, host: str = HOST, port: int | None = None, hosted: bool = False) -> None:
    """Serve the app until stopped, after printing its address. Without `port`: 8501, or the next free one.

    `hosted` is for strangers' visits: nothing of this machine is then shown, read or run (`advisor.settings`). Raises
    QuestionError where the address or the port cannot be had, MissingPartError where the app's files are not here.
    """
    chosen = choose_port(host, port)
    if port is None and chosen != PORT:
        print(f"Port {PORT} is taken by another program, so Headroom takes {chosen}.", flush=True)
    entry = Path(__file__).with_name("app.py")
    if hosted:
        os.environ[HOSTED] = "1"  # worker processes are hosted too
        settings.cache_clear()
    # uvicorn takes the visitor's address out of X-Forwarded-For only where these send it.
    os.environ["FORWARDED_ALLOW_IPS"] = ",".join(settings().trusted_proxies)
    # Before anything large is imported, which takes as long as the other process needs.
    ahead = Ahead() if usable_cores() > 1 else None
    import streamlit as st

    from advisor.ui.streamlit_costs import spare

    # Streamlit looks for static/ beside the script that was started, and would take this command's arguments for the page's.
    sys.argv = [str(entry)]
    _few_arenas()
    spare()
    address = f"http://{f'[{host}]' if ':' in host else host}:{chosen}"
    logging.getLogger("uvicorn.access").disabled = True
    options = server_options(host, chosen, hosted=settings().hosted)
    middleware = server_layers(options["server.allowedHosts"])
    app = st.App(entry, lifespan=_announced(address, ahead), routes=server_routes(), middleware=middleware)
    app.run(config=options)


def server_routes() -> list[Any]:
    """What the server answers beside the pages: the API, shared reports, and the first page by its name."""
    from starlette.requests import Request
    from starlette.responses import RedirectResponse
    from starlette.routing import Mount, Route

    from advisor.api import PREFIX, make_api
    from advisor.web.shared import shared_routes

    async def first_page(request: Request) -> RedirectResponse:
        # Streamlit knows its first page by the root alone, and calls "/fit" a page that does not exist.
        return RedirectResponse(f"./?{request.url.query}" if request.url.query else "./")

    return [Mount(PREFIX, make_api()), *shared_routes(), Route("/fit", first_page, methods=["GET"])]


def server_layers(allowed_hosts: list[str]) -> list[Any]:
    """What every request passes first: its Host header must be one of ours, and its size and number within the limits.

    Hosted, scripts are compressed.
    """
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from advisor.web.compressed import Compressed
    from advisor.web.limits import Limits

    layers = [Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts), Middleware(Limits, settings=settings())]
    return [*layers, Middleware(Compressed)] if settings().hosted else layers


def choose_port(host: str, port: int | None) -> int:
    """`port` if it is free, else QuestionError; without one 8501 or the first free port after it."""
    for candidate in [port] if port is not None else range(PORT, PORT + _PORTS_TRIED):
        if _is_free(host, candidate):
            return candidate
    if port is not None:
        raise QuestionError(f"port {port} of {host} is taken by another program; choose another with --port", field="port")
    raise QuestionError(f"ports {PORT} to {PORT + _PORTS_TRIED - 1} are all taken; choose one with --port", field="port")


def _is_free(host: str, port: int) -> bool:
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            if sys.platform != "win32":
                # As the server itself does: a port whose last connections are only winding down is free.
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(target)
    except (socket.gaierror, OverflowError):
        raise QuestionError(f'"{host}" is not an address of this machine; use 127.0.0.1 or 0.0.0.0', field="host") from None
    except PermissionError:
        raise QuestionError(f"port {port} is for administrators; choose one above 1023 with --port", field="port") from None
    except OSError as error:
        if error.errno in _NOT_OUR_ADDRESS:
            raise QuestionError(f'"{host}" is not an address of this machine; use 127.0.0.1 or 0.0.0.0', field="host") from None
        return False
    return True


# EADDRNOTAVAIL on Linux, macOS and Windows.
_NOT_OUR_ADDRESS = (99, 49, 10049)


def server_options(host: str, port: int, *, hosted: bool) -> dict[str, Any]:
    """Streamlit's options by dotted name: those of our config.toml, which it would not find, and the address."""
    file = streamlit_folder() / "config.toml"
    try:
        options = _flat(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise MissingPartError(f"{file} is missing; install Headroom again") from None
    options |= {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "logger.hideWelcomeMessage": True,
    }
    # Whoever serves a whole network means its machines to come by this machine's names.
    more = {host} if host not in _EVERYWHERE else _own_names()
    options["server.allowedHosts"] = sorted({*options.get("server.allowedHosts", []), *more, *settings().allowed_hosts})
    return options | (_HOSTED_OPTIONS if hosted else {})


def _own_names() -> set[str]:
    name = socket.gethostname()
    names = {name, f"{name}.local"}
    with contextlib.suppress(OSError):
        names |= set(socket.gethostbyname_ex(name)[2])
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing: it asks which of the own addresses would be used. 192.0.2.1 is a documentation address.
        probe.connect(("192.0.2.1", 9))
        names.add(probe.getsockname()[0])
    return names


def _flat(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in tables.items():
        nested = isinstance(value, dict) and (not prefix or name in _NESTED_THEMES)
        options |= _flat(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return options


def _announced(address: str, ahead: Ahead | None) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        print(f"Headroom is at {address} (Ctrl-C stops it).", flush=True)
        # The address answers at once; what the first visitor will need is imported while the browser opens.
        threading.Thread(target=_warm_up, args=(ahead,), name="warm-up", daemon=True).start()
        yield
        from advisor.ui.later import later

        later().end()

    return lifespan


def _few_arenas() -> None:
    """Two heaps for all threads instead of eight a core: each visitor's run is a thread, and each heap keeps what it once held.

    glibc alone has them (mallopt(3), M_ARENA_MAX); measured with 200 visitors on two cores, 388 MiB instead of 410.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 2)


_M_ARENA_MAX = -8


def _warm_up(ahead: Ahead | None) -> None:
    from advisor.ui.warm import warm_up

    collect_less_often()
    warm_up(ahead)
    gc.collect()
    # Collections skip what is frozen: they hold the GIL, and these modules are a hundred megabytes that never go away.
    gc.freeze()
    collect_in_short_pauses()
