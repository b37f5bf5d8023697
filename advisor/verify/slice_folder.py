"""Where the files of slices are while they are needed: one folder, for there is one run at a time."""

import shutil
from pathlib import Path

from advisor.models.skeleton import write_skeleton
from advisor.paths import cache_folder
from advisor.verify.slices import Slices

NAMES = ("short.gguf", "long.gguf")


def make_slice_files(slices: Slices, folder: Path | None = None) -> Path:
    """The folder with the headers of both slices, which the worker fills. What an earlier run left there goes.

    Raises OSError or MissingPartError where it cannot be written.
    """
    folder = folder or slice_folder()
    clear_slice_files(folder)
    folder.mkdir(parents=True)
    for name, found in zip(NAMES, (slices.short, slices.long), strict=True):
        write_skeleton(folder / name, found.keys, found.tensors)
    return folder


def clear_slice_files(folder: Path | None = None) -> None:
    """Remove them."""
    shutil.rmtree(folder or slice_folder(), ignore_errors=True)


def free_disk_bytes(folder: Path | None = None) -> int | None:
    """What the disk has left that they would be written to; None where it does not say."""
    folder = folder or slice_folder()
    there = next((parent for parent in (folder, *folder.parents) if parent.is_dir()), None)
    try:
        return None if there is None else shutil.disk_usage(there).free
    except OSError:
        return None


def slice_folder() -> Path:
    """In the user's cache folder: up to 4 GB are no matter for a temporary folder in memory."""
    return cache_folder() / "verify" / "slices"
