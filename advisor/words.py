"""What is said about plans and machines, in words. Pages, the command line and reports use the same sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from advisor.advice.options import Option
from advisor.advice.verdict import Verdict
from advisor.errors import HeadroomError
from advisor.machines.profile import MachineProfile
from advisor.memory.curves import Curves
from advisor.memory.plan import DevicePlan, MemoryPlan, Pool
from advisor.speed.forecast import Range, SpeedAtDepth, SpeedForecast
from advisor.units import UnitSystem, format_number, format_size, gib

if TYPE_CHECKING:
    from advisor.recommend import Recommended

COMPONENTS: dict[str, str] = {
    "weights": "Weights",
    "kv_cache": "KV cache",
    "recurrent_state": "Recurrent state",
    "compute": "Compute buffers",
    "output": "Output buffer",
    "projector": "Vision projector",
    "draft": "Draft model",
    "overhead": "Driver and runtime",
}
"""Every component of a plan, in the order in which it is stacked and listed."""

VERDICTS: dict[str, str] = {"fits": "✓ fits", "tight": "! tight", "partial": "◐ partial", "no": "✕ no"}
"""Every verdict as tables show it: a sign beside the word, never a colour alone."""


def sentence(error: HeadroomError | str) -> str:
    """The message of an error as a sentence of a page: a capital first, a full stop last."""
    text = f"{error}".strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def parameters(count: int) -> str:
    """A number of weights as people say it: "8B", "0.6B", "671B"."""
    billions = count / 1e9
    return (
        f"{billions:.0f}B"
        if billions >= 9.5
        else f"{billions:.1f}B".replace(".0B", "B")
        if billions >= 0.95
        else f"{count / 1e6:.0f}M"
    )


def tokens(count: int) -> str:
    """A number of tokens: "8k", "128k", "1,000"."""
    return f"{count // 1024}k" if count >= 1024 and count % 1024 == 0 else f"{count:,}"


def machine_line(machine: MachineProfile, system: UnitSystem = "GiB") -> str:
    """The machine in one line: name, memory, bandwidth where known."""
    parts = [without_memory(machine)]
    if machine.kind == "discrete" and machine.gpus:
        gpu = machine.gpus[0]
        size = round_size(gpu.memory_bytes or gpu.capacity_bytes, system)
        # Some GPUs are called by their memory.
        if not machine.name.endswith((f" {size}", f" {size.replace('GiB', 'GB')}")):
            parts.append(f"{size} each" if len(machine.gpus) > 1 else size)
        if machine.memory.capacity_bytes is not None:
            parts.append(f"{round_size(machine.memory.capacity_bytes, system)} system memory")
        bandwidth = gpu.bandwidth_gb_s
    else:
        unified = "unified " if machine.kind == "unified" else ""
        parts.append(f"{round_size(machine.memory.capacity_bytes, system)} {unified}memory")
        bandwidth = machine.memory.bandwidth_gb_s
    if bandwidth is not None:
        parts.append(f"{bandwidth:.4g} GB/s")
    return ", ".join(parts)


def without_memory(machine: MachineProfile) -> str:
    """The name of a machine without the size of its memory at the end: a line says that anew, and it may have been changed."""
    sizes = {f"{gib(size):g} GB" for size in machine.memory_options_bytes}
    name, _, last = machine.name.rpartition(", ")
    return name if name and last in sizes else machine.name


def round_size(size_bytes: int | None, system: UnitSystem = "GiB") -> str:
    """A size as people name it: "8 GiB", "23.5 GiB"; "unknown" for None."""
    number, _, unit = format_size(size_bytes, system).partition(" ")
    return f"{float(number):g} {unit}" if unit else number


def verdict_line(verdict: Verdict, plan: MemoryPlan, system: UnitSystem = "GiB") -> str:
    """The verdict as a heading: "Fits, with 3.2 GiB to spare"."""
    left = tightest(plan).headroom_bytes
    if verdict.verdict == "no":
        short = missing_bytes(plan)
        return f"Does not fit: {format_size(short, system)} too little" if short else "Does not fit"
    if verdict.verdict == "partial":
        return "Runs only in part on the GPU"
    if left is None:
        return verdict.verdict.capitalize()
    if verdict.verdict == "tight":
        return (
            f"Tight: {format_size(left, system)} to spare{whose(plan)}"
            if left >= 0
            else f"Tight: {format_size(-left, system)} over the limit"
        )
    return f"Fits, with {format_size(left, system)} to spare{whose(plan)}"


def whose(plan: MemoryPlan) -> str:
    """Of which memory the least is left, where a machine has several for models."""
    cards = [pool for pool in plan.pools if pool.kind == "vram"]
    if cards and tightest(plan).kind == "ram":
        return " in system memory"
    return " on the fullest GPU" if len(cards) > 1 else ""


def tightest(plan: MemoryPlan) -> Pool:
    """The memory with least left, of those whose capacity is known; the first where none is."""
    known = [pool for pool in plan.pools if pool.headroom_bytes is not None]
    return min(known, key=lambda pool: pool.headroom_bytes or 0) if known else plan.pools[0]


def missing_bytes(plan: MemoryPlan) -> int:
    """What the shortest memory lacks, or where none is short, what the GPU lacks under its limit; 0 where nothing is known."""
    rooms = [pool.total_bytes + (pool.in_use_bytes or 0) - pool.capacity_bytes for pool in plan.pools if pool.capacity_bytes]
    if any(short > 0 for short in rooms):
        return max(rooms)
    limits = [pool.gpu_total_bytes - pool.gpu_limit_bytes for pool in plan.pools if pool.gpu_limit_bytes is not None]
    return max([0, *limits])


def component_sizes(device: DevicePlan) -> dict[str, int]:
    """Bytes by component of one device, in the order of `COMPONENTS`."""
    return {name: getattr(device, f"{name}_bytes") for name in COMPONENTS}


def plan_sizes(plan: MemoryPlan) -> dict[str, int]:
    """Bytes by component over all devices."""
    return summed(plan.devices)


def summed(devices: Sequence[DevicePlan]) -> dict[str, int]:
    """Bytes by component of these devices together."""
    sizes = [component_sizes(device) for device in devices]
    return {name: sum(size[name] for size in sizes) for name in COMPONENTS}


_FELT = (
    (40.0, "faster than you read"),
    (20.0, "comfortable to read along"),
    (8.0, "about as fast as people read"),
    (3.0, "slower than you read"),
    (0.0, "something to leave running"),
)
"""What a number of tokens a second is like, from a least number on. People read about 240 words a minute (Brysbaert 2019, "How
many words do we read per minute?": 238 for English non-fiction), and 100 tokens are about 75 words: 5 tokens a second are
reading pace. 40 and more is what most people ask for."""


def felt(tps: float) -> str:
    """What a speed is like: "faster than you read". Beside the number, never instead of it."""
    return next(words for least, words in _FELT if tps >= least)


def tokens_per_second(rate: Range | None) -> str:
    """ "41 (35 to 47)"; "unknown" for None."""
    return (
        "unknown"
        if rate is None
        else f"{format_number(rate.expected)} ({format_number(rate.low)} to {format_number(rate.high)})"
    )


def seconds(value: float) -> str:
    """A duration as people say it: "0.3 s", "12 s", "4 min", "3.2 h"."""
    if value < 100:
        return f"{format_number(value)} s"
    return f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


def speed_line(speed: SpeedForecast) -> str:
    """The forecast in a sentence: generation, prompt, first token."""
    if speed.generate_tps is None:
        return "The speed is not known."
    said = f"About {tokens_per_second(speed.generate_tps)} tokens/s, {felt(speed.generate_tps.expected)}"
    if speed.prompt_tps is not None and speed.time_to_first_token_s is not None:
        said += (
            f"; reads prompts at {tokens_per_second(speed.prompt_tps)} tokens/s, so {speed.prompt_tokens:,} tokens take "
            f"{seconds(speed.time_to_first_token_s.expected)} until the first word"
        )
    return f"{said} ({speed.known_by}{'' if speed.grade == 'measured' else '; the range holds 80 % of cases'})."


def called(machine: MachineProfile) -> str:
    """How a machine is called inside a sentence: "this machine", "NVIDIA GeForce RTX 4090", "a GPU with 8 GiB"."""
    if machine.origin == "detected":
        return "this machine"
    return f"a {machine.name}" if machine.name.startswith("GPU") else without_memory(machine)


def headline(machine: MachineProfile, options: Sequence[Option]) -> str:
    """The answer in a sentence: how large a model this machine runs comfortably, in at least four bits a weight."""
    who = called(machine)
    who = f"{who[:1].upper()}{who[1:]}"
    whole = [option for option in options if option.verdict.verdict == "fits" and not option.strongly_compressed]
    if whole:
        largest = parameters(max(option.model.parameters for option in whole))
        if not machine.gpus:
            return f"{who} has room for models up to {largest}; without a GPU the large ones are slow"
        return f"{who} runs models up to {largest} comfortably"
    close = [option for option in options if option.verdict.verdict == "tight"]
    if close:
        return f"{who} runs models up to {parameters(max(option.model.parameters for option in close))}, but only just"
    if any(option.verdict.verdict == "partial" for option in options):
        return f"{who} runs models only with part of them in system memory, and slowly"
    return f"No model of the catalogue fits {called(machine)}"


def best_line(result: "Recommended") -> str | None:
    """What is advised, in a sentence: "Best for chat: Qwen3 32B in Q4_K_M, about 19 tokens/s."; None where nothing is."""
    found = result.recommendation
    if found is None:
        return None
    speed = found.choice.speed
    pace = f", about {format_number(speed.generate_tps.expected)} tokens/s{speed.mark}" if speed and speed.generate_tps else ""
    lead = "Best" if found.sure else "Nearest to what is wished"
    return f"{lead} for {result.question.purpose}: {found.choice.model.name} in {found.choice.quantization}{pace}."


def stack_text(plan: MemoryPlan, system: UnitSystem = "GiB") -> str:
    """What the figure of stacked memory shows, for those who cannot see it."""
    said = []
    for device in plan.devices:
        parts = [f"{COMPONENTS[name]} {format_size(size, system)}" for name, size in component_sizes(device).items() if size]
        room = "" if device.capacity_bytes is None else f" of {format_size(device.capacity_bytes, system)}"
        said.append(f"{device.name}: {format_size(device.total_bytes, system)}{room} ({', '.join(parts)})")
    return ". ".join(said) + "."


def curves_text(curves: Curves, system: UnitSystem = "GiB") -> str:
    """What the figure of memory against context shows, for those who cannot see it."""
    said = []
    for curve in curves.curves:
        ends = f"{curve.name}: {format_size(curve.total_bytes[0], system)} at {tokens(curve.contexts[0])} tokens"
        ends += f", {format_size(curve.total_bytes[-1], system)} at {tokens(curve.contexts[-1])}"
        if curves.limit_bytes is not None:
            ends += ", fits at none" if curve.longest is None else f", fits up to {tokens(curve.longest)}"
        said.append(ends)
    return "Memory against context. " + ". ".join(said) + "."


def speeds_text(points: Sequence[SpeedAtDepth]) -> str:
    """What the figure of speed against depth shows, for those who cannot see it."""
    said = [f"{format_number(point.generate_tps.expected)} tokens/s at {tokens(point.depth)}" for point in points]
    return f"Generation speed against tokens in the context: {', '.join(said)}."
