"""From what the probes found to one `MachineProfile`, with what no driver tells (bandwidth, compute) from the library."""

from collections.abc import Sequence
from typing import Literal

from advisor.machines.capacity import TYPICAL_SOURCE, gpu_limit, typical_capacity
from advisor.machines.detect.probe import FoundGpu, Part
from advisor.machines.library import Library, plain
from advisor.machines.profile import Cpu, Disk, Gpu, MachineProfile, SystemMemory
from advisor.units import MIB, format_size

_FILLED = ("memory_bytes", "bandwidth_gb_s", "bandwidth_measured_gb_s", "fp16_tflops", "fp32_tflops", "power_w", "cores")
_FILLED_TOO = ("architecture", "compute_capability", "link", "launch_price_usd", "release_date")
_FORMS = frozenset(
    [
        "pcie",
        "sxm",
        "sxm2",
        "sxm4",
        "sxm5",
        "hbm2",
        "hbm2e",
        "hbm3",
        "hbm3e",
        "workstation",
        "edition",
        "generation",
        "modded",
        "memory",
    ]
)
"""Words that a driver's name has and a profile's has not, or the other way round, for one device."""
_DRIVERS_WORD = {"hbm3": "sxm5"}
"""The driver names an H100 SXM5 after its memory ("NVIDIA H100 80GB HBM3")."""
_SAME_SIZE = 0.07
Kind = Literal["discrete", "unified", "cpu"]


def assemble(parts: Sequence[tuple[str, Part]], library: Library) -> MachineProfile:
    """The machine that these parts, named by their probes, are of. Where two say the same thing the first is believed."""
    found = [part for _, part in parts]
    sources: dict[str, str] = {}
    cpu = _merged_cpu(parts, sources)
    memory = next((part.memory for part in found if part.memory), SystemMemory())
    disk = next((part.disk for part in found if part.disk), Disk())
    notes = [note for part in found for note in part.notes]
    for path, present in (("memory", memory.capacity_bytes), ("disk", disk.path)):
        if present:
            sources[path] = "the operating system"
    chosen, kind, left_out = _chosen(_merged_gpus(found))
    notes += left_out
    gpus = []
    for index, candidate in enumerate(chosen):
        gpu, said = _completed(candidate, library)
        gpus.append(gpu)
        sources.update({f"gpus.{index}{path}": source for path, source in said.items()})
    machine = MachineProfile(
        id="detected",
        name=_name(found, gpus, cpu),
        kind=kind,
        origin="detected",
        gpus=tuple(gpus),
        cpu=cpu,
        memory=memory,
        disk=disk,
        os=next((part.os for part in found if part.os), None),
        notes=tuple(dict.fromkeys(notes)),
        sources=sources,
    )
    board = next((part.profile_id for part in found if part.profile_id), None)
    if board:
        machine = _with_board(machine, library.get(board))
    newer = next((part.newer_macos for part in found if part.newer_macos is not None), False)
    return _with_limit(machine, chosen, newer_macos=newer) if kind == "unified" else machine


def matched(gpu: Gpu, library: Library) -> str | None:
    """The id of the profile that this GPU is: by its name, and of several by its memory. None for an unknown GPU."""
    if gpu.vendor == "apple":
        id_ = f"{plain(gpu.name).replace(' ', '-')}-{gpu.cores}"
        return id_ if id_ in library.files else None
    ranked = [rank for name in _alternatives(gpu.name) if (rank := _best(name, gpu, library)) is not None]
    if not ranked:
        return None
    best = min(ranked)
    several = [rank for rank in ranked if rank[:2] == best[:2] and rank[2] != best[2]]
    return None if several else best[2]  # cards of one device id and one size: which of them it is, nothing tells


def _alternatives(name: str) -> list[str]:
    """The names in "Radeon RX 7900 XT/7900 XTX": one device id stands for several cards."""
    first, *others = (part.strip() for part in name.split("/"))
    words = first.split()
    series = " ".join(words[: next((index for index, word in enumerate(words) if word[0].isdigit()), 0)])
    return [first, *(f"{series} {other}" if other[:1].isdigit() else other for other in others if other)]


def _best(gpu_name: str, gpu: Gpu, library: Library) -> tuple[int, float, str] | None:
    """The nearest profile of this name: (words of form or size that differ, distance in memory, id)."""
    words = frozenset(_DRIVERS_WORD.get(word, word) for word in plain(gpu_name).split())
    size = gpu.capacity_bytes or gpu.memory_bytes
    best: tuple[int, float, str] | None = None
    for id_, name in library.names.items():
        theirs = frozenset(plain(name).split())
        if (words ^ theirs) - {word for word in words ^ theirs if word in _FORMS or word.endswith("gb") or word == "mod"}:
            continue
        if not (words & theirs) - _FORMS:
            continue
        profile = library.get(id_)
        if not profile.gpus or profile.gpus[0].vendor != gpu.vendor:
            continue
        nominal = profile.gpus[0].memory_bytes
        distance = abs(1 - size / nominal) if size and nominal else 0.0
        rank = (len((words ^ theirs) & {"sxm2", "sxm4", "sxm5", "sxm", "pcie"}) if distance <= _SAME_SIZE else 9, distance, id_)
        best = rank if best is None else min(best, rank)
    return best


def _merged_cpu(parts: Sequence[tuple[str, Part]], sources: dict[str, str]) -> Cpu:
    """Each field from the first probe that knows it."""
    values: dict[str, object] = {}
    for source, part in parts:
        for name, value in (part.cpu.model_dump() if part.cpu else {}).items():
            if name not in values and value not in (None, ()):
                values[name] = value
                sources[f"cpu.{name}"] = source
    return Cpu.model_validate(values)


def _merged_gpus(found: Sequence[Part]) -> list[FoundGpu]:
    """The GPUs of each vendor from the first probe that lists any; later ones add to an integrated GPU what is missing."""
    by_vendor: dict[str, list[FoundGpu]] = {}
    for part in found:
        new: dict[str, list[FoundGpu]] = {}
        for gpu in part.gpus:
            new.setdefault(gpu.gpu.vendor, []).append(gpu)
        for vendor, gpus in new.items():
            have = by_vendor.get(vendor)
            if have is None:
                by_vendor[vendor] = gpus
            elif len(have) == len(gpus) == 1 and have[0].integrated:
                by_vendor[vendor] = [_joined(have[0], gpus[0])]
    return [gpu for gpus in by_vendor.values() for gpu in gpus]


def _joined(first: FoundGpu, second: FoundGpu) -> FoundGpu:
    known = {name: value for name, value in first.gpu.model_dump().items() if value is not None}
    gpu = Gpu.model_validate({**second.gpu.model_dump(), **known})
    limit = first.limit_bytes if first.limit_bytes is not None else second.limit_bytes
    return FoundGpu(gpu, integrated=True, via=f"{first.via}, {second.via}", limit_bytes=limit)


def _chosen(gpus: list[FoundGpu]) -> tuple[list[FoundGpu], Kind, list[str]]:
    """The GPUs that engines use: cards with memory of their own where there is one, else the integrated one, else none."""
    cards = [gpu for gpu in gpus if not gpu.integrated]
    shared = [gpu for gpu in gpus if gpu.integrated]
    if cards:
        return cards, "discrete", [f"{gpu.gpu.name} shares the system memory and is left out." for gpu in shared]
    if shared:
        return shared[:1], "unified", []
    return [], "cpu", []


def _completed(found: FoundGpu, library: Library) -> tuple[Gpu, dict[str, str]]:
    gpu, said = found.gpu, {"": found.via}
    if gpu.vendor == "apple" and gpu.cores is None:
        gpu = _of_any_size(gpu, library)
        return gpu, said | ({".bandwidth_gb_s": "the profiles of this chip, which agree"} if gpu.bandwidth_gb_s else {})
    id_ = matched(gpu, library)
    if id_ is not None:
        known = library.get(id_).gpus[0]
        unknown = [name for name in (*_FILLED, *_FILLED_TOO) if getattr(gpu, name) is None]
        new = {name: value for name in unknown if (value := getattr(known, name)) is not None}
        if found.integrated:
            new.pop("memory_bytes", None)
        elif gpu.capacity_bytes and known.memory_bytes and abs(1 - gpu.capacity_bytes / known.memory_bytes) > _SAME_SIZE:
            new.pop("memory_bytes", None)  # another size than the one in the library (a modified card, a part of a GPU)
        gpu = gpu.model_copy(update=new | ({"name": known.name} if "/" in gpu.name else {}))
        said |= {f".{name}": f"profile {id_}, found by name" for name in new}
    if not found.integrated and gpu.capacity_bytes is None and gpu.memory_bytes is not None:
        gpu = gpu.model_copy(update={"capacity_bytes": typical_capacity(gpu.memory_bytes)})
        said[".capacity_bytes"] = TYPICAL_SOURCE
    return gpu, said


def _of_any_size(gpu: Gpu, library: Library) -> Gpu:
    """A Mac's GPU whose cores nobody has told yet, with the bandwidth that all sizes of the chip have, if they have one."""
    stem = plain(gpu.name).replace(" ", "-")
    sizes = [id_ for id_ in library.ids if id_.startswith(f"{stem}-") and id_.removeprefix(f"{stem}-").isdigit()]
    speeds = {library.get(id_).gpus[0].bandwidth_gb_s for id_ in sizes}
    return gpu.model_copy(update={"bandwidth_gb_s": speeds.pop()}) if len(speeds) == 1 else gpu


def _with_board(machine: MachineProfile, board: MachineProfile) -> MachineProfile:
    """What a board's profile knows and no probe can see: its memory's bandwidth, its GPU's compute."""
    source = f"profile {board.id}, found by the device tree"
    new = {name: value for name in ("bandwidth_gb_s", "type") if (value := getattr(board.memory, name)) is not None}
    sources = {**machine.sources, **{f"memory.{name}": source for name in new}}
    gpus = machine.gpus
    if gpus and board.gpus:
        unknown = [name for name in (*_FILLED[1:], "compute_capability") if getattr(gpus[0], name) is None]
        filled = {name: getattr(board.gpus[0], name) for name in unknown}
        gpus = (gpus[0].model_copy(update=filled), *gpus[1:])
        sources |= {f"gpus.0.{name}": source for name, value in filled.items() if value is not None}
    return machine.model_copy(update={"memory": machine.memory.model_copy(update=new), "gpus": gpus, "sources": sources})


def _with_limit(machine: MachineProfile, chosen: list[FoundGpu], *, newer_macos: bool) -> MachineProfile:
    """The share that the GPU may take, as the system says it or as is usual for it; and the one bandwidth of both."""
    gpu, memory, sources = machine.gpus[0], machine.memory, dict(machine.sources)
    if memory.bandwidth_gb_s is None and gpu.bandwidth_gb_s is not None:
        memory = memory.model_copy(update={"bandwidth_gb_s": gpu.bandwidth_gb_s})
        sources["memory.bandwidth_gb_s"] = sources.get("gpus.0.bandwidth_gb_s", sources["gpus.0"])
    usual = gpu_limit(gpu.vendor, memory.capacity_bytes, newer_macos=newer_macos) if memory.capacity_bytes else None
    said = chosen[0].limit_bytes
    limit = said if said is not None else usual.limit_bytes if usual else None
    if limit is not None:
        sources["gpu_limit_bytes"] = chosen[0].via if said is not None else usual.source if usual else ""
    return machine.model_copy(
        update={
            "memory": memory,
            "gpu_limit_bytes": limit,
            "raise_gpu_limit": usual.raise_command if usual and limit is not None else None,
            "sources": sources,
        }
    )


def _name(found: Sequence[Part], gpus: list[Gpu], cpu: Cpu) -> str:
    given = next((part.name for part in found if part.name), None)
    if given and (not gpus or gpus[0].vendor != "apple"):
        return given
    if gpus:
        names = [gpu.name for gpu in gpus]
        size = f" ({gpus[0].cores}-core GPU)" if gpus[0].vendor == "apple" and gpus[0].cores else ""
        return f"{len(names)}x {names[0]}" if len(names) > 1 and len(set(names)) == 1 else " + ".join(names) + size
    return cpu.name or "This machine"


def in_one_line(machine: MachineProfile) -> str:
    """The machine as one says it: name, GPU memory, system memory."""
    memory = f"{format_size(machine.memory.capacity_bytes)} memory"
    own = [gpu.capacity_bytes for gpu in machine.gpus if gpu.capacity_bytes is not None]
    return f"{machine.name}, {format_size(sum(own) // MIB * MIB)} on the GPU, {memory}" if own else f"{machine.name}, {memory}"
