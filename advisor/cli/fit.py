"""`advisor fit`."""

from typing import Annotated

import typer

from advisor.cli.options import BandwidthGbS, Gpus, Json, Machine, MemoryGib, RamGib, Unified, given
from advisor.cli.output import print_json, print_text, width


def fit(
    machine: Machine = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context that every model gets.")] = None,
    purpose: Annotated[str, typer.Option(help="chat, code, reasoning, documents or agents.")] = "chat",
    min_tps: Annotated[float | None, typer.Option(help="Least tokens per second, by forecast.")] = None,
    gpus: Gpus = None,
    memory_gib: MemoryGib = None,
    ram_gib: RamGib = None,
    bandwidth_gb_s: BandwidthGbS = None,
    unified: Unified = False,
    as_json: Json = False,
) -> None:
    """List what a machine can run, best first. Without --machine: this machine."""
    fields = given(locals(), leave_out=("as_json",))
    from advisor.fit import fit_machine
    from advisor.question import FitQuestion

    result = fit_machine(FitQuestion.parse(fields))
    if as_json:
        print_json(result.to_json())
        return
    from advisor.text import fit_text

    print_text(fit_text(result, width()))
