"""How the hub is asked, within limits: `HubClient`, the one place that every question to it passes.

The client is huggingface_hub; its requests go through `hub_transport`. The person's own token is read by that library, sent to
the endpoint alone, and never kept or shown here.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]

from advisor import __version__
from advisor.errors import HubAnswerError, HubBusyError, HubError, HubOfflineError, HubUnreachableError, QuestionError
from advisor.models.sources.hub_address import MAIN, endpoint, is_offline
from advisor.models.sources.hub_refusals import busy
from advisor.models.sources.hub_transport import Bounds, bounded

V = TypeVar("V")
_LONGEST_PAUSE_S = 60.0


@dataclass(frozen=True)
class HubLimits:
    """What one question may cost."""

    seconds: float = 30.0
    """All of it: name server, connection, answer."""
    listing_bytes: int = 32 * 2**20
    config_bytes: int = 4 * 2**20
    kept_s: float = 300.0
    """How long a list of files is taken as it is."""
    pause_s: float = 20.0
    """How long the hub is left alone after it could not be reached."""


class HubClient:
    """Asks one endpoint. `own_token=False` never sends the person's token."""

    def __init__(self, address: str | None = None, *, own_token: bool = True, limits: HubLimits | None = None) -> None:
        self._address = address or endpoint()
        self._token = None if own_token else False
        self._limits = limits or HubLimits()
        self._lock = threading.Lock()
        self._pause: tuple[float, HubError] | None = None

    @property
    def address(self) -> str:
        """The endpoint."""
        return self._address

    def url(self, repo: str, path: str, revision: str = MAIN) -> str:
        """Where a file's bytes are."""
        return hf_hub_url(repo, path, revision=revision, endpoint=self._address)

    def _asked(
        self,
        what: str,
        ask: Callable[[], V],
        *,
        most_bytes: int,
        narrow: bool = False,
        seconds: float | None = None,
        stop: threading.Event | None = None,
    ) -> V:
        """What `ask` returns, asked within the limits; what cannot be reached is not asked again at once."""
        if is_offline():
            raise HubOfflineError(
                f"HF_HUB_OFFLINE is set, and {what} is not kept on this machine; unset it, or name a file that is here"
            )
        with self._lock:
            pause = self._pause
        if pause is not None and (left := pause[0] - time.monotonic()) > 0:
            raise busy(ceil(left)) if isinstance(pause[1], HubBusyError) else pause[1]
        until = time.monotonic() + (seconds or self._limits.seconds)
        bounds = Bounds(what, httpx2.URL(self._address), until, most_bytes, narrow, stop or threading.Event())
        try:
            return bounded(bounds, ask)
        except (HubUnreachableError, HubBusyError) as error:
            self._leave_alone(error)
            raise
        except (HubError, QuestionError):
            raise
        except HFValidationError:
            raise QuestionError(
                f'"{what[:120]}" is no name of a repository; it looks like "owner/name"', field="model"
            ) from None
        except httpx2.TooManyRedirects:
            raise HubAnswerError(f"the hub led in a circle for {what}; check HF_ENDPOINT") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise HubAnswerError(
                f"the hub answered something else than {what} ({type(error).__name__}); check HF_ENDPOINT"
            ) from error

    def _leave_alone(self, error: HubUnreachableError | HubBusyError) -> None:
        """For a while nothing is asked of a hub that does not answer at all, or that said how long to wait."""
        wait = error.retry_after_s if isinstance(error, HubBusyError) else self._limits.pause_s if error.down else None
        if wait:
            with self._lock:
                self._pause = (time.monotonic() + min(wait, _LONGEST_PAUSE_S), error)

    def _api(self) -> HfApi:
        return HfApi(endpoint=self._address, token=self._token, library_name="headroom", library_version=__version__)

    def _send(self, url: str, **headers: str) -> httpx2.Response:
        session = get_session()
        own = build_hf_headers(token=self._token, library_name="headroom", library_version=__version__, headers=headers)
        return session.send(session.build_request("GET", url, headers=own), stream=True)

    @contextmanager
    def _opened(self, url: str, **headers: str) -> Iterator[httpx2.Response]:
        answer = self._send(url, **headers)
        try:
            yield answer
        finally:
            answer.close()
