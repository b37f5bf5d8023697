"""Coverage-guided fuzzing of the GGUF reader with atheris: `make fuzz`, or `python tests/fuzz/header.py -max_total_time=60`.

Begins with real headers, cut to sizes that a fuzzer can work on. Ends with an error on any exception but those promised, where
bytes and ranges do not end alike, on more than 64 MiB beyond the input, and on an input that takes longer than ten seconds.
"""

import sys
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import atheris

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["advisor"]):
    from advisor.errors import HeadroomError
    from advisor.models.gguf_header import parse_header, read_header_ranges
    from advisor.models.metadata import model_from_header

from tests.models import gguf_builder as g  # noqa: E402 (the reader is to be imported first, under instrumentation)
from tests.models import real_files  # noqa: E402

MAX_BYTES = 64 * 2**20
FLAGS = ["-max_len=65536", "-timeout=10", "-rss_limit_mb=1024", f"-artifact_prefix={gettempdir()}/"]


def read_one(data: bytes) -> None:
    """Reads `data` as bytes and through ranges; returns if both end alike and within the limits."""
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    ends = set()
    for read in (lambda: parse_header(data, len(data)), lambda: read_header_ranges(lambda at, n: data[at : at + n], len(data))):
        try:
            header = read()
            model_from_header(header, id="x", source="x.gguf")
            ends.add("")
        except HeadroomError as error:
            ends.add(str(error))
    if len(ends) != 1:
        raise AssertionError(f"bytes and ranges do not end alike: {ends}")
    used = tracemalloc.get_traced_memory()[1] - before
    if used > MAX_BYTES:
        raise MemoryError(f"{used:,} bytes for an input of {len(data):,}")


def seeds() -> list[bytes]:
    """Whole small files in both byte orders, and the beginnings of two real headers."""
    made = []
    for order in "<>":
        builder = g.llama(g.Builder(order=order)).array("llama.rope.dimension_sections", g.I32, [1, 2, 3])
        builder.key("general.alignment", g.U32, 32).key("split.count", g.U16, 1)
        builder.raw_key("nested", g.ARRAY, builder.pack("IQ", g.ARRAY, 1) + builder.pack("IQ", g.U8, 2) + b"\x01\x02")
        made.append(builder.tensor("token_embd.weight", (32, 3), n_bytes=384).tensor("q", (256,), 12, n_bytes=144).file())
    return [*made, real_files.smollm2_header()[:4096], real_files.gemma_header()[:4096], real_files.smollm2_header()[-60_000:]]


def main() -> None:
    """Fuzzes until told to stop; flags are those of libFuzzer."""
    with TemporaryDirectory() as folder:
        for number, data in enumerate(seeds()):
            Path(folder, str(number)).write_bytes(data)
        tracemalloc.start()
        atheris.Setup([sys.argv[0], *FLAGS, *sys.argv[1:], folder], read_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
