"""`advisor serve`."""

from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; without it 8501 or the next free one.", min=1, max=65535)
    ] = None,
    hosted: Annotated[
        bool, typer.Option("--hosted", help="For visitors from elsewhere: nothing of this machine is shown, read or run.")
    ] = False,
) -> None:
    """Start the app and print its address."""
    from advisor.serve import serve as start

    start(host=host, port=port, hosted=hosted)
