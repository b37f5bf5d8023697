"""A small hub on loopback: the pages of the hub's API that this program asks for, and files with ranges, ETags and redirects.

`Hub` answers as huggingface.co does (a redirect with X-Linked-Etag and X-Linked-Size to another host, the CDN), or as badly as
a test wants: each `Fault` replaces or spoils the answers under one path. Every request is written down.
"""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass(frozen=True)
class Fault:
    """How answers under a path go wrong."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    """Bytes after which the connection is closed."""
    drip_s: float = 0.0
    """Seconds between two bytes."""
    silent_s: float = 0.0
    """Seconds before anything is said."""
    no_ranges: bool = False
    total: int | None = None
    """What Content-Range says instead of the size."""
    times: int = 10**9


@dataclass
class Request:
    """One request as it came, and how many bytes of a body were sent for it."""

    server: str
    path: str
    range: str | None
    token: str | None
    agent: str
    sent: int = 0


class Hub:
    """Repositories by name; each maps paths to bytes or to a file on the disk."""

    def __init__(self, *, redirect: bool = True) -> None:
        self.redirect = redirect
        self.repositories: dict[str, dict[str, bytes | Path]] = {}
        self.gated: set[str] = set()
        self.tags: dict[str, list[str]] = {}
        self.faults: dict[str, Fault] = {}
        self.private_token: str | None = None
        self.requests: list[Request] = []
        self._hub, self._cdn = self._server("hub"), self._server("cdn")

    @property
    def address(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self._hub.server_address[1]}"

    @property
    def cdn(self) -> str:
        """Where files are redirected to: another origin."""
        return f"http://127.0.0.1:{self._cdn.server_address[1]}"

    def asked(self, part: str, server: str | None = None) -> list[Request]:
        """Requests whose path holds `part`."""
        return [one for one in self.requests if part in one.path and server in (None, one.server)]

    def close(self) -> None:
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()

    def _server(self, name: str) -> ThreadingHTTPServer:
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self, "name": name}))
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A reader that closes the connection early is no fault."""


@contextmanager
def running_hub(*, redirect: bool = True) -> Iterator[Hub]:
    hub = Hub(redirect=redirect)
    try:
        yield hub
    finally:
        hub.close()


def size_of(stored: bytes | Path) -> int:
    return len(stored) if isinstance(stored, bytes) else stored.stat().st_size


def part_of(stored: bytes | Path, start: int, end: int) -> bytes:
    if isinstance(stored, bytes):
        return stored[start:end]
    with stored.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


def sha256_of(stored: bytes | Path) -> str:
    """Of a file with a hole for weights (tests.models.real_files.sparse_gemma) that of its name: nobody loads it whole."""
    if isinstance(stored, Path) and "gemma" in stored.name:
        return hashlib.sha256(stored.name.encode()).hexdigest()
    return _sha256(stored)


@cache
def _sha256(stored: bytes | Path) -> str:
    return hashlib.sha256(stored if isinstance(stored, bytes) else stored.read_bytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    name: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        headers = self.headers
        self.request_ = Request(self.name, self.path, headers["Range"], headers["Authorization"], headers["User-Agent"] or "")
        self.hub.requests.append(self.request_)
        self.fault = self._fault()
        if self.fault.silent_s:
            time.sleep(self.fault.silent_s)
        if self.fault.status is not None:
            self._send(self.fault.status, self.fault.body or b"", {"Content-Type": "text/plain", **self.fault.headers})
        elif self.fault.body is not None:
            self._send(200, self.fault.body, self.fault.headers)
        else:
            self._answer()

    def do_HEAD(self) -> None:
        self.do_GET()

    def _fault(self) -> Fault:
        for path, fault in self.hub.faults.items():
            if path in f"{self.name}:{unquote(self.path)}" and fault.times > 0:
                self.hub.faults[path] = Fault(**{**fault.__dict__, "times": fault.times - 1})
                return fault
        return Fault()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query)
        segments = [unquote(segment) for segment in parts.path.strip("/").split("/")]
        if segments == ["api", "models"]:
            self._search(query)
        elif segments[:2] == ["api", "models"]:
            self._info("/".join(segments[2:4]), query, tree="tree" in segments)
        elif len(segments) > 4 and segments[2] == "resolve":
            self._resolve("/".join(segments[:2]), "/".join(segments[4:]))
        else:
            self._send(404, b"Not found")

    def _search(self, query: dict[str, list[str]]) -> None:
        words = query.get("search", [""])[0].lower()
        kind = query.get("filter", ["gguf"])[0]
        rows = [
            {"id": repo, "modelId": repo, "downloads": 1000 - at, "likes": at, "gated": repo in self.hub.gated and "manual"}
            for at, (repo, files) in enumerate(self.hub.repositories.items())
            if words in repo.lower() and (kind in self.hub.tags.get(repo, []) or any(kind in path for path in files))
        ]
        self._json(rows[: int(query.get("limit", ["100"])[0])])

    def _info(self, repo: str, query: dict[str, list[str]], *, tree: bool) -> None:
        files = self._files(repo)
        if files is None:
            return
        rows: list[dict[str, Any]] = []
        for path, stored in files.items():
            size, lfs = size_of(stored), path.endswith((".gguf", ".safetensors"))
            row: dict[str, Any] = {"rfilename": path, "path": path, "type": "file", "oid": "0" * 40}
            if tree or "blobs" in query:
                row |= {"size": size, "blobId": "0" * 40}
                if lfs:
                    row["lfs"] = {"sha256": sha256_of(stored), "oid": sha256_of(stored), "size": size, "pointerSize": 135}
            rows.append(row)
        if tree:
            self._json(rows)
            return
        gated = "manual" if repo in self.hub.gated else False
        self._json(
            {
                "id": repo,
                "sha": "1" * 40,
                "gated": gated,
                "private": False,
                "tags": self.hub.tags.get(repo, []),
                "siblings": rows,
            }
        )

    def _files(self, repo: str) -> dict[str, bytes | Path] | None:
        files = self.hub.repositories.get(repo)
        token = self.hub.private_token
        if files is None or (token is not None and self.headers["Authorization"] != f"Bearer {token}"):
            # The hub says 401 to strangers whether a repository is private or not there.
            known = self.headers["Authorization"] is not None
            self._send(404 if known else 401, b"", {"X-Error-Code": "RepoNotFound"})
            return None
        return files

    def _resolve(self, repo: str, path: str) -> None:
        if self.name == "hub":
            files = self._files(repo)
            if files is None:
                return
            if repo in self.hub.gated and self.headers["Authorization"] is None:
                self._send(401, b"", {"X-Error-Code": "GatedRepo"})
                return
        else:
            files = self.hub.repositories[repo]
        stored = files.get(path)
        if stored is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        if self.name == "hub" and self.hub.redirect and path.endswith((".gguf", ".safetensors")):
            linked = {"X-Linked-Etag": f'"{sha256_of(stored)}"', "X-Linked-Size": str(size_of(stored))}
            self._send(302, b"", {"Location": f"{self.hub.cdn}{self.path}", "ETag": '"pointer"', **linked})
            return
        self._ranged(stored, f'"{sha256_of(stored)}"' if self.name == "hub" else '"cdn-etag"')

    def _ranged(self, stored: bytes | Path, etag: str) -> None:
        size = size_of(stored)
        asked = self.headers["Range"]
        if asked is None or self.fault.no_ranges:
            self._send(200, part_of(stored, 0, size), {"ETag": etag, "Content-Type": "application/octet-stream"})
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last) if last else size - 1, size - 1)
        if start >= size:
            self._send(416, b"", {"Content-Range": f"bytes */{size}"})
            return
        total = self.fault.total if self.fault.total is not None else size
        self._send(206, part_of(stored, start, end + 1), {"ETag": etag, "Content-Range": f"bytes {start}-{end}/{total}"})

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {}), **self.fault.headers}.items():
            self.send_header(name, value)
        if self.name == "hub":
            self.send_header("X-Repo-Commit", "1" * 40)
        self.end_headers()
        if self.command == "HEAD":
            return
        step = 1 if self.fault.drip_s else 64 * 2**10
        end = len(body) if self.fault.cut_after is None else self.fault.cut_after
        try:
            for at in range(0, min(end, len(body)), step):
                self.wfile.write(body[at : min(at + step, end)])
                self.request_.sent += min(at + step, end, len(body)) - at
                if self.fault.drip_s:
                    time.sleep(self.fault.drip_s)
            if end < len(body):
                self.close_connection = True
        except OSError:
            self.close_connection = True
