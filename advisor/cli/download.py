"""`advisor download`."""

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.cli.options import Json
from advisor.cli.output import print_json, print_text
from advisor.errors import QuestionError
from advisor.units import format_size

if TYPE_CHECKING:
    from advisor.models.sources.download import Progress


def download(
    model: Annotated[str, typer.Argument(help='"owner/repo", with ":QUANT" or "/file.gguf", or its address on the hub.')],
    quant: Annotated[str | None, typer.Option(help="Quantization, such as Q4_K_M.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where to; without it the Hugging Face cache.")] = None,
    as_json: Json = False,
) -> None:
    """Download a GGUF model from the hub: goes on where it was cut, checks room before and checksum after."""
    from advisor.models.sources.download import download as load
    from advisor.models.sources.download import plan_download
    from advisor.models.sources.hub_address import hub_address

    address = hub_address(model)
    if address is None:
        raise QuestionError(
            f'"{model}" is no model of the hub; write "owner/repo:QUANT" or an address of the hub', field="model"
        )
    plan = plan_download(address, quant, folder.expanduser() if folder else None)
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        paths = load(plan, report=None if as_json or not sys.stderr.isatty() else _draw, stop=stop)
    finally:
        signal.signal(signal.SIGINT, before)
    if as_json:
        files = [{"path": str(path), "sha256": file.sha256} for path, file in zip(paths, plan.files, strict=True)]
        print_json(
            {
                "schema": 1,
                "repository": plan.repo,
                "quantization": plan.quantization,
                "file_bytes": plan.total_bytes,
                "files": files,
            }
        )
        return
    print_text(str(paths[0]))


def _draw(progress: "Progress") -> None:
    """One line on the terminal, written over and over."""
    share = progress.done_bytes / progress.total_bytes if progress.total_bytes else 1.0
    rate = f", {format_size(int(progress.rate_bytes_s))}/s" if progress.rate_bytes_s else ""
    left = f", {progress.left_s / 60:.0f} min left" if progress.left_s and progress.left_s >= 90 else ""
    end = "\n" if progress.stage == "done" else ""
    sys.stderr.write(f"\r\x1b[K{progress.stage} {progress.file[:40]}: {share:.0%}{rate}{left}{end}")
    sys.stderr.flush()
