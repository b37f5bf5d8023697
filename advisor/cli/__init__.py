"""The `advisor` command: options in, text or JSON out. It computes nothing.

Exit codes: 0 answered, 2 the question is wrong, 3 a part is missing. An error is one line on stderr, never a traceback.
"""

import os
import sys
from io import TextIOWrapper
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from advisor.cli.detect import detect
from advisor.cli.download import download
from advisor.cli.estimate import estimate
from advisor.cli.fit import fit
from advisor.cli.models import models
from advisor.cli.output import print_text
from advisor.cli.quantize_plan import quantize_plan
from advisor.cli.recommend import recommend
from advisor.cli.report import report
from advisor.cli.serve import serve
from advisor.cli.verify import verify
from advisor.collector import collect_less_often
from advisor.errors import HeadroomError

app = typer.Typer(
    name="advisor",
    help="Headroom: which language models a machine can run, with which file and settings.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

for command in (detect, estimate, quantize_plan, fit, recommend, serve, verify, models, download):
    app.command()(command)
app.add_typer(report, name="report")


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
        # Without a word after `advisor` or `advisor report` the message is the help; typer exports no name for it.
        if type(error).__name__ == "NoArgsIsHelpError":
            print_text(str(error))
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
