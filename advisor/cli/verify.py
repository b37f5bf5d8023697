"""`advisor verify`: a short run on this machine, with its progress on stderr and its answer on stdout."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli.options import Json, given
from advisor.cli.output import print_json, print_text, width
from advisor.errors import QuestionError

if TYPE_CHECKING:
    from advisor.verification import Verification
    from advisor.verify.conclusion import Looked

_POLL_S = 0.2
_NO_QUESTION = ("yes", "force", "forget", "as_json")


def verify(
    model: Annotated[str | None, typer.Argument(help="A .gguf file, a folder with an MLX model, or a catalogue id.")] = None,
    quant: Annotated[str | None, typer.Option(help="Quantization, such as Q4_K_M.")] = None,
    backend: Annotated[str | None, typer.Option(help="llama-cpp, mlx, or the address of a running server: http://...")] = None,
    slice_: Annotated[bool, typer.Option("--slice", help="Measure a few layers of random weights; no download.")] = False,
    runtime: Annotated[str | None, typer.Option(help="The program whose settings are used.")] = None,
    context: Annotated[int | None, typer.Option(help="Tokens of context.")] = None,
    slots: Annotated[int | None, typer.Option(help="Sequences served at once.")] = None,
    gpu_layers: Annotated[str | None, typer.Option(help="Layers on the GPU: a number, all or auto.")] = None,
    type_k: Annotated[str | None, typer.Option(help="Type of cached keys: f16, q8_0, q4_0 ...")] = None,
    type_v: Annotated[str | None, typer.Option(help="Type of cached values.")] = None,
    ubatch: Annotated[int | None, typer.Option(help="Physical batch, in tokens.")] = None,
    flash_attention: Annotated[str | None, typer.Option(help="on, off or auto.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads; without it one a performance core.")] = None,
    seconds: Annotated[float | None, typer.Option(help="How long it may measure; 90 by default.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Run where it is tight, without asking.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run even where it does not fit; may freeze the machine.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Forget what was measured on this machine.")] = False,
    as_json: Json = False,
) -> None:
    """Run a model on this machine for a moment, and show what was predicted beside what was measured."""
    if forget:
        _forget()
        return
    fields = given(locals(), leave_out=(*_NO_QUESTION, "slice_")) | ({"slice": True} if slice_ else {})
    from advisor.question import VerifyQuestion
    from advisor.verification import look, start

    looked = look(VerifyQuestion.parse(fields))
    agreed = yes or (looked.check.answer == "ask" and not force and _agreed(looked))
    run = start(looked, agreed=agreed, forced=force)
    try:
        _follow(run)
    except KeyboardInterrupt:
        run.job.cancel()
        run.job.wait(5)
        raise
    measurement = run.wait()
    if as_json:
        print_json(measurement.to_json())
        return
    from advisor.text import measurement_text

    print_text(measurement_text(measurement, width()))


def _forget() -> None:
    from advisor.verify.calibration import forget

    count = forget()
    print_text(f"{count} run{'' if count == 1 else 's'} of this machine forgotten; forecasts are typical ones again.")


def _agreed(looked: "Looked") -> bool:
    """Whether the person at the terminal says yes to a tight run; without a terminal nobody is asked."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    said = looked.check.sentences[0] if looked.check.sentences else "It is tight."
    if not typer.confirm(f"{said}\nRun it?", err=True):
        raise QuestionError("it was not started")
    return True


def _follow(run: "Verification") -> None:
    """Show where the run is until it is over: a bar on a terminal, else a line a stage."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from advisor.verify.compare import left_words, stage_words

    console = Console(stderr=True, highlight=False)
    said = 0
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"), console=console, transient=True
    ) as bar:
        task = bar.add_task("", total=1.0, left="")
        over = False
        while not over:
            now = run.job.progress
            over = now.ended
            if console.is_terminal:
                bar.update(task, description=stage_words(now), completed=now.done or 0.0, left=left_words(now.left_s))
            else:
                begun = run.job.begun
                for stage in begun[said:]:
                    if not stage.ended:
                        console.print(stage_words(stage))
                said = len(begun)
            run.job.wait(_POLL_S)
