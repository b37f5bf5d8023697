"""What the engine prints while it plans, turned into values, strictly: a line with a size that is not known is kept as unread.

Sources: src/llama-kv-cache.cpp:291-305, src/llama-memory-recurrent.cpp:119-137, src/llama-kv-cache-dsv4.cpp:992-999,
src/llama-context.cpp:381-384, 750-776, src/llama-model.cpp:1594-1599, src/llama-quant.cpp:1227-1384.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

MIB = 2**20
_SIZE = r" *(?P<{}>\d+\.\d\d) MiB"


def _pattern(text: str) -> re.Pattern[str]:
    """`<name MiB>` stands for a printed size."""
    return re.compile(re.sub(r"<(\w+) MiB>", lambda match: _SIZE.format(match[1]), text))


_LAYER = re.compile(r"load_tensors: layer +(\d+) assigned to device (\S+), is_swa = [01]")
_CACHE = _pattern(
    r"llama_kv_cache: size =<size MiB> \( *\d+ cells, +(?P<layers>\d+) layers, +\d+/\d+ seqs\), "
    r"K \((\w+)\):<k MiB>, V \((\w+)\):<v MiB>"
)
_RECURRENT = _pattern(
    r"llama_memory_recurrent: size =<size MiB> \( *\d+ cells, +(?P<layers>\d+) layers, +\d+ seqs +\d+ rs_seq\), "
    r"R \((\w+)\):<r MiB>, S \((\w+)\):<s MiB>, P \((\w+)\):<p MiB>"
)
_COMPRESSOR = _pattern(
    r"llama_dsv4_comp_state: .* ratio = \d+, state = \d+ x \d+, streams = \d+, rs_seq = \d+, "
    r"layers = (?P<layers>\d+), size =<size MiB>"
)
_OUTPUT = _pattern(r"llama_context: +(?P<device>\S+) +output buffer size =<size MiB>")
_COMPUTE = _pattern(r"sched_reserve: +(?P<device>\S+) compute buffer size =<size MiB>")
_COPIES = re.compile(r"sched_reserve: reserve took [\d.]+ ms, sched copies = (\d+)")
_FLASH_ATTENTION = re.compile(r"resolve_fused_ops: Flash Attention (enabled|not supported, set to disabled)")
_REPEATED = (
    # By device what other lines have in all; without weights caches of keys and values print 0 here.
    _pattern(r"llama_kv_cache: +\S+ KV buffer size =<size MiB>"),
    _pattern(r"llama_memory_recurrent: +\S+ RS buffer size =<size MiB>"),
    _pattern(r"llama_dsv4_comp_state: +\S+ DSV4 .* state buffer size =<size MiB>"),
)


@dataclass
class PlanLog:
    """The values in the lines of one plan. Sizes in MiB as printed, to two digits."""

    layers: dict[int, str] = field(default_factory=dict)
    """Name of the device of each block, and of the output layer as the last."""
    caches: list[tuple[float, int]] = field(default_factory=list)
    """Each with the layers that it has tensors for."""
    states: list[tuple[float, int]] = field(default_factory=list)
    output: float | None = None
    compute: dict[str, float] = field(default_factory=dict)
    copies: int | None = None
    flash_attention: bool | None = None
    unread: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take what `line` says."""
        if match := _LAYER.fullmatch(line):
            self.layers[int(match[1])] = match[2]
        elif match := _CACHE.fullmatch(line):
            self.caches.append((float(match["size"]), int(match["layers"])))
        elif match := _RECURRENT.fullmatch(line) or _COMPRESSOR.fullmatch(line):
            self.states.append((float(match["size"]), int(match["layers"])))
        elif match := _OUTPUT.fullmatch(line):
            self.output = float(match["size"])
        elif match := _COMPUTE.fullmatch(line):
            self.compute[match["device"]] = self.compute.get(match["device"], 0.0) + float(match["size"])
        elif match := _COPIES.fullmatch(line):
            self.copies = int(match[1])
        elif match := _FLASH_ATTENTION.fullmatch(line):
            self.flash_attention = match[1] == "enabled"
        elif "MiB" in line and not any(pattern.fullmatch(line) for pattern in _REPEATED):
            self.unread.append(line)


PADDING = 4096
"""More than any backend adds to one tensor of a cache: the rest of a row of 512 f32 values, and alignment."""


def agrees(exact: int, printed: float, *, lines: int = 1, tensors: int = 0) -> bool:
    """True where `exact` bytes print as `printed` MiB, summed over that many lines, each in single precision.

    What is printed leaves out the padding of `tensors` tensors, which `exact` has.
    """
    rounding = max(lines, 1) * (0.005 + 1e-6 * printed) * MIB
    return -rounding <= exact - printed * MIB <= rounding + tensors * PADDING


# --- quantizing ------------------------------------------------------------------------------------

_TENSOR = re.compile(
    r"^\[ *\d+/ *\d+\] (?P<name>\S+) +- \[[^\]]*\], type = +(?P<old>\w+), +"
    r"size = +[\d.]+ MiB(?: -> +[\d.]+ MiB \((?P<new>\w+)\))?$",
    re.MULTILINE,
)
_TOTAL = re.compile(r"llama_model_quantize_impl: (?:model|quant) size  = +[\d.]+ MiB \([\d.]+ BPW\)")


@dataclass(frozen=True)
class QuantizeLog:
    """The values in the lines of one dry run of llama-quantize."""

    names: tuple[str, ...]
    types: tuple[str, ...]
    """ggml's name of each tensor's type."""
    unread: tuple[str, ...]

    @classmethod
    def of(cls, lines: Iterable[str]) -> "QuantizeLog":
        """The values in `lines`, all at once: a model has a thousand tensors, and there are thirty file types."""
        text = "\n".join(lines)
        found = _TENSOR.findall(text)
        left = [line for line in _TENSOR.sub("", text).split("\n") if "MiB" in line and not _TOTAL.fullmatch(line)]
        return cls(tuple(name for name, _, _ in found), tuple(new or old for _, old, new in found), tuple(left))
