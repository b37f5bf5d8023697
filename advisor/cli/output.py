"""What commands write: text or JSON, to stdout, at once."""

import json
import os
import shutil
import sys
from typing import Any

from advisor.errors import MissingPartError


def width() -> int:
    """Columns of the terminal; 110 where the output goes to a file."""
    return max(40, min(shutil.get_terminal_size((110, 24)).columns, 110))


def print_json(value: dict[str, Any]) -> None:
    print_text(json.dumps(value, indent=2))


def print_text(text: str) -> None:
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
