"""`advisor models`: what is on this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from advisor.cli.options import Json
from advisor.cli.output import print_json, print_text, width


def models(
    folder: Annotated[list[Path] | None, typer.Option(help="A folder to look in too, with all below it.")] = None,
    as_json: Json = False,
) -> None:
    """List the models on this machine: of Ollama, LM Studio, the Hugging Face cache and --folder; and what is loaded now."""
    from advisor.machines.loaded import loaded_now
    from advisor.models.sources.here import models_here

    found = models_here(folder or (), seconds=10.0)
    loaded = loaded_now(seconds=1.0)
    if as_json:
        rows = [
            {
                "model": one.text,
                "name": one.name,
                "path": one.path,
                "source": one.source,
                "format": one.format,
                "quantization": one.quantization,
                "file_bytes": one.size_bytes,
            }
            for one in found.models
        ]
        print_json({"schema": 1, "complete": found.complete, "models": rows, "loaded": [asdict(one) for one in loaded]})
        return
    from advisor.text import found_text

    print_text(found_text(found, loaded, width()))
