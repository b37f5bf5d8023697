"""Two slices of a model, as the worker runs them: filled, loaded together, and timed in turn for what the whole model takes."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from advisor.verify.backends.llama_cpp import Loaded
from advisor.verify.measuring import measure
from advisor.verify.protocol import Result, RunError, RunRequest, Teller, Trial
from advisor.verify.slice_files import SliceWriter
from advisor.verify.slice_folder import NAMES
from advisor.verify.slices import SliceWeights, whole_seconds

_TOLD_S = 0.2


def run(request: RunRequest, tell: Teller) -> None:
    """Fill the two files in the folder `request.target`, time them, tell. Raises RunError."""
    assert request.slices is not None
    start = time.monotonic()
    folder = Path(request.target)
    tell.stage("loading", done=0.0)
    try:
        _fill([folder / name for name in NAMES], request.budget_s, tell)
    except OSError as error:
        raise RunError("disk", f"the slices could not be written ({error.strerror}); make room on the disk") from None
    except (RuntimeError, AttributeError) as error:
        raise RunError("missing part", f"the engine cannot be used here: {error}") from None
    short, long = (Loaded(replace(request, target=str(folder / name)), tell) for name in NAMES)
    subject = Sliced(short, long, request.slices)
    # Where an engine crashes it does so at its first token, and a second attempt needs the files. From here on they need no
    # names where the system can do without: then nothing is left of them even where everything is killed.
    subject.generate(1)
    for name in NAMES:
        with contextlib.suppress(OSError):
            (folder / name).unlink()
    result = Result(engine=f"{short.version}, slices of {request.slices.layers[0]} and {request.slices.layers[1]} layers")
    left = max(20.0, request.budget_s - (time.monotonic() - start))
    prompt, generated = short.most(request.prompt_tokens), short.most(request.generated_tokens)
    measure(subject, tell, result, budget_s=left, prompt=prompt, generated=generated)
    tell.result(result)


def _fill(paths: Sequence[Path], budget_s: float, tell: Teller) -> None:
    writer, total, written = SliceWriter(Loaded.library()), sum(path.stat().st_size for path in paths), 0
    start = told = time.monotonic()

    def wrote(count: int) -> None:
        nonlocal told, written
        written += count
        if (now := time.monotonic()) - told > _TOLD_S:
            told, done = now, min(1.0, written / total)
            tell.stage("loading", done=done, left_s=(now - start) * (1 - done) / done + budget_s)

    for path in paths:
        writer.fill(path, wrote)


class Sliced:
    """The whole model, by what its slices take, as `measuring.Subject`."""

    def __init__(self, short: Loaded, long: Loaded, weights: SliceWeights) -> None:
        self._short, self._long, self._weights = short, long, weights

    def prompt(self, tokens: int) -> Trial:
        """A prompt of this length."""
        return self._whole(lambda model: model.prompt(tokens), self._weights.worked)

    def generate(self, tokens: int) -> Trial:
        """As many tokens, by both slices in turn.

        What else the machine does changes within a second, and the difference of the slices counts several times: taken one
        after the other, they would be of two different machines.
        """
        pairs = zip(self._short.each_token(tokens), self._long.each_token(tokens), strict=True)
        short, long = (sum(seconds) for seconds in zip(*pairs, strict=True))
        return Trial(tokens, whole_seconds(short, long, self._weights.read))

    def first_token(self, most: int) -> Trial:
        """A prompt as long as the realistic one; a slice has no words."""
        return self._whole(lambda model: model.first_token(most), self._weights.worked)

    def _whole(self, piece: Callable[[Loaded], Trial], weights: tuple[float, float, float]) -> Trial:
        short, long = piece(self._short), piece(self._long)
        return Trial(short.tokens, whole_seconds(short.seconds, long.seconds, weights))
