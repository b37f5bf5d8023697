"""Size of a compute buffer that a backend makes of several pieces, none larger than it allows: ggml-alloc's chunks.

While a layout fits into one piece it is that of `compute_peak.peak`, and nothing here is needed
(ggml/src/ggml-alloc.c:96-370 of the pinned engine).
"""

from dataclasses import dataclass, field

from advisor.memory.compute_allocator import CUT, Requests
from advisor.memory.compute_peak import Sizes, give_back

_MOST = 16
"""GGML_VBUFFER_MAX_CHUNKS; the last one may grow without end."""
_ENDLESS = 1 << 62


@dataclass
class _Chunk:
    free: list[list[int]]
    """[offset, size] by offset."""
    highest: int = 0


@dataclass
class _Chunks:
    largest: int
    chunks: list[_Chunk] = field(default_factory=list)

    def take(self, size: int) -> tuple[_Chunk, int]:
        """ggml_dyn_tallocr_alloc: the chunk and the offset in it."""
        chunk, index = self._hole(size) or self._end(size) or (self._new(size), 0)
        block = chunk.free[index]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if not block[1]:
            del chunk.free[index]
        chunk.highest = max(chunk.highest, offset + size)
        return chunk, offset

    def _hole(self, size: int) -> tuple[_Chunk, int] | None:
        """The best fitting hole of the last chunk that has one."""
        found = None
        for chunk in self.chunks:
            best = _ENDLESS
            for index, (_, room) in enumerate(chunk.free[:-1]):
                if size <= room <= best:
                    best, found = room, (chunk, index)
        return found

    def _end(self, size: int) -> tuple[_Chunk, int] | None:
        """The end of the chunk that grows least, or that leaves least unused."""
        found, best = None, -_ENDLESS
        for chunk in self.chunks:
            if not chunk.free:
                continue
            offset, room = chunk.free[-1]
            unused = chunk.highest - offset - size
            if size <= room and ((best < 0 and unused > best) or 0 <= unused < best):
                found, best = (chunk, len(chunk.free) - 1), unused
        return found

    def _new(self, size: int) -> _Chunk:
        last = len(self.chunks) == _MOST - 1
        self.chunks.append(_Chunk([[0, _ENDLESS if last else max(size, self.largest)]]))
        return self.chunks[-1]


def chunked_bytes(requests: Requests, sizes: Sizes, alignment: int, largest: int) -> int:
    """Bytes of all pieces together, where none but a single tensor's may be larger than `largest`."""
    memory, mask = _Chunks(largest), alignment - 1
    held: list[dict[int, tuple[_Chunk, int, int]]] = [{} for _ in requests.blocks]
    for number, segment in requests.in_order():
        own = held[number]
        for slot, back, wanted, stage in segment:
            if wanted is None:
                chunk, offset, size = held[number - back].pop(slot)
                give_back(chunk.free, offset, size)
                continue
            size = (sizes.of(wanted, number) + mask) & ~mask
            if stage == CUT:
                chunk, offset, taken = own[slot]
                if size < taken:
                    own[slot] = (chunk, offset, size)
                    give_back(chunk.free, offset + size, taken - size)
                continue
            chunk, offset = memory.take(size)
            own[slot] = (chunk, offset, size)
    return sum(chunk.highest for chunk in memory.chunks)
