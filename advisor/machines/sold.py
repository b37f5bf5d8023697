"""Machines as they can be bought: every profile in every memory size it was sold with. "m4-max-40@128" names one of them."""

from dataclasses import dataclass
from functools import lru_cache

from advisor.errors import QuestionError
from advisor.machines.adjust import adjust
from advisor.machines.library import library
from advisor.machines.profile import LaunchPrice, MachineProfile
from advisor.units import from_gib, gib

MARK = "@"
CARDS = "graphics cards"
"""What a price is of where it is not a whole machine's."""


@dataclass(frozen=True, slots=True)
class Sold:
    """One machine in one size."""

    id: str
    """The profile's id, with the memory in GiB where it was sold in several sizes."""
    machine: MachineProfile

    @property
    def name(self) -> str:
        """The machine's name, with its memory where sizes tell it apart."""
        size = self.id.partition(MARK)[2]
        return f"{self.machine.name}, {size} GiB" if size else self.machine.name

    @property
    def memory_bytes(self) -> int | None:
        """Nominal memory that a model lies in at full speed: of all GPUs, or the one that all share. None where unknown."""
        if self.machine.kind == "discrete":
            sizes = [gpu.memory_bytes for gpu in self.machine.gpus]
            return None if None in sizes else sum(size or 0 for size in sizes)
        return self._nominal_bytes or self.machine.memory.capacity_bytes

    @property
    def room_bytes(self) -> int | None:
        """What of it models may take: as drivers and systems report it, within the GPU's limit. None where unknown."""
        if self.machine.kind == "discrete":
            sizes = [gpu.capacity_bytes for gpu in self.machine.gpus]
            return None if None in sizes else sum(size or 0 for size in sizes)
        capacity, limit = self.machine.memory.capacity_bytes, self.machine.gpu_limit_bytes
        return capacity if capacity is None or limit is None else min(capacity, limit)

    @property
    def _nominal_bytes(self) -> int | None:
        """Memory as on the box, of which the system may show less; None where sizes are not known."""
        size, options = self.id.partition(MARK)[2], self.machine.memory_options_bytes
        return from_gib(float(size)) if size else options[0] if len(options) == 1 else None

    @property
    def launch_price(self) -> LaunchPrice | None:
        """The lowest price at launch of a machine of this memory, else that of all its cards; None where it is not known."""
        whole = [price for price in self.machine.launch_prices if price.memory_bytes in (None, self._nominal_bytes)]
        if whole:
            return min(whole, key=lambda price: price.usd)
        prices = [gpu.launch_price_usd for gpu in self.machine.gpus]
        if not prices or None in prices:
            return None
        years = {(gpu.release_date or "")[:4] for gpu in self.machine.gpus}
        year = years.pop() if len(years) == 1 else ""
        return LaunchPrice(usd=sum(price or 0 for price in prices), of=CARDS, date=year or None)

    @property
    def launch_price_usd(self) -> int | None:
        """The dollars of `launch_price`."""
        return self.launch_price.usd if self.launch_price else None


@lru_cache(maxsize=1)
def all_sold() -> tuple[Sold, ...]:
    """Every profile whose memory is known, in every size, in the order of the library."""
    found = []
    for id_ in library().ids:
        profile = library().get(id_)
        if len(profile.memory_options_bytes) > 1:
            sizes = [f"{gib(size):g}" for size in profile.memory_options_bytes]
            found += [Sold(f"{id_}{MARK}{size}", adjust(profile, memory_gib=float(size))[0]) for size in sizes]
        else:
            found.append(Sold(id_, profile))
    return tuple(each for each in found if each.memory_bytes is not None)


def find_sold(text: str) -> Sold:
    """The machine that "m4-max-40@128" or "rtx-4090" names; one of several sizes without a size is its smallest.

    Raises QuestionError with one sentence where it names none.
    """
    name, mark, size = text.strip().partition(MARK)
    profile = library().find(name)
    if not mark:
        sizes = profile.memory_options_bytes
        return find_sold(f"{profile.id}{MARK}{gib(sizes[0]):g}") if len(sizes) > 1 else Sold(profile.id, profile)
    try:
        memory = float(size)
    except ValueError:
        raise QuestionError(f'"{text.strip()[:80]}" should end with a memory in GiB, such as @128', field="machines") from None
    return Sold(f"{profile.id}{MARK}{memory:g}", adjust(profile, memory_gib=memory)[0])
