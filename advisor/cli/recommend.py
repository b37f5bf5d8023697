"""`advisor recommend`."""

from typing import Annotated

import typer

from advisor.cli.options import BandwidthGbS, Gpus, Json, Machine, MemoryGib, RamGib, Unified, given
from advisor.cli.output import print_json, print_text, width
from advisor.errors import QuestionError


def recommend(
    model: Annotated[str | None, typer.Argument(help="A model; the answer is then its best file and settings.")] = None,
    best: Annotated[bool, typer.Option("--best", help="The best of all models.")] = False,
    quant: Annotated[str | None, typer.Option(help="Quantization, such as Q4_K_M.")] = None,
    machine: Machine = None,
    purpose: Annotated[str, typer.Option(help="chat, code, reasoning, documents or agents.")] = "chat",
    context: Annotated[int | None, typer.Option(help="Tokens of context; without it what the purpose asks.")] = None,
    min_tps: Annotated[float | None, typer.Option(help="Least tokens per second.")] = None,
    gpus: Gpus = None,
    memory_gib: MemoryGib = None,
    ram_gib: RamGib = None,
    bandwidth_gb_s: BandwidthGbS = None,
    unified: Unified = False,
    as_json: Json = False,
) -> None:
    """Say what to run, why, and by which command. Without --machine: on this machine."""
    if best == (model is not None):
        raise QuestionError("name one model, or ask for --best of all", field="model")
    fields = given(locals(), leave_out=("best", "as_json"))
    from advisor.question import RecommendQuestion
    from advisor.recommend import recommend as answer

    result = answer(RecommendQuestion.parse(fields))
    if as_json:
        print_json(result.to_json())
        return
    from advisor.text import recommend_text

    print_text(recommend_text(result, width()))
