"""What a slice says of a whole model: both made of random weights, loaded in one process, timed in turn, a few tokens each.

python -m benchmarks.slices [--clock cpu|wall] [MODEL:QUANT ...]

With the processor's own clock (the default) one thread computes and its time is counted, so that other programs on the machine
hardly matter; with the wall clock all cores are used.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from advisor.engine.layout import question_for
from advisor.engine.recipe import usable_cores
from advisor.machines.bandwidth import last_level_cache
from advisor.machines.detect.system import System
from advisor.memory.planner import arrange
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.models.skeleton import write_skeleton
from advisor.verify.backends.llama_cpp import Loaded
from advisor.verify.backends.sliced import Sliced
from advisor.verify.measuring import Subject
from advisor.verify.protocol import RunRequest, Teller, Trial
from advisor.verify.slice_files import SliceWriter
from advisor.verify.slices import FORECAST_ERROR, slices_of

MODELS = ("qwen3-4b:Q4_K_M", "olmoe-1b-7b:Q4_K_M")
"""A dense one of 2.3 GiB and one of experts of 3.9 GiB."""
ROUNDS = 5
TURNS, GENERATED, PROMPT = 8, 4, 64
"""A round of generation is so many turns of so many tokens each: a machine drifts between rounds, hardly between turns."""
UNHEARD = 32
"""Tokens before the first round: by then most experts were read once, which takes longer than ever after."""


def main() -> int:
    """Print a line a model and figure; 1 where a generation is further off than 10 %."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    options = parser.parse_args()
    asked = [each.partition(":") for each in options.models]
    errors = [compare(name, quantization or "Q4_K_M", options.clock) for name, _, quantization in asked]
    return 0 if all(abs(error) <= FORECAST_ERROR for error in errors) else 1


def compare(name: str, quantization: str, clock: str) -> float:
    """Time a model whole and by slices; the error of the generation."""
    model = catalogue().find(name).quantized(quantization)
    found = slices_of(model, cache_bytes=last_level_cache(System()), free_bytes=None)
    settings = resolve({"context": 512, "slots": 1}, model, has_gpu=False)
    laid_out = replace(question_for(arrange(model, None, settings, gpus=1), file="-"), gpus=0, gpu_layers=0).to_json()
    threads = 1 if clock == "cpu" else usable_cores()
    with tempfile.TemporaryDirectory() as folder:
        files = {"whole": (model.keys or {}, model.tensors)}
        files |= {"short": (found.short.keys, found.short.tensors), "long": (found.long.keys, found.long.tensors)}
        writer, loaded = SliceWriter(Loaded.library()), {}
        for label, (keys, tensors) in files.items():
            path = Path(folder) / f"{label}.gguf"
            write_skeleton(path, keys, tensors)
            writer.fill(path)
            request = RunRequest("llama-cpp", str(path), threads=threads, question=laid_out)
            loaded[label] = Loaded(request, Teller(sys.stderr))
            loaded[label].clock = time.thread_time if clock == "cpu" else time.perf_counter
    sliced = Sliced(loaded["short"], loaded["long"], found.weights)
    whole = loaded["whole"]
    subjects: tuple[Subject, ...] = (whole, sliced)
    for subject in subjects:
        subject.generate(UNHEARD)
    size = sum(tensor.n_bytes for tensor in model.tensors)
    print(
        f"{name} {quantization}, {size / 2**30:.1f} GiB, {found.weights.layers[2]} layers; slices of {found.weights.layers[0]} "
        f"and {found.weights.layers[1]}, {found.n_bytes / 2**30:.1f} GiB; {threads} threads, {clock} clock",
        flush=True,
    )
    error = report("generation", timed(lambda subject: subject.generate(GENERATED), TURNS, whole, sliced))
    report("prompt", timed(lambda subject: subject.prompt(PROMPT), 1, whole, sliced))
    return error


def timed(piece: Callable[[Subject], Trial], turns: int, whole: Subject, sliced: Subject) -> list[tuple[float, float]]:
    """Rates of both, by round: the whole, the slices, the whole ..."""
    rounds = []
    for _ in range(ROUNDS):
        pairs = [(piece(whole), piece(sliced)) for _ in range(turns)]
        rounds.append((rate([pair[0] for pair in pairs]), rate([pair[1] for pair in pairs])))
    return rounds


def rate(trials: list[Trial]) -> float:
    """Tokens a second of all together."""
    return sum(trial.tokens for trial in trials) / sum(trial.seconds for trial in trials)


def report(what: str, rounds: list[tuple[float, float]]) -> float:
    """Print medians, spread and error; the error, the median of the rounds' own."""
    whole, sliced = zip(*rounds, strict=True)
    errors = [said / found - 1 for found, said in rounds]
    print(
        f"  {what:10s} whole {median(whole):8.2f} tokens/s ({min(whole):.2f} to {max(whole):.2f})   "
        f"slices {median(sliced):8.2f} ({min(sliced):.2f} to {max(sliced):.2f})   "
        f"error {median(errors):+.1%} ({min(errors):+.1%} to {max(errors):+.1%})",
        flush=True,
    )
    return median(errors)


if __name__ == "__main__":
    sys.exit(main())
