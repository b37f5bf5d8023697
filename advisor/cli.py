"""The `advisor` command: options in, text or JSON out. It computes nothing.

Exit codes: 0 answered, 2 the question is wrong, 3 a part is missing. An error is one line on stderr, never a traceback.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from typer.exceptions import TyperException

from advisor import __version__
from advisor.errors import HeadroomError, QuestionError

app = typer.Typer(
    name="advisor",
    help="Headroom: which language models a machine can run, with which file and settings.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Machine = Annotated[
    Optional[str], typer.Option(help='A profile id such as "rtx-4090" or "m4-max-40", a profile file, or "detected".')
]
Gpus = Annotated[Optional[int], typer.Option(help="Number of equal GPUs.")]
MemoryGib = Annotated[Optional[float], typer.Option(help="Unified memory, or memory of each GPU, in GiB.")]
RamGib = Annotated[Optional[float], typer.Option(help="System memory in GiB.")]
BandwidthGbS = Annotated[Optional[float], typer.Option(help="Memory bandwidth in GB/s.")]
Unified = Annotated[bool, typer.Option("--unified", help="GPU and CPU share one memory.")]


@app.command()
def detect(as_json: Json = False) -> None:
    """Show what this machine is."""
    from advisor.machines.here import HERE
    from advisor.text import machine_text

    machine = HERE.whole().profile
    _print(machine.model_dump_json(indent=2) if as_json else machine_text(machine))


@app.command()
def estimate(  # noqa: PLR0913 - one parameter an option of the public interface
    model: Annotated[Optional[str], typer.Argument(help="A catalogue id or a .gguf file.")] = None,
    quant: Annotated[Optional[str], typer.Option(help="Quantization, such as Q4_K_M.")] = None,
    machine: Machine = None,
    runtime: Annotated[Optional[str], typer.Option(help="The program that will run it.")] = None,
    context: Annotated[Optional[int], typer.Option(help="Tokens of context.")] = None,
    slots: Annotated[Optional[int], typer.Option(help="Sequences served at once.")] = None,
    unified_kv: Annotated[
        Optional[bool], typer.Option("--unified-kv/--split-kv", help="One cache for all slots, or one a slot.")
    ] = None,
    batch: Annotated[Optional[int], typer.Option(help="Logical batch, in tokens.")] = None,
    ubatch: Annotated[Optional[int], typer.Option(help="Physical batch, in tokens.")] = None,
    type_k: Annotated[Optional[str], typer.Option(help="Type of cached keys: f16, q8_0, q4_0 ...")] = None,
    type_v: Annotated[Optional[str], typer.Option(help="Type of cached values.")] = None,
    flash_attention: Annotated[Optional[str], typer.Option(help="on, off or auto.")] = None,
    swa_full: Annotated[Optional[bool], typer.Option("--swa-full/--no-swa-full", help="Full-size sliding-window cache.")] = None,
    gpu_layers: Annotated[Optional[str], typer.Option(help="Layers on the GPU: a number, all or auto.")] = None,
    cpu_moe_layers: Annotated[Optional[int], typer.Option(help="Experts of the first N layers stay in system memory.")] = None,
    tensor_split: Annotated[Optional[str], typer.Option(help="Shares of the GPUs, such as 3,1.")] = None,
    logits: Annotated[Optional[str], typer.Option(help="Rows that logits are reserved for: ubatch or slots.")] = None,
    depth: Annotated[Optional[int], typer.Option(help="Tokens already in the context.")] = None,
    mmproj: Annotated[Optional[str], typer.Option(help="Vision projector file, or auto.")] = None,
    draft: Annotated[Optional[str], typer.Option(help="Draft model for speculative decoding.")] = None,
    build: Annotated[Optional[str], typer.Option(help="Engine build (b6060) or date whose rules apply.")] = None,
    grade: Annotated[Optional[str], typer.Option(help="formula or engine.")] = None,
    gpus: Gpus = None,
    memory_gib: MemoryGib = None,
    ram_gib: RamGib = None,
    bandwidth_gb_s: BandwidthGbS = None,
    unified: Unified = False,
    requests: Annotated[Optional[str], typer.Option(help="A file of JSON questions, one a line; - reads stdin.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a model needs, on each device, and whether that fits."""
    fields = {name: value for name, value in locals().items() if value is not None and name not in ("requests", "as_json")}
    from advisor.estimate import estimate as answer
    from advisor.question import Question
    from advisor.text import estimate_text

    if requests is not None:
        if model is not None:
            raise QuestionError("give either a model or --requests, not both")
        _answer_requests(requests)
        return
    result = answer(Question.parse(fields))
    _print(_as_json(result.to_json()) if as_json else estimate_text(result))


@app.command()
def fit(
    machine: Machine = None,
    context: Annotated[Optional[int], typer.Option(help="Tokens of context that every model gets.")] = None,
    purpose: Annotated[str, typer.Option(help="chat, code, reasoning, documents or agents.")] = "chat",
    min_tps: Annotated[Optional[float], typer.Option(help="Least tokens per second; needs a speed forecast.")] = None,
    gpus: Gpus = None,
    memory_gib: MemoryGib = None,
    ram_gib: RamGib = None,
    bandwidth_gb_s: BandwidthGbS = None,
    unified: Unified = False,
    as_json: Json = False,
) -> None:
    """List what a machine can run, best first. Without --machine: this machine."""
    from advisor.fit import FitQuestion, fit_machine
    from advisor.text import fit_text

    question = FitQuestion.parse(
        {name: value for name, value in locals().items() if value is not None and name not in ("as_json", "FitQuestion", "fit_machine", "fit_text")}
    )
    result = fit_machine(question)
    _print(_as_json(result.to_json()) if as_json else fit_text(result))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[Optional[int], typer.Option(help="Port to listen on; without it 8501 or the next free one.", min=1, max=65535)] = None,
    hosted: Annotated[bool, typer.Option("--hosted", help="For visitors from elsewhere, behind a proxy that checks the Host header.")] = False,
) -> None:
    """Start the app and print its address."""
    from advisor.serve import serve as start

    start(host=host, port=port, hosted=hosted)


def _answer_requests(source: str) -> None:
    from advisor.estimate import answer_requests

    try:
        stream = sys.stdin if source == "-" else Path(source).open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise QuestionError(f'"{source}" cannot be read: {error.strerror}') from None
    with stream:
        for answer in answer_requests(stream):
            _print(answer)


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2)


def _print(text: str) -> None:
    typer.echo(text)


def main() -> None:
    """Run the command; every error becomes one line and an exit code."""
    try:
        app(standalone_mode=False, prog_name="advisor")
    except typer.Abort:
        _fail("stopped", 130)
    except TyperException as error:
        # Without a word after `advisor` the message is the help.
        if len(sys.argv) == 1:
            _print(str(error))
        else:
            _fail(_usage_message(error), 2)
    except HeadroomError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()


def _usage_message(error: TyperException) -> str:
    """What typer would print: its own messages name the option, which `str` leaves out."""
    formatted = getattr(error, "format_message", None)
    return str(formatted()) if formatted is not None else str(error)


def _fail(message: str, code: int) -> None:
    typer.echo(f"advisor: {' '.join(message.split())}", err=True)
    raise SystemExit(code)


__all__ = ["app", "main", "__version__"]
