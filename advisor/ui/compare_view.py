"""What machines run, side by side, and the machines that run one model: as tables."""

from advisor.advice.options import Option
from advisor.compare import Comparison
from advisor.machines.profile import LaunchPrice
from advisor.machines.sold import CARDS
from advisor.ui.linked_table import Link, linked_table
from advisor.ui.tables import Cell, matrix, table
from advisor.units import format_number, format_size
from advisor.which_machine import Holder, Holders
from advisor.words import VERDICTS, parameters, tokens_per_second

_SIGNS = {"fits": "fits", "tight": "tight: little to spare", "no": "does not run whole"}
_MAKERS = {"NVIDIA", "GeForce", "AMD", "Radeon", "Intel"}


def at_a_glance(shown: Comparison) -> None:
    """One row a machine: memory, bandwidth, the largest model, and how many of the catalogue it holds."""
    rows = []
    for sold, fit in zip(shown.sold, shown.fits, strict=True):
        whole = [option for option in fit.options if option.verdict.verdict in ("fits", "tight")]
        usual = [option for option in whole if not option.strongly_compressed]
        largest = max(usual, key=lambda option: option.model.parameters, default=None)
        rows.append(
            (
                sold.name,
                format_size(sold.room_bytes),
                _bandwidth(fit.machine.gpus[0].bandwidth_gb_s if fit.machine.gpus else fit.machine.memory.bandwidth_gb_s),
                f"{largest.model.name} ({parameters(largest.model.parameters)})" if largest else "none",
                f"{len(usual)} of {len(fit.options)}",
                _price(sold.launch_price),
            )
        )
    columns = ("Machine", "Memory for models", "Bandwidth", "Largest model in 4 bits or more", "Models", "Price at launch")
    table(columns, rows, key="glance", kinds=("", "right", "right", "", "right", "right"), stack=True)


def side_by_side(shown: Comparison) -> None:
    """One row a model, one column a machine."""
    machines = [(short_name(sold.name), sold.name) for sold in shown.sold]
    rows = [(name, [_cell(option) for option in options]) for name, options in shown.rows]
    matrix("Model", machines, rows, key="side_by_side", signs=_SIGNS)


def short_name(name: str) -> str:
    """A machine's name without its makers, as people say it: "RTX 4090", "RX 7900 XTX", "Apple M3 Max 40-core GPU"."""
    words = name.split()
    while len(words) > 1 and words[0] in _MAKERS:
        words.pop(0)
    return " ".join(words)


def _cell(option: Option) -> Cell:
    word = option.verdict.verdict
    if word not in ("fits", "tight"):
        return Cell("no", "does not run whole")
    rate = option.speed.generate_tps if option.speed else None
    return Cell(
        word,
        word,
        file=option.quantization,
        speed=f"{format_number(rate.expected)} tokens/s" if rate else "",
        title=f"{tokens_per_second(rate)} tokens/s in 80 % of cases" if rate else "",
    )


def holders_table(found: Holders) -> None:
    """The machines that run a model, smallest memory first."""
    rows = [_holder_row(holder) for holder in found.holders]
    linked_table(
        ("Machine", "Memory", "Used", "Verdict", "Tokens/s", "Price at launch"),
        rows,
        key="holders",
        find="Find a machine",
        many="machines",
        kinds=("wide", "right", "right", "", "right", "right"),
        first=20,
    )


def _holder_row(holder: Holder) -> tuple[str | Link, ...]:
    used = sum(pool.total_bytes for pool in holder.plan.pools if pool.kind != "ram" or len(holder.plan.pools) == 1)
    rate = holder.speed.generate_tps if holder.speed else None
    return (
        holder.sold.name,
        format_size(holder.sold.memory_bytes),
        format_size(used),
        VERDICTS[holder.verdict],
        tokens_per_second(rate),
        _price(holder.sold.launch_price),
    )


def _price(price: LaunchPrice | None) -> str:
    """The dollars, with the whole machine that they are for and the year: "$599 (Mac mini, 2024)"."""
    if price is None:
        return "not known"
    said = [*([] if price.of == CARDS else [price.of]), *([price.date[:4]] if price.date else [])]
    return f"${price.usd:,}" + (f" ({', '.join(said)})" if said else "")


def _bandwidth(gb_s: float | None) -> str:
    return "not known" if gb_s is None else f"{gb_s:,.0f} GB/s"
