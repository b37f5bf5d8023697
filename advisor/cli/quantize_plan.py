"""`advisor quantize-plan`."""

from typing import Annotated

import typer

from advisor.cli.options import Json
from advisor.cli.output import print_json, print_text, width


def quantize_plan(
    model: Annotated[str, typer.Argument(help="A catalogue id, a .gguf file, owner/repo:QUANT of the hub, ollama:NAME ...")],
    quant: Annotated[str, typer.Option(help="One quantization, such as Q4_K_M, or all.")] = "all",
    as_json: Json = False,
) -> None:
    """List what a model would weigh in each quantization."""
    from advisor.quantize_plan import quantize_plan as answer

    result = answer(model, quant)
    if as_json:
        print_json(result.to_json())
        return
    from advisor.text import quantize_text

    print_text(quantize_text(result, width()))
