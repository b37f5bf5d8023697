"""The hub, as this program uses it: `HubAccess`, through which every question to it goes, within limits.

Nothing here is called unless a person asked for a repository. Lists and headers are kept, in memory and on the disk.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal

import httpx2
from huggingface_hub.hf_api import RepoFile

from advisor.errors import GGUFError, HubAnswerError, HubNotFoundError, HubOfflineError, HubUnreachableError
from advisor.models.gguf_header import GGUFHeader, parse_header
from advisor.models.gguf_split import join_parts
from advisor.models.gguf_stream import MAX_HEADER_BYTES
from advisor.models.sources.hub_address import MAIN, endpoint, hub_cache_folder, is_offline
from advisor.models.sources.hub_cache import HubCache
from advisor.models.sources.hub_client import HubClient, HubLimits
from advisor.models.sources.hub_files import MOST_FILES, HubFile, HubModel, Repository, hub_file, repository
from advisor.models.sources.hub_header import LATER_PART_BYTES, RemoteStart
from advisor.paths import cache_folder
from advisor.settings import settings

_MOST_PARTS = 256
_KEPT_HEADERS = 32
_START_BYTES = 256 * 2**10
_LARGEST_FILE = 2**50
_DAYS_S = 30 * 86_400.0
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A repository that a search found."""

    repo: str
    downloads: int | None
    """Of the last 30 days, as the hub counts them."""
    likes: int | None
    gated: bool


class HubAccess(HubClient):
    """Questions to the hub, with what they cost bounded by `limits`; `cache` is where answers are kept on the disk."""

    def __init__(
        self,
        address: str | None = None,
        *,
        own_token: bool = True,
        limits: HubLimits | None = None,
        cache: HubCache | None = None,
    ) -> None:
        super().__init__(address, own_token=own_token, limits=limits)
        self._cache = cache or HubCache()
        self._kept: dict[tuple[str, str], tuple[float, Repository]] = {}
        self._headers: dict[tuple[str, str, HubFile], GGUFHeader] = {}

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

    def start_of(self, repository: Repository, file: HubFile, length: int) -> bytes:
        """The first bytes of a file, at least `length` where it has so many; kept on the disk by the file's checksum."""
        url, what = self.url(repository.repo, file.path, repository.revision), f"{repository.repo}/{file.path}"
        if file.sha256 and (kept := self._cache.get("start", self._address, file.sha256)) and len(kept) >= length:
            return kept

        def ask() -> bytes:
            start = RemoteStart(
                lambda begin, end, last: self._send(str(last or url), Range=f"bytes={begin}-{end - 1}"),
                what,
                size=file.size,
                first=max(length, _START_BYTES),
            )
            try:
                return start.read(length)
            finally:
                start.close()

        data = self._asked(what, ask, most_bytes=MAX_HEADER_BYTES, narrow=True)
        if file.sha256:
            self._cache.put("start", self._address, file.sha256, data=data)
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

    # --- how they are answered -------------------------------------------------------------------

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
            if file.sha256 and read.etag and _SHA256.fullmatch(read.etag) and read.etag != file.sha256:
                raise HubAnswerError(f"{what} is another file than the hub's list says; ask again")
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


def the_hub() -> HubAccess:
    """The access of this process to the endpoint that the environment names."""
    return _access(endpoint())


@lru_cache(maxsize=8)
def _access(address: str) -> HubAccess:
    if settings().hosted:
        # The token, and what was ever read with it, are the person's at home and nothing for visitors.
        return HubAccess(address, own_token=False, cache=HubCache(cache_folder() / "hub-of-visitors"))
    return HubAccess(address)


def _sized(data: bytes, size: int | None) -> bytes:
    return (size or 0).to_bytes(8, "little") + data


def _from_json(repo: str, revision: str, listed: dict[str, Any]) -> Repository:
    files = [hub_file(*row) for row in listed["files"]]
    read_at = datetime.fromisoformat(listed["read_at"])
    return repository(repo, revision, files, gated=listed["gated"], tags=listed["tags"], read_at=read_at)
