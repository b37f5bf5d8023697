"""`advisor report`: list, show, export, import and delete the reports that are kept here."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli.options import Json
from advisor.cli.output import print_json, print_text, width
from advisor.errors import MissingPartError, QuestionError

if TYPE_CHECKING:
    from advisor.reports.store import Found

report = typer.Typer(help="Reports of runs and plans: list, show, export, import, delete.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The id of a report, or its link.", metavar="ID")]


@report.command("list")
def list_reports(as_json: Json = False) -> None:
    """List the reports that are kept here, newest first."""
    from advisor.answers import ReportLine
    from advisor.reports.store import store

    rows = store().summaries(listed_only=False)
    if as_json:
        print_json({"schema": 1, "reports": [ReportLine.of(row).model_dump(mode="json") for row in rows]})
        return
    from advisor.reports.text import list_text

    print_text(list_text(rows, width()))


@report.command("show")
def show_report(id_: Id, as_json: Json = False) -> None:
    """Show one report."""
    found = _found(id_)
    if as_json:
        print_json(found.report.model_dump(mode="json"))
        return
    from advisor.reports.text import report_text

    print_text(report_text(found.report, width()))


@report.command("export")
def export_report(id_: Id, file: Annotated[str, typer.Argument(help="A .json or .md file to write; - writes stdout.")]) -> None:
    """Write one report to a file: JSON, or Markdown where the name ends in .md."""
    from advisor.reports.render import markdown

    found = _found(id_)
    text = markdown(found.report) if file.lower().endswith(".md") else found.report.model_dump_json(indent=2) + "\n"
    if file == "-":
        print_text(text.rstrip("\n"))
        return
    try:
        Path(file).expanduser().write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise QuestionError(f'"{file}" cannot be written: {getattr(error, "strerror", None) or error}') from None
    print_text(f"Wrote {file}.")


@report.command("import")
def import_report(
    file: Annotated[str, typer.Argument(help="What `report export` or `verify --json` wrote; - reads stdin.")],
    listed: Annotated[bool, typer.Option("--listed", help="Put it on the community's list.")] = False,
) -> None:
    """Keep a report from a file, and print its id."""
    from advisor.reports.store import store
    from advisor.reports.stored import parsed

    found = parsed(_read(file))
    known = store().same_as(found)
    if known is not None:
        print_text(f"{known} (it was kept already)")
        return
    kept = store().add(found, listed=listed)
    print_text(f"{kept.id}\ntoken to delete it elsewhere: {kept.token}")


@report.command("delete")
def delete_report(id_: Id) -> None:
    """Delete a report that is kept here."""
    from advisor.reports.store import store

    if not store().remove(_id_in(id_)):
        raise _unknown(id_)
    print_text("Deleted.")


def _found(text: str) -> "Found":
    from advisor.reports.store import store

    found = store().get(_id_in(text))
    if found is None:
        raise _unknown(text)
    return found


def _id_in(text: str) -> str:
    """The id in a link, or the id itself."""
    return text.rstrip("/").rpartition("/")[2].partition(".")[0]


def _unknown(text: str) -> QuestionError:
    return QuestionError(f'there is no report "{text[:80]}" here; `advisor report list` lists those that are', field="id")


def _read(file: str) -> bytes:
    from advisor.reports.report import MOST_BYTES

    most = 2 * MOST_BYTES + 1
    if file == "-":
        if sys.stdin is None:
            raise MissingPartError("there is no standard input to read a report from; name a file")
        return sys.stdin.buffer.read(most)
    try:
        with Path(file).expanduser().open("rb") as opened:
            return opened.read(most)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingPartError(f'there is no file "{file}"; give what `report export` or `verify --json` wrote') from None
    except (OSError, ValueError) as error:
        raise QuestionError(f'"{file}" cannot be read: {getattr(error, "strerror", None) or error}') from None
