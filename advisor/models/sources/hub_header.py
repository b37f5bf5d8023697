"""The start of a remote GGUF file, read by at most two requests: `RemoteStart`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2

from advisor.errors import HubAnswerError
from advisor.models.gguf_header import GGUFHeader, read_header_ranges
from advisor.models.gguf_stream import MAX_HEADER_BYTES
from advisor.models.sources.header_length import expected_length

FIRST_BYTES = 2**20
"""What the first request asks for. No answer is then longer than the header by more."""
LATER_PART_BYTES = 256 * 2**10
"""As much of a later part of a split model: it has no vocabulary."""
_STEP = 64 * 2**10
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class Open(Protocol):
    """Sends one request for the bytes from `start` to before `end`; the answer's body is not read yet. `url` is where the last
    answer came from: asked there, the hub need not lead there again."""

    def __call__(self, start: int, end: int, url: httpx2.URL | None) -> httpx2.Response: ...


@dataclass(frozen=True, slots=True)
class ReadHeader:
    """A header and the bytes it was read from."""

    header: GGUFHeader
    data: bytes
    etag: str | None


class RemoteStart:
    """Reads a remote file from its start, no further than it is asked to but for what the network has under way.

    `size` is what is known of the file's length before; an answer that says otherwise is refused.
    """

    def __init__(self, open_range: Open, what: str, *, size: int | None, first: int = FIRST_BYTES) -> None:
        self._open = open_range
        self._what = what
        self._first = first
        self.size = size
        self.etag: str | None = None
        self.data = bytearray()
        self._answer: httpx2.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._until = 0

    def read_header(self) -> ReadHeader:
        """The header at the file's start. Raises HubError, or GGUFError for what is no sound GGUF file."""
        try:
            self.begin()
            header = read_header_ranges(self._read, self.size)
        finally:
            self.close()
        return ReadHeader(header, bytes(self.data[: header.header_bytes]), self.etag)

    def read(self, length: int) -> bytes:
        """All that the first request brings, at least `length` bytes where the file has so many. Raises HubError."""
        self.begin()
        while len(self.data) < max(length, min(self._first, self._until)) and self._read(len(self.data), 1):
            pass
        return bytes(self.data)

    def begin(self) -> None:
        """Send the first request, after which `size` and `etag` are known."""
        if self._answer is None:
            self._ask(self._first)

    def close(self) -> None:
        """End the answer that is under way."""
        if self._answer is not None:
            self._answer.close()

    def _read(self, offset: int, length: int) -> bytes:
        """`length` bytes, or fewer, but at least one where the file goes on."""
        while len(self.data) <= offset:
            chunk = next(self._chunks, None)
            if chunk:
                self.data += chunk
            elif len(self.data) < self._until:
                raise HubAnswerError(f"the hub sent fewer bytes of {self._what} than it said; try again")
            elif self.size is None or len(self.data) >= min(self.size, MAX_HEADER_BYTES):
                return b""
            else:
                guessed = expected_length(bytes(self.data)) or len(self.data) + FIRST_BYTES
                self._ask(max(guessed, len(self.data) + _STEP))
        return bytes(self.data[offset : offset + min(length, _STEP)])

    def _ask(self, end: int) -> None:
        start = len(self.data)
        end = min(end, MAX_HEADER_BYTES, self.size if self.size is not None else MAX_HEADER_BYTES)
        self.close()
        before = self._answer
        self._answer = answer = self._open(start, end, before.url if before else None)
        total, self._until = self._promised(answer, start, end)
        if self.size is not None and total != self.size:
            raise HubAnswerError(
                f"the hub says that {self._what} has {total:,} bytes, and {self.size:,} were said before; ask again"
            )
        if before is None:
            self.etag = etag_of(answer)
        elif answer.headers.get("ETag") != before.headers.get("ETag"):
            raise HubAnswerError(f"{self._what} was changed on the hub while it was read; ask again")
        self.size = total
        self._chunks = answer.iter_raw()

    def _promised(self, answer: httpx2.Response, start: int, end: int) -> tuple[int, int]:
        """Bytes of the whole file, and where the answer will end. Servers without ranges send all: the rest is not read."""
        if answer.status_code == 206:
            match = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
            if match is None or int(match[1]) != start or int(match[2]) >= max(end, 1) or int(match[2]) >= int(match[3]):
                raise HubAnswerError(f"the hub sent another part of {self._what} than was asked for; check HF_ENDPOINT")
            return int(match[3]), int(match[2]) + 1
        length = answer.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise HubAnswerError(f"the hub does not say how long {self._what} is; check HF_ENDPOINT")
        self.data.clear()
        return int(length), int(length)


def etag_of(answer: httpx2.Response) -> str | None:
    """The file's ETag without quotes, as the hub itself says it before it leads to another host; None where nobody says it."""
    said: list[Any] = [one.headers.get("X-Linked-Etag") for one in (*answer.history, answer)]
    tag = next((one for one in said if one), None) or answer.headers.get("ETag")
    return tag.removeprefix("W/").strip('"')[:200] or None if isinstance(tag, str) else None
