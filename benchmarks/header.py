"""Time to read the header of two real files, ours beside `gguf.GGUFReader`, in one run.

Each is the first read in a process of its own, with the file in the page cache; of ours there is also the median of more.
"""

import sys
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from gguf import GGUFReader  # noqa: E402 (after the path)

from advisor.models.gguf_header import ArraySummary, read_header  # noqa: E402
from tests.models import real_files  # noqa: E402

REPEATS = 20


class Row(NamedTuple):
    """One file's times in milliseconds."""

    name: str
    tokens: int
    header_bytes: int
    first_ms: float
    median_ms: float
    reader_ms: float
    limit_ms: int


def ours(path: str) -> tuple[float, float, int, int]:
    """First and median time in milliseconds, tokens and bytes of the header."""
    times = []
    for _ in range(1 + REPEATS):
        started = perf_counter()
        header = read_header(path)
        times.append((perf_counter() - started) * 1000)
    tokens = header.metadata["tokenizer.ggml.tokens"]
    return times[0], median(times[1:]), tokens.length if isinstance(tokens, ArraySummary) else 0, header.header_bytes


def theirs(path: str) -> float:
    """Time of gguf's own reader in milliseconds."""
    started = perf_counter()
    GGUFReader(path)
    return (perf_counter() - started) * 1000


def measure(name: str, path: Path, limit_ms: int) -> Row:
    """Both readers on one file, each in a process of its own."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        first, middle, tokens, header_bytes = pool.apply(ours, (str(path),))
        return Row(name, tokens, header_bytes, first, middle, pool.apply(theirs, (str(path),)), limit_ms)


def main() -> int:
    """Prints a table; 1 where a limit is not kept."""
    with TemporaryDirectory() as folder:
        rows = [
            measure("Gemma 3 270M Q4_K_M", real_files.sparse_gemma(Path(folder)), 150),
            measure("SmolLM2 135M Q4_1", real_files.smollm2(), 50),
        ]
    print("file                   tokens     header  ours, first    median  GGUFReader  times   limit")
    for row in rows:
        print(
            f"{row.name:<20} {row.tokens:>8,} {row.header_bytes:>10,} {row.first_ms:>9.1f} ms {row.median_ms:>6.1f} ms "
            f"{row.reader_ms:>8,.0f} ms {row.reader_ms / row.first_ms:>6.0f} {row.limit_ms:>4} ms"
        )
    return int(any(row.first_ms > row.limit_ms for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
