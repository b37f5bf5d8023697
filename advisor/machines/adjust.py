"""A machine with some of its numbers changed, or made of numbers alone. Nothing here looks at the machine it runs on."""

from collections.abc import Callable
from math import isfinite

from advisor.errors import QuestionError
from advisor.machines.capacity import TYPICAL_SOURCE, completed, with_gpu_memory, with_memory
from advisor.machines.profile import LEAST_RATE, Gpu, MachineProfile
from advisor.units import format_size, from_gib

MOST_GPUS = 64
GIVEN = "given by the user"
"""The source of a number that was asked for."""

Said = Callable[[str], None]


def adjust(
    profile: MachineProfile | None,
    *,
    gpus: int | None = None,
    memory_gib: float | None = None,
    ram_gib: float | None = None,
    bandwidth_gb_s: float | None = None,
    unified: bool = False,
) -> tuple[MachineProfile, tuple[str, ...]]:
    """`profile` with these numbers in place of its own, and what was assumed, one sentence each.

    Without a profile the numbers make a machine: `gpus` discrete GPUs (default 1) of `memory_gib` each, or with `unified`
    one memory for both. Sizes are nominal GiB; the capacity is what is typical for them. Raises QuestionError where the
    numbers cannot belong to the machine.
    """
    _check("gpus", gpus, most=MOST_GPUS)
    for name, value in (("memory_gib", memory_gib), ("ram_gib", ram_gib)):
        _check(name, value, most=1_000_000)
    _check("bandwidth_gb_s", bandwidth_gb_s, least=LEAST_RATE, most=1_000_000)
    assumed: list[str] = []
    machine = _blank(assumed.append, unified=unified) if profile is None else completed(profile)
    if unified and machine.kind != "unified":
        raise QuestionError(f"{machine.name} does not have unified memory; leave out --unified.", field="unified")
    if gpus is not None:
        machine = _with_gpus(machine, gpus)
    if machine.kind == "discrete":
        machine = _discrete(machine, memory_gib, ram_gib, assumed.append)
    else:
        machine = _one_memory(machine, memory_gib, ram_gib, assumed.append)
    if bandwidth_gb_s is not None:
        machine = _with_bandwidth(machine, bandwidth_gb_s)
    return (_named_by_numbers(machine, memory_gib) if profile is None else machine), tuple(assumed)


def _check(name: str, value: float | None, *, most: float, least: float = 0) -> None:
    if value is not None and not (isfinite(value) and value > 0 and least <= value <= most):
        bound = f"at least {least:g}" if least else "more than 0"
        raise QuestionError(f"{name} must be {bound} and at most {most:,}, and is {value}.", field=name)


def _blank(say: Said, *, unified: bool) -> MachineProfile:
    """A machine of which nothing is known but its kind. Its GPU counts as an NVIDIA one: engines plan those alike by size."""
    if unified:
        gpu = Gpu(name="GPU", vendor="other", backend="vulkan")
        return MachineProfile(id="typed", name="Unified memory", kind="unified", origin="typed", gpus=(gpu,))
    say("The GPU is given by numbers alone: it is planned as an NVIDIA card on CUDA.")
    gpu = Gpu(name="GPU", vendor="nvidia", backend="cuda")
    return MachineProfile(id="typed", name="GPU", kind="discrete", origin="typed", gpus=(gpu,))


def _with_gpus(machine: MachineProfile, count: int) -> MachineProfile:
    if machine.kind == "cpu":
        raise QuestionError(f"{machine.name} has no GPU; leave out --gpus or name a graphics card.", field="gpus")
    if machine.kind == "unified":
        if count != len(machine.gpus):
            raise QuestionError(f"{machine.name} has one GPU in one memory; leave out --gpus.", field="gpus")
        return machine
    have = machine.gpus
    if count <= len(have):
        return machine.model_copy(update={"gpus": have[:count]})
    if len({(gpu.name, gpu.memory_bytes) for gpu in have}) > 1:
        raise QuestionError(
            f"{machine.name} has {len(have)} different GPUs; --gpus can be at most {len(have)} for it.", field="gpus"
        )
    sources = {**machine.sources}
    for path, source in machine.sources.items():
        if path == "gpus.0" or path.startswith("gpus.0."):
            for index in range(len(have), count):
                sources[f"gpus.{index}{path.removeprefix('gpus.0')}"] = source
    more = tuple(_as_sold(have[0]) for _ in range(count - len(have)))
    name = machine.name if machine.origin == "typed" else f"{count}x {have[0].name}"
    return machine.model_copy(update={"gpus": have + more, "name": name, "sources": sources})


def _as_sold(gpu: Gpu) -> Gpu:
    """A second card of the same kind: without what is in use on the first."""
    return gpu.model_copy(update={"in_use_bytes": None, "driver": None})


def _discrete(machine: MachineProfile, memory_gib: float | None, ram_gib: float | None, say: Said) -> MachineProfile:
    if memory_gib is not None:
        sources = {path: source for path, source in machine.sources.items() if not path.endswith("capacity_bytes")}
        for index in range(len(machine.gpus)):
            sources[f"gpus.{index}.memory_bytes"] = GIVEN
            sources[f"gpus.{index}.capacity_bytes"] = TYPICAL_SOURCE
        if "memory.capacity_bytes" in machine.sources:
            sources["memory.capacity_bytes"] = machine.sources["memory.capacity_bytes"]
        gpus = tuple(with_gpu_memory(gpu, from_gib(memory_gib)) for gpu in machine.gpus)
        machine = machine.model_copy(update={"gpus": gpus, "sources": sources})
    for gpu in {gpu.name: gpu for gpu in machine.gpus}.values():
        if gpu.capacity_bytes is None:
            say(f"The memory of {gpu.name} is not known; give --memory-gib.")
        elif machine.origin != "detected" or memory_gib is not None:
            say(
                f"{gpu.name}: {format_size(gpu.capacity_bytes)} of {format_size(gpu.memory_bytes)} can be used, which is "
                "typical of what drivers report (2.5 % less than nominal)."
            )
    if ram_gib is not None:
        return with_memory(machine, from_gib(ram_gib))
    if machine.memory.capacity_bytes is None:
        say("The system memory is not known, so what lies on the host has no limit; give --ram-gib.")
    return machine


def _one_memory(machine: MachineProfile, memory_gib: float | None, ram_gib: float | None, say: Said) -> MachineProfile:
    """Unified machines and those without a GPU: memory_gib and ram_gib mean the same memory."""
    if memory_gib is not None and ram_gib is not None and memory_gib != ram_gib:
        raise QuestionError(
            f"{machine.name} has one memory; --memory-gib and --ram-gib cannot differ, so give one of them.", field="ram_gib"
        )
    given = memory_gib if memory_gib is not None else ram_gib
    options = machine.memory_options_bytes
    if given is not None:
        # What was read on a machine of this size is better known than what is typical of it.
        if machine.origin == "detected" or machine.memory.capacity_bytes is None or options != (from_gib(given),):
            machine = with_memory(machine, from_gib(given))
        if options and from_gib(given) not in options:
            say(f"{machine.name} was sold with {_listed(options)}; {given:g} GiB is taken as asked.")
    elif machine.memory.capacity_bytes is None and options:
        machine = with_memory(machine, options[0])
        say(f"{machine.name} was sold with {_listed(options)}: the smallest is taken; give --memory-gib for another.")
    elif machine.memory.capacity_bytes is None:
        say(f"The memory of {machine.name} is not known; give --memory-gib.")
    if machine.gpu_limit_bytes is not None and machine.gpus and machine.origin != "detected":
        say(_limit_sentence(machine))
    return machine


def _limit_sentence(machine: MachineProfile) -> str:
    older = " (macOS 26; an older macOS gives less)" if machine.gpus[0].vendor == "apple" else ""
    raises = f"; {machine.raise_gpu_limit} raises it" if machine.raise_gpu_limit else ""
    return f"The GPU may take {format_size(machine.gpu_limit_bytes)} by default{older}{raises}."


def _with_bandwidth(machine: MachineProfile, bandwidth_gb_s: float) -> MachineProfile:
    """Of each GPU's own memory, or of the one memory where there is only that."""
    new = {"bandwidth_gb_s": float(bandwidth_gb_s), "bandwidth_measured_gb_s": None}
    update: dict[str, object] = {"gpus": tuple(gpu.model_copy(update=new) for gpu in machine.gpus)}
    paths = [f"gpus.{index}.bandwidth_gb_s" for index in range(len(machine.gpus))]
    if machine.kind != "discrete":
        update["memory"] = machine.memory.model_copy(update=new)
        paths.append("memory.bandwidth_gb_s")
    kept = {path: source for path, source in machine.sources.items() if not path.endswith("bandwidth_measured_gb_s")}
    return machine.model_copy(update={**update, "sources": {**kept, **dict.fromkeys(paths, GIVEN)}})


def _named_by_numbers(machine: MachineProfile, memory_gib: float | None) -> MachineProfile:
    size = "" if memory_gib is None else f" with {memory_gib:g} GiB"
    if machine.kind == "unified":
        return machine.model_copy(update={"name": f"Unified memory{size and f' of {memory_gib:g} GiB'}"})
    count = len(machine.gpus)
    return machine.model_copy(
        update={"name": f"GPU{size}" if count == 1 else f"{count} GPUs{size} each" if size else f"{count} GPUs"}
    )


def _listed(options: tuple[int, ...]) -> str:
    names = [f"{option / 2**30:g}" for option in options]
    return f"{names[0]} GiB" if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]} GiB"
