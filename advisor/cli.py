"""The `advisor` command: options in, text or JSON out. It computes nothing.

Exit codes: 0 answered, 2 the question is wrong, 3 a part is missing. An error is one line on stderr, never a traceback.
"""

import json
import os
import shutil
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, BinaryIO, NoReturn

import typer
from typer.exceptions import TyperException

from advisor import __version__
from advisor.collector import collect_less_often
from advisor.errors import HeadroomError, MissingPartError, QuestionError

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
    str | None, typer.Option(help='A profile id such as "rtx-4090" or "m4-max-40", a profile file, or "detected".')
]
Gpus = Annotated[int | None, typer.Option(help="Number of equal GPUs.")]
MemoryGib = Annotated[float | None, typer.Option(help="Unified memory, or memory of each GPU, in GiB.")]
RamGib = Annotated[float | None, typer.Option(help="System memory in GiB.")]
BandwidthGbS = Annotated[float | None, typer.Option(help="Memory bandwidth in GB/s.")]
Unified = Annotated[bool, typer.Option("--unified", help="GPU and CPU share one memory.")]


@app.command()
def detect(as_json: Json = False) -> None:
    """Show what this machine is."""
    from advisor.machines.here import HERE

    machine = HERE.whole().profile
    if as_json:
        _print(machine.model_dump_json(indent=2))
        return
    from advisor.text import machine_text

    _print(machine_text(machine, _width()))


@app.command()
def estimate(
    model: Annotated[str | None, typer.Argument(help="A catalogue id or a .gguf file.")] = None,
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
    fields = _given(locals(), leave_out=("requests", "as_json"))
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
        _print_json(result.to_json())
        return
    from advisor.text import estimate_text

    _print(estimate_text(result, _width()))


@app.command(name="quantize-plan")
def quantize_plan(
    model: Annotated[str, typer.Argument(help="A catalogue id or a .gguf file.")],
    quant: Annotated[str, typer.Option(help="One quantization, such as Q4_K_M, or all.")] = "all",
    as_json: Json = False,
) -> None:
    """List what a model would weigh in each quantization."""
    from advisor.quantize_plan import quantize_plan as answer

    result = answer(model, quant)
    if as_json:
        _print_json(result.to_json())
        return
    from advisor.text import quantize_text

    _print(quantize_text(result, _width()))


@app.command()
def fit(
    machine: Machine = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context that every model gets.")] = None,
    purpose: Annotated[str, typer.Option(help="chat, code, reasoning, documents or agents.")] = "chat",
    min_tps: Annotated[float | None, typer.Option(help="Least tokens per second; needs a speed forecast.")] = None,
    gpus: Gpus = None,
    memory_gib: MemoryGib = None,
    ram_gib: RamGib = None,
    bandwidth_gb_s: BandwidthGbS = None,
    unified: Unified = False,
    as_json: Json = False,
) -> None:
    """List what a machine can run, best first. Without --machine: this machine."""
    fields = _given(locals(), leave_out=("as_json",))
    from advisor.fit import fit_machine
    from advisor.question import FitQuestion

    result = fit_machine(FitQuestion.parse(fields))
    if as_json:
        _print_json(result.to_json())
        return
    from advisor.text import fit_text

    _print(fit_text(result, _width()))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; without it 8501 or the next free one.", min=1, max=65535)
    ] = None,
    hosted: Annotated[
        bool, typer.Option("--hosted", help="For visitors from elsewhere, behind a proxy that checks the Host header.")
    ] = False,
) -> None:
    """Start the app and print its address."""
    from advisor.serve import serve as start

    start(host=host, port=port, hosted=hosted)


def _given(options: dict[str, Any], *, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """The options that were written on the command line. `--unified` has no opposite: off, it was not written."""
    written = {name: value for name, value in options.items() if value is not None and name not in leave_out}
    if not written.get("unified"):
        written.pop("unified", None)
    return written


def _answer_requests(source: str) -> None:
    from advisor.question_lines import answer_requests, request_lines

    with _opened(source) as stream:
        for answer in answer_requests(request_lines(stream)):
            _print(answer)


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


def _width() -> int:
    """Columns of the terminal; 110 where the output goes to a file."""
    return max(40, min(shutil.get_terminal_size((110, 24)).columns, 110))


def _print_json(value: dict[str, Any]) -> None:
    _print(json.dumps(value, indent=2))


def _print(text: str) -> None:
    """`text` to stdout, at once. A reader that went away (`| head`) ends the command quietly."""
    if sys.stdout is None:
        raise MissingPartError("there is no standard output to write the answer to")
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered would be written, and fail, once more as Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except OSError as error:
        raise MissingPartError(f"the answer cannot be written: {error.strerror or error}") from None


def main() -> None:
    """Run the command; every error becomes one line and an exit code."""
    collect_less_often()
    if isinstance(sys.stdout, TextIOWrapper):  # names from files may hold what a terminal's encoding has no letters for
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # What typer caught itself comes back as a code: --help is 0, Ctrl-C 130.
        code = app(standalone_mode=False, prog_name="advisor")
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped", STOPPED)
    except TyperException as error:
        # Without a word after `advisor` the message is the help.
        if len(sys.argv) == 1:
            _print(str(error))
        else:
            _fail(_usage_message(error), 2)
    except HeadroomError as error:
        _fail(_as_option(error), error.exit_code)
    except Exception as error:
        if os.environ.get("ADVISOR_TRACEBACK"):
            raise
        said = f"{type(error).__name__}: {error}"[:200]
        _fail(f"this met a fault in Headroom ({said}); please report it, with ADVISOR_TRACEBACK=1 set to see where", 1)
    else:
        if code == STOPPED:
            _fail("stopped", STOPPED)


STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


def _as_option(error: HeadroomError) -> str:
    """The message, with a field's name as the option that was typed: "--gpu-layers" for "gpu_layers"."""
    message, field = str(error), getattr(error, "field", None)
    if field and field != "model" and message.startswith(f"{field} "):
        return f"--{field.replace('_', '-')}{message.removeprefix(field)}"
    return message


def _usage_message(error: TyperException) -> str:
    """What typer would print: its own messages name the option, which `str` leaves out."""
    formatted = getattr(error, "format_message", None)
    return str(formatted()) if formatted is not None else str(error)


def _fail(message: str, code: int) -> NoReturn:
    if sys.stderr is not None:
        sys.stderr.write(f"advisor: {' '.join(message.split())}\n")
    raise SystemExit(code)


__all__ = ["__version__", "app", "main"]
