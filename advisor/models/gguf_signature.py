"""What a file is that is not GGUF, from its first bytes, so that a person learns what they have instead."""

from advisor.errors import (
    ArchiveError,
    EmptyFileError,
    GitLFSPointerError,
    NotGGUFError,
    OldGGMLError,
    SafetensorsError,
    WebPageError,
)

MAGIC = b"GGUF"
SIGNATURE_BYTES = 512
"""Bytes from the start that `check_signature` looks at."""

# The first bytes of other files, and what a person is told. GGML and its kin are llama.cpp's magic numbers before GGUF
# ("ggml", "ggmf", "ggjt", and "ggla" of adapters), which lie in the file the wrong way round.
_KNOWN: tuple[tuple[bytes, type[NotGGUFError], str], ...] = (
    (b"lmgg", OldGGMLError, "is in the GGML format, which GGUF replaced in August 2023"),
    (b"fmgg", OldGGMLError, "is in the GGMF format, which GGUF replaced in August 2023"),
    (b"tjgg", OldGGMLError, "is in the GGJT format, which GGUF replaced in August 2023"),
    (b"algg", OldGGMLError, "is an adapter in the GGLA format, which GGUF replaced in August 2023"),
    (b"PK\x03\x04", ArchiveError, "is a zip archive or a PyTorch checkpoint, not GGUF"),
    (b"PK\x05\x06", ArchiveError, "is an empty zip archive, not GGUF"),
    (b"\x1f\x8b", ArchiveError, "is a gzip archive, not GGUF"),
    (b"7z\xbc\xaf\x27\x1c", ArchiveError, "is a 7z archive, not GGUF"),
    (b"\xfd7zXZ", ArchiveError, "is an xz archive, not GGUF"),
    (b"\x28\xb5\x2f\xfd", ArchiveError, "is a zstd archive, not GGUF"),
    (b"BZh", ArchiveError, "is a bzip2 archive, not GGUF"),
    (b"Rar!", ArchiveError, "is a rar archive, not GGUF"),
    (b"\x80\x02", ArchiveError, "is a Python pickle, probably an old PyTorch checkpoint, not GGUF"),
)
_KNOWN_TEXT: tuple[tuple[bytes, type[NotGGUFError], str], ...] = (
    *(
        (tag, WebPageError, "is a web page, not a model")
        for tag in (b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<!--")
    ),
    (b"version https://git-lfs", GitLFSPointerError, "is a Git LFS pointer, which stands for a model that was not downloaded"),
    (b"{", NotGGUFError, "is a JSON file, not GGUF"),
)


def check_signature(start: bytes) -> None:
    """Returns where `start`, the first bytes of a file, begins as GGUF does; else raises what says best what it is."""
    if not start.startswith(MAGIC):
        error = _what_else(start)
        error.offset = 0
        raise error


def _what_else(start: bytes) -> NotGGUFError:
    if MAGIC.startswith(start):
        return EmptyFileError(f"has only {len(start)} bytes" if start else "is empty")
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 2**32:
        return SafetensorsError("is a safetensors file, not GGUF")
    if start[257:262] == b"ustar":
        return ArchiveError("is a tar archive, not GGUF")
    if not any(start):
        return NotGGUFError("begins with zeros, like a download whose space was reserved and never filled")
    text = start.lstrip(b"\xef\xbb\xbf\r\n\t ").lower()
    for table, bytes_read in ((_KNOWN, start), (_KNOWN_TEXT, text)):
        for first, kind, problem in table:
            if bytes_read.startswith(first):
                return kind(problem)
    return NotGGUFError("is not a GGUF file: it begins with other bytes")
