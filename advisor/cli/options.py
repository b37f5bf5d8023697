"""Options that several commands share, and which of them were written."""

from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
Machine = Annotated[
    str | None, typer.Option(help='A profile id such as "rtx-4090" or "m4-max-40", a profile file, or "detected".')
]
Gpus = Annotated[int | None, typer.Option(help="Number of equal GPUs.")]
MemoryGib = Annotated[float | None, typer.Option(help="Unified memory, or memory of each GPU, in GiB.")]
RamGib = Annotated[float | None, typer.Option(help="System memory in GiB.")]
BandwidthGbS = Annotated[float | None, typer.Option(help="Memory bandwidth in GB/s.")]
Unified = Annotated[bool, typer.Option("--unified", help="GPU and CPU share one memory.")]


def given(options: dict[str, Any], *, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """The options that were written on the command line. `--unified` has no opposite: off, it was not written."""
    written = {name: value for name, value in options.items() if value is not None and name not in leave_out}
    if not written.get("unified"):
        written.pop("unified", None)
    return written
