"""One row of a list of results: how well a model fits, in a few words and a bar."""

from typing import Any

from advisor.advice.options import Option
from advisor.memory.plan import DevicePlan, MemoryPlan, Pool
from advisor.speed.forecast import SpeedForecast
from advisor.units import UnitSystem, format_number, format_size
from advisor.words import felt, missing_bytes, parameters, summed, tightest, tokens_per_second, whose

PARTS: dict[str, str] = {
    "in_use": "In use by others",
    "weights": "Weights",
    "kv_cache": "KV cache",
    "compute": "Compute buffers",
    "other": "Other",
}
"""What the bar of a row tells apart: the large components, and the small ones together."""

_WORTH_SAYING = 2**30
"""Host memory beside the GPUs is named in a row from here on; each model takes some hundred MiB."""

_SMALL = ("recurrent_state", "output", "projector", "draft", "overhead")


def shown_pools(plan: MemoryPlan) -> tuple[Pool, ...]:
    """The memories that a bar in one line stands for: those of the GPUs together, or the one that is short or alone."""
    first = tightest(plan)
    cards = tuple(pool for pool in plan.pools if pool.kind == "vram")
    return cards if cards and (first.kind == "vram" or (first.headroom_bytes or 0) >= 0) else (first,)


def limit_decides(pool: Pool) -> bool:
    """True where the GPU's limit, not the memory as a whole, leaves least; what is short as a whole is said of the whole."""
    if pool.capacity_bytes is None or pool.gpu_limit_bytes is None:
        return False
    left = pool.capacity_bytes - (pool.in_use_bytes or 0) - pool.total_bytes
    return left >= 0 and pool.gpu_limit_bytes - pool.gpu_total_bytes < left


def _held(plan: MemoryPlan, pool: Pool) -> tuple[list[DevicePlan], int, int | None]:
    """Who holds what of `pool`, and of how much, by what decides there: the GPU's limit or the memory as a whole."""
    devices = [device for device in plan.devices if device.pool == pool.id]
    if limit_decides(pool):
        return [device for device in devices if device.kind == "gpu"], pool.gpu_total_bytes, pool.gpu_limit_bytes
    return devices, pool.total_bytes, pool.capacity_bytes


def in_short(option: Option, system: UnitSystem = "GiB") -> str:
    """Why the verdict is what it is, in a few words beside the bar: "3.2 GiB to spare", "28 of 33 layers on the GPU"."""
    word, left, settings = option.verdict.verdict, option.verdict.headroom_bytes, option.plan.settings
    if word == "no":
        short = missing_bytes(option.plan)
        return f"{format_size(short, system)} too little" if short else "too little memory"
    if word == "partial":
        blocks = option.model.quantized(option.quantization).hyperparameters.block_count
        if isinstance(settings.gpu_layers, int) and settings.cpu_moe_layers == 0:
            return f"{settings.gpu_layers} of {blocks + 1} layers on the GPU"
        return f"experts of {settings.cpu_moe_layers} blocks in system memory"
    if left is None:
        return "size of the memory not known"
    if left < 0:
        return f"{format_size(-left, system)} over the limit"
    return f"{format_size(left, system)} to spare{whose(option.plan)}"


def result_row(option: Option, href: str, system: UnitSystem = "GiB", *, note: str = "") -> dict[str, Any]:
    """One row of the landing page's list: texts and shares of the bar, ready to be drawn.

    `href` opens the model; `note` is said beside its file.
    """
    pools = shown_pools(option.plan)
    held = [_held(option.plan, pool) for pool in pools]
    rooms = [room for _, _, room in held if room]
    room = sum(rooms) if len(rooms) == len(pools) else None
    sizes = summed([device for devices, _, _ in held for device in devices])
    total = sum(size for _, size, _ in held)
    by_limit = [pool for pool in pools if limit_decides(pool)]
    shown = {"in_use": sum(pool.in_use_bytes or 0 for pool in pools if pool not in by_limit)}
    shown |= {name: sizes[name] for name in ("weights", "kv_cache", "compute")}
    shown["other"] = sum(sizes[name] for name in _SMALL)
    scale = max(room or 0, sum(shown.values()), 1)
    model = option.model
    size_text = format_size(total, system) + (f" of {format_size(room, system)}" if room else "")
    beside = sum(pool.total_bytes for pool in option.plan.pools) - total
    speed = option.speed if option.speed and option.verdict.verdict != "no" else None
    size = parameters(model.parameters)
    if model.active_parameters and model.active_parameters < 0.9 * model.parameters:
        size += f", {parameters(model.active_parameters)} active"
    return {
        "id": f"{model.id}:{option.quantization}",
        "href": href,
        "name": model.name,
        "meta": " · ".join(filter(None, (size, option.quantization, f"{format_size(option.file_bytes, system)} file", note))),
        "verdict": option.verdict.verdict,
        "why": list(option.verdict.reasons),
        "parts": [
            {"kind": name, "label": PARTS[name], "size": format_size(size, system), "share": size / scale}
            for name, size in shown.items()
            if size
        ],
        "size_text": size_text,
        "beside": f"and {format_size(beside, system)} {'for the CPU' if by_limit else 'of system memory'}"
        if beside >= _WORTH_SAYING
        else "",
        "short": in_short(option, system),
        **_speed_cell(speed),
        "search": " ".join((model.id, model.name, model.family, option.quantization)).lower(),
    }


def _speed_cell(speed: SpeedForecast | None) -> dict[str, str]:
    rate = speed.generate_tps if speed else None
    if speed is None or rate is None:
        return {"speed": "", "speed_mark": "", "speed_title": ""}
    how = speed.mark or " in 80 % of cases"
    return {
        "speed": f"{format_number(rate.expected)} tokens/s",
        "speed_mark": speed.known_by if speed.mark else "",
        "speed_title": f"{tokens_per_second(rate)}{how}, {felt(rate.expected)}",
    }
