"""From a plan and a machine to a `SpeedForecast`: tokens a second with a range, and what follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from advisor.machines.adjust import GIVEN
from advisor.machines.profile import MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.models.metadata import ModelMetadata
from advisor.speed.device_class import gpu_class, host_class
from advisor.speed.efficiencies import DEEP_TOKENS, Efficiencies, Spread, efficiencies
from advisor.speed.terms import EARLY, Devices, era, generation_terms, prompt_terms
from advisor.speed.work import Work, work_of
from advisor.units import format_size

DEEP = "deep"
"""Mark of the groups of runs deep in the context."""
PROMPT_TOKENS = 512
"""Length of the prompt where none is named: that of llama-bench."""


@dataclass(frozen=True, slots=True)
class Range:
    """A number with the range that holds it in 80 % of cases."""

    low: float
    expected: float
    high: float

    def inverted(self, amount: float, added: "Range | None" = None) -> "Range":
        """The time that `amount` takes at this rate, and `added` beside it."""
        more = added or Range(0.0, 0.0, 0.0)
        return Range(amount / self.high + more.low, amount / self.expected + more.expected, amount / self.low + more.high)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a run on this machine, or shared reports of its kind, say about the forecasts for it."""

    generate_factor: float | None
    """Measured over forecast tokens a second, generating; None where it was not measured."""
    prompt_factor: float | None
    measured_at: str
    """Day of the run, "2026-11-21"."""
    generate_spread: tuple[float, float] | None = (0.93, 1.07)
    """The run's own spread: lowest and highest over the median. None: as far as the forecast itself may be off."""
    prompt_spread: tuple[float, float] | None = (0.9, 1.1)
    shared_reports: int = 0
    """Of others, that it rests on; 0 for a run on this very machine. Of others it stays typical."""


@dataclass(frozen=True, slots=True)
class SpeedForecast:
    """How fast a plan runs. None where it is not known."""

    generate_tps: Range | None
    """Tokens a second for one stream, with `settings.depth` tokens in the context."""
    prompt_tps: Range | None
    time_to_first_token_s: Range | None
    load_s: Range | None
    """From the disk into memory; None where nobody measured the disk."""
    grade: Literal["typical", "measured"]
    basis: tuple[str, ...]
    """What the numbers rest on, in sentences."""
    prompt_tokens: int = PROMPT_TOKENS

    @property
    def known_by(self) -> str:
        """How it is known, in words: "typical", or "measured here" where a run on this machine corrects it."""
        return "measured here" if self.grade == "measured" else "typical"

    @property
    def mark(self) -> str:
        """What stands behind a number of it: ", measured here", or nothing for a typical one."""
        return f", {self.known_by}" if self.grade == "measured" else ""


def forecast(
    model: ModelMetadata,
    plan: MemoryPlan,
    machine: MachineProfile | None,
    *,
    prompt_tokens: int | None = None,
    calibration: Calibration | None = None,
    disk_bytes_s: float | None = None,
    generation_only: bool = False,
) -> SpeedForecast | None:
    """The speed of `plan` on `machine`, whatever its verdict; None without a machine, or where a bandwidth is not known.

    `prompt_tokens` is the prompt's length, after `settings.depth` tokens that are in the context already. `generation_only`
    leaves the prompt out, for lists of many models.
    """
    found = _prepared(model, plan, machine)
    if found is None or machine is None:
        return None
    work, devices, known = found
    depth, tokens = plan.settings.depth, prompt_tokens or PROMPT_TOKENS
    generate, prompt = _speeds(work, devices, known, depth, 0 if generation_only else tokens, calibration)
    return SpeedForecast(
        generate_tps=generate,
        prompt_tps=prompt,
        time_to_first_token_s=prompt and prompt.inverted(tokens, generate.inverted(1)),
        load_s=_load(work, disk_bytes_s),
        grade="measured" if calibration is not None and not calibration.shared_reports else "typical",
        basis=() if generation_only else _basis(work, devices, machine, depth, calibration),
        prompt_tokens=tokens,
    )


@dataclass(frozen=True, slots=True)
class SpeedAtDepth:
    """Speed with `depth` tokens in the context."""

    depth: int
    generate_tps: Range
    prompt_tps: Range | None


def by_depth(
    model: ModelMetadata,
    plan: MemoryPlan,
    machine: MachineProfile | None,
    depths: Sequence[int],
    *,
    prompt_tokens: int | None = None,
    calibration: Calibration | None = None,
) -> tuple[SpeedAtDepth, ...]:
    """The speed at each of `depths`, by what attention must read there; empty where there is no forecast."""
    found = _prepared(model, plan, machine)
    if found is None:
        return ()
    return tuple(SpeedAtDepth(depth, *_speeds(*found, depth, prompt_tokens or PROMPT_TOKENS, calibration)) for depth in depths)


def _speeds(
    work: Work, devices: Devices, known: Efficiencies, depth: int, tokens: int, calibration: Calibration | None
) -> tuple[Range, Range | None]:
    groups = groups_of(work, devices, depth)
    spread = known.spread([f"generate {g}" for g in groups], depth)
    generate = _rate(1, known.seconds(generation_terms(work, devices, depth)), spread)
    prompt = None
    if tokens and (terms := prompt_terms(work, devices, tokens, depth)) is not None:
        seen = depth + tokens // 2
        spread = known.spread([f"prompt {g}" for g in groups_of(work, devices, seen)], seen)
        prompt = _rate(tokens, known.seconds(terms), spread)
    if calibration is not None:
        generate = _calibrated(generate, calibration.generate_factor, calibration.generate_spread)
        prompt = prompt and _calibrated(prompt, calibration.prompt_factor, calibration.prompt_spread)
    return generate, prompt


def _prepared(
    model: ModelMetadata, plan: MemoryPlan, machine: MachineProfile | None
) -> tuple[Work, Devices, Efficiencies] | None:
    if machine is None:
        return None
    work = work_of(model, plan)
    profiles = () if machine.kind == "cpu" else machine.gpus[: work.placement.gpus]
    gpus = [gpu_class(gpu, machine, plan.settings.runtime) for gpu in profiles]
    known = [gpu for gpu in gpus if gpu is not None]
    if len(known) < work.placement.gpus:
        return None
    return work, Devices(tuple(known), host_class(machine)), efficiencies()


def _rate(tokens: int, seconds: float, spread: Spread) -> Range:
    expected = tokens / seconds
    return Range(expected * spread.low, expected, expected * spread.high)


def _calibrated(rate: Range, factor: float | None, spread: tuple[float, float] | None) -> Range:
    if factor is None:
        return rate
    expected = rate.expected * factor
    if spread is None:
        return Range(rate.low * factor, expected, rate.high * factor)
    return Range(expected * spread[0], expected, expected * spread[1])


def groups_of(work: Work, devices: Devices, seen: int) -> list[str]:
    """The groups whose measured spread describes this run, the most particular first. `seen`: tokens that attention sees."""
    on_host = work.blocks[-1] + work.mixture_blocks[-1]
    used = sum(bool(blocks) for blocks in work.blocks[:-1])
    where = "host" if not used else "offload" if on_host else "several" if used > 1 else "one"
    backend = devices[0].backend if used else "cpu"
    kind = "mixture" if work.hp.expert_count else "dense"
    own = EARLY if era(work.settings.build) == EARLY else DEEP if seen >= DEEP_TOKENS else ""
    apart = [f"{backend} {where} {kind} {own}"] if own else []
    return [*apart, f"{backend} {where} {kind}", f"{backend} {where}", f"{where} {kind}", where, "all"]


def _load(work: Work, disk_bytes_s: float | None) -> Range | None:
    size = work.model.file_bytes
    if size is None or disk_bytes_s is None:
        return None
    return Range(size / disk_bytes_s, size / disk_bytes_s, 2 * size / disk_bytes_s)


def _basis(
    work: Work, devices: Devices, machine: MachineProfile, depth: int, calibration: Calibration | None
) -> tuple[str, ...]:
    read = float((work.dense_bytes + work.expert_bytes * work.active_share).sum())
    said = [f"A token reads {format_size(round(read))} of weights"]
    if depth:
        said[0] += f" and {format_size(round(float(work.cache_read(depth).sum())))} of context"
    said[0] += "."
    if devices.gpus or not devices.host.assumed:
        gb_s = f"{devices[0].bandwidth / 1e9:g} GB/s"
        said.append(f"Bandwidth of {'the GPU' if devices.gpus else 'the memory'}: {gb_s}, {_known_from(machine, devices)}.")
    if devices.host.assumed and (work.blocks[-1] or work.mixture_blocks[-1]):
        said.append(devices.host.assumed)
    if calibration is not None and calibration.shared_reports:
        said.append(f"Corrected by {calibration.shared_reports} shared reports of this family.")
    elif calibration is not None:
        said.append(f"Measured here on {calibration.measured_at}.")
    return tuple(said)


def _known_from(machine: MachineProfile, devices: Devices) -> str:
    """Where the bandwidth of the first device is from."""
    if machine.sources.get("gpus.0.bandwidth_gb_s" if devices.gpus else "memory.bandwidth_gb_s") == GIVEN:
        return "as you gave it"
    measured = not devices.gpus and machine.memory.bandwidth_measured_gb_s is not None
    return "as it was measured" if measured else "as the maker states it"
