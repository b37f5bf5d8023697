"""What machines run, side by side, and the machines that run one model: as tables."""

from advisor.advice.options import Option
from advisor.compare import Comparison
from advisor.ui.linked_table import Link, linked_table
from advisor.ui.tables import table
from advisor.units import format_size
from advisor.which_machine import Holder, Holders
from advisor.words import parameters, tokens_per_second

_MARKS = {"fits": "fits", "tight": "tight", "partial": "in part", "no": "—"}


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
                format_size(sold.memory_bytes),
                _bandwidth(fit.machine.gpus[0].bandwidth_gb_s if fit.machine.gpus else fit.machine.memory.bandwidth_gb_s),
                f"{largest.model.name} ({parameters(largest.model.parameters)})" if largest else "none",
                f"{len(usual)} of {len(fit.options)}",
                _price(sold.launch_price_usd),
            )
        )
    columns = ("Machine", "Memory for models", "Bandwidth", "Largest model in 4 bits or more", "Models", "GPUs at launch")
    table(columns, rows, key="glance", kinds=("", "right", "right", "", "right", "right"), stack=True)


def side_by_side(shown: Comparison) -> None:
    """One row a model, one column a machine."""
    columns = ("Model", *(sold.name for sold in shown.sold))
    rows = [(name, *map(_cell, options)) for name, options in shown.rows]
    table(columns, rows, key="side_by_side", stack=True)


def _cell(option: Option) -> str:
    if option.verdict.verdict not in ("fits", "tight"):
        return _MARKS["no"]
    rate = option.speed.generate_tps if option.speed else None
    speed = f" · {tokens_per_second(rate)} tokens/s" if rate else ""
    return f"{option.quantization}, {_MARKS[option.verdict.verdict]}{speed}"


def holders_table(found: Holders) -> None:
    """The machines that run a model, smallest memory first."""
    rows = [_holder_row(holder) for holder in found.holders]
    linked_table(
        ("Machine", "Memory", "Used", "Verdict", "Tokens/s", "GPUs at launch"),
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
        _MARKS[holder.verdict],
        tokens_per_second(rate),
        _price(holder.sold.launch_price_usd),
    )


def _price(dollars: int | None) -> str:
    return "not known" if dollars is None else f"${dollars:,}"


def _bandwidth(gb_s: float | None) -> str:
    return "not known" if gb_s is None else f"{gb_s:,.0f} GB/s"
