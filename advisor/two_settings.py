"""Two settings on one machine, A and B: what B takes more or less than A, in words and in rows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from advisor.advice.quality import quality_key, quantization_loss
from advisor.estimate import Estimate
from advisor.memory.curves import Curves
from advisor.memory.plan import MemoryPlan, Pool
from advisor.models.library import catalogue
from advisor.units import UnitSystem, format_size
from advisor.words import COMPONENTS, plan_sizes, stack_text, tokens, tokens_per_second, verdict_line

Row = tuple[str, str, str, str]
"""What it is, of A, of B, and how B differs."""

SCORE = "Score for chat"
"""The row of what the answers are worth: the latent score that recommendations weigh."""
_SAME = "the same"
_WORTH_SAYING = 0.01
"""A part that changes by less than this share of the one that changes most is a row only."""
_SETTINGS: dict[str, Callable[[Estimate], str]] = {
    "Model": lambda one: one.model.name,
    "File": lambda one: one.model.quantization or "its own",
    "Program": lambda one: one.plan.settings.runtime,
    "Context": lambda one: tokens(one.plan.settings.context),
    "KV cache types": lambda one: " / ".join(dict.fromkeys((one.plan.settings.type_k, one.plan.settings.type_v))),
    "Layers on the GPU": lambda one: f"{one.plan.settings.gpu_layers}",
    "Blocks whose experts stay in system memory": lambda one: f"{one.plan.settings.cpu_moe_layers}",
    "Flash attention": lambda one: one.plan.settings.flash_attention,
    "Slots": lambda one: f"{one.plan.settings.slots}",
    "Physical batch": lambda one: f"{one.plan.settings.ubatch}",
    "Sliding-window cache": lambda one: "full size" if one.plan.settings.swa_full else "window only",
}
"""What can be set, and how each setting has it."""


@dataclass(frozen=True)
class TwoSettings:
    """Two answers for the same machine, each with its memory against the context; both by the same grade."""

    a: Estimate
    b: Estimate
    curves_a: Curves
    curves_b: Curves

    def said(self, system: UnitSystem = "GiB") -> str:
        """How B differs from A in memory, in three sentences: the sum with its large parts, then both verdicts."""
        a, b = self.a.plan, self.b.plan
        more = b.total_bytes - a.total_bytes
        changes = sorted(_changes(a, b), key=lambda change: -abs(change[1]))
        large = [change for change in changes if abs(change[1]) >= _WORTH_SAYING * abs(changes[0][1])]
        parts = ", ".join(f"{_inside(COMPONENTS[name])} {_signed(size, system)}" for name, size in large)
        lead = "A and B take the same memory" if not more else f"B takes {_more(more, system)} than A"
        ends = [
            f"{name}: {verdict_line(one.verdict, one.plan, system)}."
            for name, one in (("A", self.a), ("B", self.b))
            if one.verdict is not None
        ]
        return " ".join((f"{lead}{f': {parts}' if parts else ''}.", *ends))

    def rows(self, system: UnitSystem = "GiB") -> list[Row]:
        """The settings that differ, then what each takes, reaches and how fast it is."""
        settings = [(name, shown(self.a), shown(self.b), "") for name, shown in _SETTINGS.items()]
        return [*(row for row in settings if row[1] != row[2]), *self._sizes(system), *self._reach(), *self._worth()]

    def _sizes(self, system: UnitSystem) -> Iterator[Row]:
        a, b = self.a.plan, self.b.plan
        ours, theirs = plan_sizes(a), plan_sizes(b)
        for name, _ in _changes(a, b):
            yield _size_row(COMPONENTS[name], ours[name], theirs[name], system)
        for name, one, other in _pools(a, b):
            yield _size_row(name, one, other, system)
        yield _size_row("Memory in all", a.total_bytes, b.total_bytes, system)

    def _reach(self) -> Iterator[Row]:
        if self.curves_b.limit_bytes is not None:
            longest = [curves.curves[0].longest for curves in (self.curves_a, self.curves_b)]
            a, b = ("none" if reach is None else tokens(reach) for reach in longest)
            yield "Longest context that fits", a, b, _SAME if a == b else ""
        if self.a.speed is not None and self.b.speed is not None:
            rates = self.a.speed.generate_tps, self.b.speed.generate_tps
            a, b = (tokens_per_second(rate) for rate in rates)
            times = "" if None in rates else f"x {rates[1].expected / rates[0].expected:.2f}"  # type: ignore[union-attr]
            yield "Tokens/s", a, b, _SAME if a == b else times

    def _worth(self) -> Iterator[Row]:
        """What the answers are worth, where another model or file changes it and that of both is known."""
        if (self.a.model.id, self.a.model.quantization) == (self.b.model.id, self.b.model.quantization):
            return
        a, b = (_loss(one) for one in (self.a, self.b))
        if a is not None and b is not None:
            yield "Lost by quantizing (KLD)", f"{a:.2g}", f"{b:.2g}", ""
        scores = [_score(one) for one in (self.a, self.b)]
        if scores[0] is not None and scores[1] is not None:
            (one, said), (other, also_said) = scores[0], scores[1]
            yield SCORE, said, also_said, f"{round(other) - round(one):+d}".replace("-", "\N{MINUS SIGN}")


def _loss(one: Estimate) -> float | None:
    """Nats a token that the file's predictions are expected to be off; None where nothing is known of it."""
    listed = catalogue().by_id.get(one.model.id)
    if listed is None or one.model.quantization is None:
        return None
    if one.model.quantization == listed.native_quantization:
        return 0.0
    loss = quantization_loss(one.model.quantization, listed.parameters)
    return None if loss is None else loss.kld


def _score(one: Estimate) -> tuple[float, str] | None:
    """The score of the model in its file, and the same with its interval in words; None where no benchmark of it is known."""
    listed = catalogue().by_id.get(one.model.id)
    if listed is None or one.model.quantization is None:
        return None
    key = quality_key(listed, one.model.quantization, "chat")
    return None if key.score is None else (key.score, f"{key.score:.0f} ({key.low:.0f} to {key.high:.0f})")


def two_stacks_text(a: MemoryPlan, b: MemoryPlan) -> str:
    """What the figure of both stacks shows, for those who cannot see it."""
    return f"Two settings side by side. A: {stack_text(a)} B: {stack_text(b)}"


def _changes(a: MemoryPlan, b: MemoryPlan) -> list[tuple[str, int]]:
    """The components that differ, and by how much B has more."""
    ours, theirs = plan_sizes(a), plan_sizes(b)
    return [(name, theirs[name] - ours[name]) for name in COMPONENTS if ours[name] != theirs[name]]


def _pools(a: MemoryPlan, b: MemoryPlan) -> Iterator[tuple[str, int, int]]:
    """What each memory holds, GPUs of a kind together; nothing where there is only one memory."""
    kinds: dict[str, str] = {"vram": "On the GPU", "unified": "In unified memory", "ram": "In system memory"}
    if len(b.pools) < 2:
        return
    for kind in dict.fromkeys(pool.kind for pool in b.pools):
        yield kinds[kind], _held(a.pools, kind), _held(b.pools, kind)


def _held(pools: tuple[Pool, ...], kind: str) -> int:
    return sum(pool.total_bytes for pool in pools if pool.kind == kind)


def _size_row(name: str, a: int, b: int, system: UnitSystem) -> Row:
    return name, format_size(a, system), format_size(b, system), _signed(b - a, system) if b != a else _SAME


def _inside(name: str) -> str:
    """A component's name inside a sentence: "weights", "KV cache"."""
    return name if name[:2].isupper() else f"{name[:1].lower()}{name[1:]}"


def _more(size: int, system: UnitSystem) -> str:
    return f"{format_size(abs(size), system)} {'more' if size > 0 else 'less'}"


def _signed(size: int, system: UnitSystem) -> str:
    sign = "+" if size > 0 else "\N{MINUS SIGN}"
    return f"{sign}{format_size(abs(size), system)}"
