"""Blocks that repeat: which of them a layout is made for, and how it stands for all of them.

Where blocks repeat with a period, the graph repeats too, and so do the requests to the allocator: the first blocks, two periods
and the last blocks are laid out, and those between are taken to be like the second of the two. `unfold` checks that they are:
it and the one before must ask for exactly the same, and give back what they take within a period. Where they do not, it raises
`UnsteadyError`; then more blocks are kept at the ends of runs, and where that does not help either, all are laid out.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from advisor.memory.compute_allocator import Request, Requests, Segment
from advisor.memory.compute_graph import BLOCK_WEIGHT

LEAD = 2
"""Blocks at the start of a run that differ, as it is where inputs are used first and what is given back was taken by others,
besides a period (of a period of one block, without one)."""
TAIL = 2
"""Blocks at the end of a run that differ, as they give back what later ones do not read."""
_LONGEST = 12


class UnsteadyError(Exception):
    """Periods that should be alike are not."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Blocks left out."""

    at: int
    """The first kept block after the gap, among those that are kept."""
    period: int
    left_out: int
    """A multiple of `period`."""


def cuts(kinds: Sequence[Hashable], wider: int = 0) -> tuple[Cut, ...]:
    """What can be left out of a sequence of blocks, by their kinds; `wider` keeps so many more at both ends of a run."""
    numbers: dict[Hashable, int] = {}
    row = [numbers.setdefault(kind, len(numbers)) for kind in kinds]
    found: list[Cut] = []
    start, gone = 0, 0
    while start < len(row):
        best = (0, 0, 1)
        for period in range(1, min(_LONGEST, (len(row) - start) // 3) + 1):
            end = start + period
            while end < len(row) and row[end] == row[end - period]:
                end += 1
            best = max(best, ((end - start - _kept(period) - 2 * wider) // period * period, -period, end))
        left_out, period, end = best[0], -best[1], best[2]
        if left_out > 0:
            found.append(Cut(start + _kept(period) + wider - TAIL - gone, period, left_out))
            gone += left_out
            start = end
        else:
            start += 1
    return tuple(found)


def _kept(period: int) -> int:
    """Blocks of a run that stay at least."""
    return LEAD + (period if period > 1 else 0) + 2 * period + TAIL


def kept(count: int, found: Sequence[Cut]) -> list[int]:
    """Numbers of the blocks that stay."""
    numbers = list(range(count))
    for cut in found:
        del numbers[cut.at : cut.at + cut.left_out]
    return numbers


def unfold(requests: Requests, found: Sequence[Cut]) -> Requests:
    """The requests of all blocks, from those of the blocks that were kept."""
    for cut in found:
        _check(requests, cut)
    moved = [_moved(segment, number, found) for number, segment in enumerate(requests.blocks)]
    return Requests(_repeated(requests.leaves, found), _repeated(moved, found))


def _repeated(segments: Sequence[Segment], found: Sequence[Cut]) -> tuple[Segment, ...]:
    """`segments` with the last period before each cut as often as it was left out."""
    unfolded: list[Segment] = []
    position = 0
    for cut in found:
        first = cut.at + 1
        unfolded += segments[position:first]
        unfolded += list(segments[first - cut.period : first]) * (cut.left_out // cut.period)
        position = first
    return (*unfolded, *segments[position:])


def _check(requests: Requests, cut: Cut) -> None:
    first = cut.at + 1
    second, third = first - 2 * cut.period, first - cut.period
    for segments in requests:
        if segments[second:third] != segments[third:first]:
            raise UnsteadyError
    segments = requests.blocks
    for number, segment in enumerate(segments[second:], start=second):
        for request in segment:
            if request.size is not None:
                if request.size[2] == BLOCK_WEIGHT and abs(request.size[1]) > cut.period:
                    raise UnsteadyError
            elif request.back:
                target = number - request.back
                # They give back what they take within a period, and the last nothing from before the last but one.
                late = second <= target < first and request.back > cut.period
                if late or (number < first and (request.back < 0 or (target < second and third <= number))):
                    raise UnsteadyError


def _moved(segment: Segment, number: int, found: Sequence[Cut]) -> Segment:
    """The segment with its distances as they are once all blocks are there again."""
    before = [cut for cut in found if cut.at < number]
    near = number - (before[-1].at + 1 - before[-1].period) if before else number
    if all(0 <= request.back <= near for request in segment):
        return segment
    return tuple([_further(request, number, found) if request.back else request for request in segment])


def _further(request: Request, number: int, found: Sequence[Cut]) -> Request:
    target = number - request.back
    if target > number:  # a leaf of a later block, copied before its time
        gap = -sum(cut.left_out for cut in found if number < cut.at + 1 <= target)
        return request._replace(back=request.back + gap)
    gap = sum(cut.left_out for cut in found if target < cut.at + 1 - cut.period and number >= cut.at + 1)
    return request._replace(back=request.back + gap) if gap else request
