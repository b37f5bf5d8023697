"""`advisor estimate`, of one question or of a file of them."""

import sys
from io import BufferedReader
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from advisor.cli.options import BandwidthGbS, Gpus, Json, Machine, MemoryGib, RamGib, Unified, given
from advisor.cli.output import print_json, print_text, width
from advisor.collector import collect_rarely
from advisor.errors import MissingPartError, QuestionError
from advisor.question_workers import FEW, begin_early


def estimate(
    model: Annotated[
        str | None, typer.Argument(help="A catalogue id, a .gguf file, owner/repo:QUANT of the hub, ollama:NAME ...")
    ] = None,
    quant: Annotated[str | None, typer.Option(help="Quantization, such as Q4_K_M.")] = None,
    machine: Machine = None,
    runtime: Annotated[str | None, typer.Option(help="The program that will run it.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context.")] = None,
    slots: Annotated[int | None, typer.Option(help="Sequences served at once.")] = None,
    unified_kv: Annotated[
        bool | None, typer.Option("--unified-kv/--split-kv", help="One cache for all slots, or one a slot.")
    ] = None,
    batch: Annotated[int | None, typer.Option(help="Logical batch, in tokens.")] = None,
    ubatch: Annotated[int | None, typer.Option(help="Physical batch, in tokens.")] = None,
    type_k: Annotated[str | None, typer.Option(help="Type of cached keys: f16, q8_0, q4_0 ...")] = None,
    type_v: Annotated[str | None, typer.Option(help="Type of cached values.")] = None,
    flash_attention: Annotated[str | None, typer.Option(help="on, off or auto.")] = None,
    swa_full: Annotated[bool | None, typer.Option("--swa-full/--no-swa-full", help="Full-size sliding-window cache.")] = None,
    gpu_layers: Annotated[str | None, typer.Option(help="Layers on the GPU: a number, all or auto.")] = None,
    cpu_moe_layers: Annotated[int | None, typer.Option(help="Experts of the first N layers stay in system memory.")] = None,
    tensor_split: Annotated[str | None, typer.Option(help="Shares of the GPUs, such as 3,1.")] = None,
    logits: Annotated[str | None, typer.Option(help="Rows that logits are reserved for: ubatch or slots.")] = None,
    depth: Annotated[int | None, typer.Option(help="Tokens already in the context.")] = None,
    mmproj: Annotated[str | None, typer.Option(help="Vision projector file, or auto.")] = None,
    draft: Annotated[str | None, typer.Option(help="Draft model for speculative decoding.")] = None,
    build: Annotated[str | None, typer.Option(help="Engine build (b6060) or date whose rules apply.")] = None,
    grade: Annotated[str | None, typer.Option(help="formula or engine.")] = None,
    gpus: Gpus = None,
    memory_gib: MemoryGib = None,
    ram_gib: RamGib = None,
    bandwidth_gb_s: BandwidthGbS = None,
    unified: Unified = False,
    requests: Annotated[str | None, typer.Option(help="A file of JSON questions, one a line; - reads stdin.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a model needs, on each device, and whether that fits."""
    fields = given(locals(), leave_out=("requests", "as_json"))
    if requests is not None:
        if fields:
            raise QuestionError(
                "--requests stands alone: each line of the file is a whole question, with its model and options"
            )
        _answer_requests(requests)
        return
    from advisor.estimate import estimate as answer
    from advisor.question import Question

    result = answer(Question.parse(fields))
    if as_json:
        print_json(result.to_json())
        return
    from advisor.text import estimate_text

    print_text(estimate_text(result, width()))


def _answer_requests(source: str) -> None:
    with _opened(source) as stream:
        if isinstance(stream, BufferedReader) and stream.peek().count(b"\n") > FEW:
            begin_early()  # others load while this process does
        from advisor.question_lines import answer_requests, request_lines

        collect_rarely()
        for answer in answer_requests(request_lines(stream)):
            print_text(answer)


def _opened(source: str) -> BinaryIO:
    """The file of questions as bytes, or stdin for "-"."""
    if source == "-":
        if sys.stdin is None:
            raise MissingPartError("there is no standard input to read questions from; name a file with --requests FILE")
        return sys.stdin.buffer
    try:
        return Path(source).expanduser().open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise MissingPartError(f'there is no file "{source}"; write the questions to it, one JSON object a line') from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise QuestionError(f'"{source}" cannot be read: {reason}') from None
