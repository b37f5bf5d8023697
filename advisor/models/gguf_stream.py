"""The bytes of a GGUF header, read front to back from anywhere, a window at a time: `HeaderStream`."""

from collections.abc import Callable
from functools import cache
from struct import Struct, error
from typing import Any, Literal, Protocol

from advisor.errors import GGUFLengthError, GGUFLimitError, GGUFTruncatedError

ByteOrder = Literal["<", ">"]
"""As `struct` writes it: little-endian, big-endian."""

Fetch = Callable[[int, int], bytes]
"""Returns the bytes at an offset, as many as asked for or, at the end, fewer."""


class Hasher(Protocol):
    """A hash of `hashlib`."""

    def update(self, data: bytes | memoryview, /) -> None: ...


MAX_HEADER_BYTES = 128 * 2**20
"""No header is longer. The largest vocabularies (262,144 tokens) make headers of 6 to 16 MB."""

MAX_OBJECT_BYTES = 24 * 2**20
"""What the Python objects made from one header may take, roughly: 24 MiB holds 30,000 tensors; models have up to 2,000."""


class Allowance:
    """Memory that may still be spent on objects. Shared by the parts of a split model."""

    def __init__(self, n_bytes: int = MAX_OBJECT_BYTES) -> None:
        self._left = n_bytes

    def spend(self, n_bytes: int, offset: int) -> None:
        """Counts `n_bytes`; raises GGUFLimitError when nothing is left."""
        self._left -= n_bytes
        if self._left < 0:
            raise GGUFLimitError("has far more keys or tensors in its header than any model", offset=offset)


class HeaderStream:
    """A position in a header, and the window of bytes around it.

    `fetch` is asked for consecutive ranges, each about as long as all before it, so that a header of any length takes few
    requests and little is read past its end. Bytes already passed are let go: memory does not grow with the header.
    """

    def __init__(
        self,
        fetch: Fetch,
        size: int | None,
        *,
        window: bytes = b"",
        first: int = 64 * 2**10,
        most: int = 2**20,
        allowance: Allowance | None = None,
    ) -> None:
        self._fetch = fetch
        self._size = size
        self._bound = MAX_HEADER_BYTES if size is None else min(size, MAX_HEADER_BYTES)
        self._window = window
        self._window_start = 0
        self._at = 0
        self._first, self._most = first, most
        self._step = first
        self._expected_end = 0
        self.order: ByteOrder = "<"
        self.allowance = allowance or Allowance()

    @classmethod
    def of_bytes(cls, data: bytes) -> "HeaderStream":
        """A stream over bytes that are all here; never copies them."""
        return cls(lambda offset, length: data[offset : offset + length], len(data), window=data)

    @property
    def offset(self) -> int:
        """Bytes from the start of the file."""
        return self._window_start + self._at

    def require(self, n_bytes: int, what: str) -> None:
        """Raises where `n_bytes` more cannot be here: GGUFLengthError if no header is that long, else GGUFTruncatedError."""
        end = self.offset + n_bytes
        if end > MAX_HEADER_BYTES:
            raise GGUFLengthError(
                f"has a damaged header: {what} would take {n_bytes:,} bytes, more than a header can hold", offset=self.offset
            )
        if self._size is not None and end > self._size:
            self._raise_truncated(what, end)

    def expect(self, n_bytes: int) -> None:
        """Says that about `n_bytes` more will be read, so that they are fetched together."""
        self._expected_end = self.offset + n_bytes

    def peek(self, n_bytes: int) -> bytes:
        """The next `n_bytes`, or what there is of them, without moving on."""
        if len(self._window) - self._at < n_bytes:
            self._fill(n_bytes, n_bytes)
        return bytes(self._window[self._at : self._at + n_bytes])

    def take(self, n_bytes: int, what: str) -> bytes:
        """The next `n_bytes`. Check with the allowance before asking for many."""
        at = self._make_ready(n_bytes, what)
        self._at = at + n_bytes
        return bytes(self._window[at : at + n_bytes])

    def unpack(self, codes: str, what: str) -> tuple[Any, ...]:
        """The next values, in the file's byte order; `codes` are those of `struct`."""
        layout = _layout(self.order + codes)
        at = self._make_ready(layout.size, what)
        self._at = at + layout.size
        return layout.unpack_from(self._window, at)

    def count(self, item_bytes: int, what: str) -> int:
        """A 64-bit count of items of at least `item_bytes` each that follow it, checked against what can be here."""
        offset = self.offset
        (count,) = self.unpack("Q", f"the number of {what}")
        if count >= 2**63:
            raise GGUFLengthError(f"has a damaged header: the number of {what} is negative", offset=offset)
        self.require(count * item_bytes, f"{count:,} {what}")
        return int(count)

    def walk(self, n_bytes: int, hasher: Hasher, what: str) -> None:
        """Passes over the next `n_bytes`, through `hasher`."""
        self.require(n_bytes, what)
        self._pass_over(n_bytes, hasher, what)

    def walk_strings(self, count: int, hasher: Hasher, what: str) -> None:
        """Passes over the next `count` strings with their lengths, through `hasher`. No string is built."""
        started, total = self.offset, count
        what = f"a string in {what}"
        while count:
            mean = (self.offset - started) // (total - count) if count < total else 8
            if len(self._window) - self._at < 8:
                self._require_window(8, count * mean, what)
            walked, end = self._strings_here(count, what)
            count -= walked
            self._pass_over(end - self._at, hasher, what, expected=count * mean)

    def _strings_here(self, count: int, what: str) -> tuple[int, int]:
        """How many of `count` strings begin in the window, and where in the window, or behind it, the last of them ends."""
        window, unpack = self._window, _layout(self.order + "Q").unpack_from
        start = at = self._at
        walked = 0
        try:
            for walked in range(count):  # noqa: B007 (read below, where the end of the window left it)
                at += 8 + unpack(window, at)[0]
            walked = count
        except (error, OverflowError):  # the next length lies outside of the window
            pass
        if self._window_start + at > self._bound:
            for _ in range(walked - 1):
                start += 8 + unpack(window, start)[0]
            self._at = start
            self.require(at - start, what)
        return walked, at

    def _pass_over(self, n_bytes: int, hasher: Hasher, what: str, *, expected: int = 0) -> None:
        self.require(n_bytes, what)
        while n_bytes:
            here = min(n_bytes, len(self._window) - self._at)
            hasher.update(memoryview(self._window)[self._at : self._at + here])
            self._at += here
            n_bytes -= here
            if n_bytes:
                self._require_window(1, n_bytes + expected, what)

    def _make_ready(self, n_bytes: int, what: str) -> int:
        if len(self._window) - self._at < n_bytes:
            self.require(n_bytes, what)
            self._require_window(n_bytes, n_bytes, what)
        return self._at

    def _require_window(self, n_bytes: int, expected: int, what: str) -> None:
        self._fill(n_bytes, expected)
        if len(self._window) - self._at < n_bytes:
            self._raise_truncated(what, self.offset + n_bytes)

    def _fill(self, n_bytes: int, expected: int) -> None:
        """Makes `n_bytes` from the position on be in the window, if they exist, and about as many as `expected` to follow."""
        kept = self._window[self._at :]
        start = self.offset
        expected = max(expected, self._expected_end - start)
        while len(kept) < n_bytes:
            read_from = start + len(kept)
            length = max(n_bytes - len(kept), min(self._step, expected + self._first))
            if self._size is not None:
                length = min(length, self._size - read_from)
            got = self._fetch(read_from, length)[:length] if length > 0 else b""
            if not got:
                break
            kept = kept + got if kept else got
            self._step = min(max(self._step, read_from + len(got)), self._most)
        self._window, self._window_start, self._at = kept, start, 0

    def _raise_truncated(self, what: str, needed: int) -> None:
        end = self._size if self._size is not None else self._window_start + len(self._window)
        raise GGUFTruncatedError(
            f"ends inside its header: {what} should go on to byte {needed:,} and there are {end:,}",
            offset=self.offset,
            needed=needed,
        )


@cache
def _layout(codes: str) -> Struct:
    return Struct(codes)
