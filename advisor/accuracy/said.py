"""What is said about accuracy, in words: the answer, the numbers of a row, the figure as text."""

import re
from collections.abc import Sequence
from math import ceil, inf

from advisor.accuracy.compare import Difference, spread
from advisor.accuracy.published import PublishedCase, Row
from advisor.words import tokens

BACKENDS: dict[str, str] = {
    "cuda": "CUDA",
    "vulkan": "Vulkan",
    "rocm": "ROCm",
    "metal": "Metal",
    "hexagon": "Hexagon",
    "cpu": "CPU",
    "cann": "CANN",
    "sycl": "SYCL",
}
COMPONENTS: dict[str, str] = {
    "total": "Total",
    "weights": "Weights",
    "kv_cache": "KV cache",
    "recurrent_state": "Recurrent state",
    "compute": "Compute buffers",
    "output": "Output buffer",
}
"""What can be looked at by itself, and how it is called."""
_NOUNS: dict[str, tuple[str, str]] = {
    "total": ("memory total", "memory totals"),
    "weights": ("size of weights", "sizes of weights"),
    "kv_cache": ("KV cache", "KV caches"),
    "recurrent_state": ("recurrent state", "recurrent states"),
    "compute": ("compute buffer", "compute buffers"),
    "output": ("output buffer", "output buffers"),
}
_ENOUGH = 20
"""Of fewer numbers, 95 % are all of them."""


def answer(rows: Sequence[Row], component: str, backend: str | None = None) -> str:
    """The answer as a heading: how many numbers the logs print, how many are hit to the last digit, and how near 95 % are."""
    one, many = _NOUNS[component]
    where = f" in public logs of {BACKENDS[backend]}" if backend else " in public logs"
    if not rows:
        return f"No {one}{where} to compare with"
    return _sentence(rows, where, one, many).replace(" %", "\N{NO-BREAK SPACE}%")


def _sentence(rows: Sequence[Row], where: str, one: str, many: str) -> str:
    errors, exact = spread(row.difference for row in rows), sum(row.difference.exact for row in rows)
    if len(rows) == 1:
        near = "to the last digit" if exact else f"within {at_most(errors.worst)}"
        return f"The one {one} printed by llama.cpp{where} is predicted {near}"
    said = f"Of {len(rows)} {many} printed by llama.cpp{where}, "
    if exact == len(rows):
        return f"{said}all are predicted to the last digit"
    hit = f"{exact} {'is' if exact == 1 else 'are'} predicted to the last digit and " if exact else ""
    if len(rows) < _ENOUGH or not errors.p95:
        return f"{said}{hit}{'the others' if exact else 'all are'} within {at_most(errors.worst)}"
    return f"{said}{hit}95 % {'' if exact else 'are '}within {at_most(errors.p95)}"


def at_most(share: float) -> str:
    """A share in per cent, rounded up so that "within" stays true: "0.03 %", "0.7 %", "28 %"."""
    if not share:
        return "0 %"
    per_cent = 100 * share
    digits = 0 if per_cent >= 10 else 1 if per_cent >= 0.1 else 2
    # less a hair: 0.7 * 10 is a little more than 7
    return f"{ceil(per_cent * 10**digits - 1e-6) / 10**digits:.{digits}f} %"


def error_text(difference: Difference) -> str:
    """The error with its sign: "exact", "+0.69 %", "less than 0.01 %"; "not printed" where the log has no such buffer."""
    if difference.exact:
        return "exact"
    if difference.relative == inf:
        return "not printed"
    per_cent = 100 * difference.relative
    sign = "+" if per_cent > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(per_cent):.2f} %" if abs(per_cent) >= 0.005 else "under 0.01 %"


def device_name(row: Row) -> str:
    """The device as people call it: "CUDA0", "system memory", "all GPUs", "all memory"."""
    return {"host": "system memory", "one memory": "all memory"}.get(row.difference.device, row.difference.device)


def run_line(case: PublishedCase) -> str:
    """The run in a line: model, quantization, context."""
    context = f"{tokens(case.context)} context" if case.context else None
    return ", ".join(filter(None, (case.model.replace("__", " ").replace("_", " "), case.quantization, context)))


def build_name(case: PublishedCase) -> str:
    """The build that a log prints: "b8179", "Ollama 0.12.6"; its date where that says nothing, else "unknown"."""
    printed = case.build or ""
    ollama = re.match(r"ollama\s+v?([\d.]+)", printed, re.IGNORECASE)
    if ollama and ollama[1] != "0.0.0":
        return f"Ollama {ollama[1]}"
    number = re.match(r"b?(\d{4,6})\b", printed)
    return f"b{number[1]}" if number else case.date or "unknown"


def figure_text(rows: Sequence[Row]) -> str:
    """What the figure of errors shows, for those who cannot see it: each architecture with its numbers and largest error."""
    said = []
    names = dict.fromkeys(row.case.architecture or "unknown" for row in rows)
    for name in names:
        found = [row for row in rows if (row.case.architecture or "unknown") == name]
        worst = found[0].difference
        exact = sum(row.difference.exact for row in found)
        where = BACKENDS[found[0].case.backend]
        off = "all exact" if exact == len(found) else f"{exact} exact, largest error {error_text(worst)} on {where}"
        said.append(f"{name}: {len(found)}, {off}")
    return f"Errors of the prediction by architecture and backend. {'. '.join(said)}."
