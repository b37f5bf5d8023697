"""The hub, as this program uses it: `HubAccess`, through which every question to it goes, within limits.

Nothing here is called unless a person asked for a repository. The client is huggingface_hub; its requests go through
`hub_transport`. The person's own token is read by that library, sent to the endpoint alone, and never kept or shown here.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from math import ceil
from typing import Any, Literal, TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import HFValidationError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined]

from advisor import __version__
from advisor.errors import (
    GGUFError,
    HubAnswerError,
    HubBusyError,
    HubError,
    HubNotFoundError,
    HubOfflineError,
    HubUnreachableError,
    QuestionError,
)
from advisor.models.gguf_header import GGUFHeader, parse_header
from advisor.models.gguf_split import join_parts
from advisor.models.gguf_stream import MAX_HEADER_BYTES
from advisor.models.sources.hub_address import MAIN, endpoint, hub_cache_folder, is_offline
from advisor.models.sources.hub_cache import HubCache
from advisor.models.sources.hub_files import MOST_FILES, HubFile, HubModel, Repository, hub_file, repository
from advisor.models.sources.hub_header import LATER_PART_BYTES, RemoteStart
from advisor.models.sources.hub_refusals import busy
from advisor.models.sources.hub_transport import Bounds, bounded
from advisor.settings import settings

V = TypeVar("V")
_MOST_PARTS = 256
_KEPT_HEADERS = 32
_LONGEST_PAUSE_S = 60.0
_LARGEST_FILE = 2**50
_DAYS_S = 30 * 86_400.0


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


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A repository that a search found."""

    repo: str
    downloads: int | None
    """Of the last 30 days, as the hub counts them."""
    likes: int | None
    gated: bool


class HubAccess:
    """Questions to the hub. `own_token=False` never sends the person's token; `cache` is where answers are kept on the disk."""

    def __init__(
        self,
        address: str | None = None,
        *,
        own_token: bool = True,
        limits: HubLimits | None = None,
        cache: HubCache | None = None,
    ) -> None:
        self._address = address or endpoint()
        self._token = None if own_token else False
        self._limits = limits or HubLimits()
        self._cache = cache or HubCache()
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], tuple[float, Repository]] = {}
        self._headers: dict[tuple[str, str, HubFile], GGUFHeader] = {}
        self._pause: tuple[float, HubError] | None = None

    @property
    def address(self) -> str:
        """The endpoint."""
        return self._address

    # --- questions -----------------------------------------------------------------------------

    def search(self, text: str, kind: Literal["gguf", "mlx"] = "gguf", *, limit: int = 20) -> tuple[SearchHit, ...]:
        """Repositories that `text` finds, most downloaded first. Raises HubError."""

        def ask() -> list[SearchHit]:
            found = self._api().list_models(search=text[:200], filter=kind, sort="downloads", limit=limit)
            return [SearchHit(one.id, one.downloads, one.likes, bool(one.gated)) for one in found]

        return tuple(self._asked(f'the search for "{text[:60]}"', ask, most_bytes=self._limits.listing_bytes))

    def repository(self, repo: str, revision: str = MAIN) -> Repository:
        """The files of a repository. Offline, and where the hub cannot be reached, as it said last. Raises HubError."""
        with self._lock:
            kept = self._kept.get((repo, revision))
        if kept and time.monotonic() - kept[0] < self._limits.kept_s:
            return kept[1]
        key = ("list", self._address, repo, revision)
        try:
            listed = self._asked(repo, lambda: self._listing(repo, revision), most_bytes=self._limits.listing_bytes)
        except (HubOfflineError, HubUnreachableError):
            if (old := self._cache.get(*key)) is None:
                raise
            return _from_json(repo, revision, json.loads(old))
        self._cache.put(*key, data=json.dumps(listed).encode())
        found = replace(_from_json(repo, revision, listed), read_at=None)
        with self._lock:
            if len(self._kept) > 200:
                self._kept.clear()
            self._kept[repo, revision] = (time.monotonic(), found)
        return found

    def header(self, repository: Repository, model: HubModel) -> GGUFHeader:
        """The header of a model of a repository, of all its parts. Raises HubError, or GGUFError for what is no sound file."""
        if model.missing or not 0 < len(model.parts) <= _MOST_PARTS:
            gone = model.missing[0] if model.missing else model.stem
            raise HubNotFoundError(f'"{repository.repo}" lacks a part of the model: {gone}; choose another file')
        headers = [self.file_header(repository.repo, part, repository.revision) for part in model.parts[:1]]
        for part in model.parts[1:]:
            headers.append(self.file_header(repository.repo, part, repository.revision, first=LATER_PART_BYTES))
        return headers[0] if len(headers) == 1 else join_parts(headers)

    def file_header(self, repo: str, file: HubFile, revision: str = MAIN, *, first: int | None = None) -> GGUFHeader:
        """The header of one GGUF file, by at most two requests; kept on the disk by the file's ETag."""
        key = (repo, revision, file)
        with self._lock:
            known = self._headers.get(key) if file.sha256 else None
        if known is not None:
            return known
        try:
            data, size = self._header_bytes(repo, file, revision, first)
            header = parse_header(data, file_bytes=size)
        except GGUFError as error:
            error.path = f"{repo}/{file.path}"
            raise
        with self._lock:
            self._headers[key] = header
            while len(self._headers) > _KEPT_HEADERS:
                del self._headers[next(iter(self._headers))]
        return header

    def config(self, repository: Repository, path: str = "config.json") -> bytes:
        """A small file of a repository, whole. Raises HubError."""
        url = self.url(repository.repo, path, repository.revision)
        file = repository.other(path)
        key = ("file", self._address, repository.repo, repository.revision, path)
        what = f"{repository.repo}/{path}"
        if file is None:
            raise HubNotFoundError(f'"{repository.repo}" has no {path}')
        if repository.read_at is not None and (old := self._cache.get(*key)) is not None:
            return old

        def ask() -> bytes:
            with self._opened(url) as answer:
                return answer.read()

        try:
            data = self._asked(what, ask, most_bytes=self._limits.config_bytes)
        except (HubOfflineError, HubUnreachableError):
            if (old := self._cache.get(*key)) is None:
                raise
            return old
        self._cache.put(*key, data=data)
        return data

    def download(
        self, url: str, what: str, reader: Callable[[httpx2.Response], None], start: int, stop: threading.Event
    ) -> None:
        """Gives `reader` the answer with the bytes of a file from `start` on. It may take days; `stop` ends it."""

        def ask() -> None:
            with self._opened(url, **({"Range": f"bytes={start}-"} if start else {})) as answer:
                reader(answer)

        self._asked(what, ask, most_bytes=_LARGEST_FILE, seconds=_DAYS_S, stop=stop)

    def into_cache(self, repo: str, path: str, revision: str) -> str:
        """Where huggingface_hub's cache has a file, which it links to if its content is there already, else downloads."""

        def ask() -> str:
            return self._api().hf_hub_download(repo, path, revision=revision, cache_dir=hub_cache_folder())

        return self._asked(f"{repo}/{path}", ask, most_bytes=_LARGEST_FILE)

    def url(self, repo: str, path: str, revision: str = MAIN) -> str:
        """Where a file's bytes are."""
        return hf_hub_url(repo, path, revision=revision, endpoint=self._address)

    # --- how they are asked ----------------------------------------------------------------------

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

    def _listing(self, repo: str, revision: str) -> dict[str, Any]:
        """What the hub says of a repository, as it is kept on the disk."""
        api = self._api()
        info = api.model_info(repo, revision=None if revision == MAIN else revision, files_metadata=True)
        rows = [(one.rfilename, one.size, one.lfs.sha256 if one.lfs else None) for one in (info.siblings or [])[:MOST_FILES]]
        if rows and all(size is None for _, size, _ in rows):
            # A mirror that does not know `blobs`.
            tree = api.list_repo_tree(repo, recursive=True, revision=revision)
            rows = [(one.path, one.size, one.lfs.sha256 if one.lfs else None) for one in tree if isinstance(one, RepoFile)]
        return {
            "files": rows,
            "gated": bool(info.gated),
            "tags": [*(info.tags or []), info.library_name or ""],
            "read_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def _header_bytes(self, repo: str, file: HubFile, revision: str, first: int | None) -> tuple[bytes, int | None]:
        url, what = self.url(repo, file.path, revision), f"{repo}/{file.path}"
        tag = file.sha256 or self._known_tag(url)
        kept = self._kept_header(tag, file.size) if tag else None
        if kept is not None and (file.sha256 or is_offline()):
            return kept

        def ask() -> tuple[bytes, int | None]:
            start = RemoteStart(
                lambda begin, end, last: self._send(str(last or url), Range=f"bytes={begin}-{end - 1}"),
                what,
                size=file.size,
                **({"first": first} if first else {}),
            )
            try:
                start.begin()
                if start.etag and (known := self._kept_header(start.etag, start.size)) is not None:
                    return known
                read = start.read_header()
            finally:
                start.close()
            if read.etag or file.sha256:
                self._cache.put("tag", url, data=(read.etag or file.sha256 or "").encode())
                for name in {read.etag, file.sha256} - {None}:
                    self._cache.put("header", self._address, f"{name}", data=_sized(read.data, start.size))
            return read.data, start.size

        return self._asked(what, ask, most_bytes=MAX_HEADER_BYTES, narrow=True)

    def _kept_header(self, tag: str, size: int | None) -> tuple[bytes, int | None] | None:
        stored = self._cache.get("header", self._address, tag)
        if stored is None:
            return None
        known = int.from_bytes(stored[:8], "little") or None
        return (stored[8:], known) if size in (None, known) else None

    def _known_tag(self, url: str) -> str | None:
        stored = self._cache.get("tag", url)
        return stored.decode(errors="replace") if stored else None

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


def the_hub() -> HubAccess:
    """The access of this process to the endpoint that the environment names."""
    return _access(endpoint())


@lru_cache(maxsize=8)
def _access(address: str) -> HubAccess:
    # The token is the person's at home; visitors of a hosted site must not read with it.
    return HubAccess(address, own_token=not settings().hosted)


def _sized(data: bytes, size: int | None) -> bytes:
    return (size or 0).to_bytes(8, "little") + data


def _from_json(repo: str, revision: str, listed: dict[str, Any]) -> Repository:
    files = [hub_file(*row) for row in listed["files"]]
    read_at = datetime.fromisoformat(listed["read_at"])
    return repository(repo, revision, files, gated=listed["gated"], tags=listed["tags"], read_at=read_at)
