"""Our figures beside llama-bench's: the same model, threads, batch, flash attention and repacking, in turn.

python -m benchmarks.bench_agreement [--pairs N] [--threads N] [--prompt N] [--generated N] [--program LLAMA_BENCH] [FILE ...]

llama-bench is built once from the source package of the pinned engine, against the very libraries that are installed, and kept
beside the engine's wheel. Without a FILE: SmolLM2 135M and Gemma 3 270M, which come as packages.
"""

import argparse
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from advisor.engine.layout import question_for
from advisor.engine.recipe import PACKAGE, SOURCE_SHA256, VERSION, recipe_for_this_machine, usable_cores
from advisor.memory.planner import arrange
from advisor.memory.presets import resolve
from advisor.models.resolve import resolve_model
from advisor.verify.backends.llama_cpp import Loaded
from advisor.verify.protocol import RunRequest, Teller
from tests.models.real_files import smollm2, whole_gemma

PROMPT, GENERATED, UBATCH = 512, 128, 512
PAIRS, REPEATS = 7, 3
FEW, MANY = 1, 6
ALLOWED = 0.05
PROJECT = Path(__file__).with_name("llama_bench") / "CMakeLists.txt"


def main() -> int:
    """Print both for prompts and generation; 1 where the medians are further apart than 5 % and than the spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--prompt", type=int, default=PROMPT)
    parser.add_argument("--generated", type=int, default=GENERATED)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: processor time, for a busy machine")
    parser.add_argument("--program", type=Path, help="a llama-bench of the pinned engine that is there already")
    options = parser.parse_args()
    program = options.program or llama_bench()
    with tempfile.TemporaryDirectory() as folder:
        files = options.files or [smollm2(), whole_gemma(Path(folder))]
        return max([compare(file, program, options) for file in files])


def compare(file: Path, program: Path, options: argparse.Namespace) -> int:
    """Time one model by both, pair by pair; 1 where they are too far apart."""
    threads = 1 if options.clock == "cpu" else options.threads
    ours = loaded(file, threads)
    lengths = {"prompt": options.prompt, "generation": options.generated}
    rates: dict[str, list[tuple[float, float]]] = {"prompt": [], "generation": []}
    bench = run_llama_bench
    if options.clock == "cpu":
        # One thread: what others wait for at barriers counts as processor time too.
        ours.clock, bench = time.thread_time, cpu_of_llama_bench
    for _ in range(options.pairs):
        theirs = bench(program, file, threads, lengths)
        for what, piece in (("prompt", ours.prompt), ("generation", ours.generate)):
            piece(min(16, lengths[what]))
            measured = [piece(lengths[what]).rate for _ in range(REPEATS)]
            rates[what].append((median(measured), theirs[what]))
    print(
        f"{file.name}, {threads} threads, {options.clock} clock, {options.pairs} pairs in turn, {REPEATS} repeats each",
        flush=True,
    )
    return max(compared(f"{what} of {lengths[what]} tokens", found) for what, found in rates.items())


def compared(what: str, pairs: list[tuple[float, float]]) -> int:
    """Print medians, spread and how far apart the pairs are at their median; 1 where that is too far."""
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    # Pair by pair: what else runs on the machine changes from minute to minute.
    apart = median(mine / other for mine, other in pairs) - 1
    spread = max((max(side) - min(side)) / median(side) for side in (ours, theirs))
    print(
        f"  {what:25s} ours {median(ours):8.2f} ({min(ours):.2f} to {max(ours):.2f})   "
        f"llama-bench {median(theirs):8.2f} ({min(theirs):.2f} to {max(theirs):.2f}) tokens/s   "
        f"apart {apart:+.1%}, spread {spread:.1%}"
    )
    return 0 if abs(apart) <= max(ALLOWED, spread) else 1


def loaded(file: Path, threads: int) -> Loaded:
    """The file as Verify loads it, on the processor."""
    model = resolve_model(str(file))
    settings = resolve({"context": 1024, "slots": 1, "ubatch": UBATCH}, model, has_gpu=False)
    laid_out = replace(question_for(arrange(model, None, settings), file="-"), gpus=0, gpu_layers=0)
    return Loaded(RunRequest("llama-cpp", str(file), threads=threads, question=laid_out.to_json()), Teller(sys.stderr))


def run_llama_bench(program: Path, file: Path, threads: int, lengths: dict[str, int]) -> dict[str, float]:
    """Tokens a second, the median of its repeats."""
    command = [str(program), "-m", str(file), "-t", f"{threads}", "-ub", f"{UBATCH}", "-r", f"{REPEATS}", "-o", "json"]
    command += ["-ngl", "0", "-p", f"{lengths['prompt']}", "-n", f"{lengths['generation']}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout)
    kinds = {"prompt": next(row for row in rows if row["n_prompt"]), "generation": next(row for row in rows if row["n_gen"])}
    return {what: median(row["samples_ts"]) for what, row in kinds.items()}


def cpu_of_llama_bench(program: Path, file: Path, threads: int, lengths: dict[str, int]) -> dict[str, float]:
    """Tokens a second of processor time: what more repeats take more, so that start, load and warm-up fall out."""
    rates = {}
    for what, option in (("prompt", ["-n", "0", "-p"]), ("generation", ["-p", "0", "-n"])):
        spent = []
        for repeats in (FEW, MANY):
            command = [str(program), "-m", str(file), "-t", f"{threads}", "-ub", f"{UBATCH}", "-r", f"{repeats}", "-ngl", "0"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*command, *option, f"{lengths[what]}"], capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        rates[what] = (MANY - FEW) * lengths[what] / (spent[1] - spent[0])
    return rates


def llama_bench() -> Path:
    """llama-bench of the pinned engine, built where it is not kept yet; that takes minutes."""
    kept = recipe_for_this_machine().folder
    program = kept / "llama-bench"
    if program.is_file():
        return program
    package = find_spec("llama_cpp")
    if package is None or not package.submodule_search_locations:
        sys.exit("the engine is not installed; get it with: python -m advisor.engine.build")
    libraries = Path(package.submodule_search_locations[0]) / "lib"
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept, prefix="llama-bench-") as folder:
        build = Path(folder) / "build"
        configure = ["cmake", "-S", str(PROJECT.parent), "-B", str(build), f"-DLLAMA_SOURCE={_source(Path(folder))}"]
        # Not optimized, which takes half as long: all that is timed happens in the engine's libraries.
        configure += [f"-DLLAMA_LIBRARIES={libraries}", "-DCMAKE_BUILD_TYPE=None"]
        print("building llama-bench, once", flush=True)
        subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
        make = ["cmake", "--build", str(build), "--target", "llama-bench", "--parallel", f"{usable_cores()}"]
        subprocess.run(make, check=True)
        (build / "llama-bench" / "llama-bench").replace(program)
    return program


def _source(folder: Path) -> Path:
    """llama.cpp as the pinned source package vendors it, unpacked in `folder`."""
    pinned = folder / "engine.txt"
    pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SOURCE_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", PACKAGE, "--require-hashes"]
    subprocess.run([*command, "-r", str(pinned), "-d", str(folder)], check=True)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"{PACKAGE.replace('-', '_')}-{VERSION}" / "vendor" / "llama.cpp"


if __name__ == "__main__":
    sys.exit(main())
