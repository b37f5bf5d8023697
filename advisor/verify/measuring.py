"""How a run is timed: warm up, then prompts, generations and first tokens, each repeated until its spread is known."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import psutil

from advisor.verify.measurement import Stage
from advisor.verify.protocol import Result, Teller, Trial

LEAST_REPEATS, USUAL_REPEATS, MOST_REPEATS = 3, 5, 15
SETTLED = 0.01
"""Repeats stop when the standard error of their mean is below this share of it."""
_SHARES: dict[Stage, float] = {"prompt": 0.4, "generation": 0.45, "first token": 0.15}
"""Of the time that is left after warming up."""
_SHORTEST = {"prompt": 16, "generation": 4}
_FIRST_TOKENS = 3


class Subject(Protocol):
    """A model that is loaded and can be timed."""

    def prompt(self, tokens: int) -> Trial:
        """Process a prompt of this length in an empty context."""

    def generate(self, tokens: int) -> Trial:
        """Generate as many tokens in an empty context."""

    def first_token(self, most: int) -> Trial:
        """From a realistic prompt as text, cut to about `most` tokens, to its first token."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """How long each piece is, and how long it should take, by what warming up showed."""

    prompt: int
    generated: int
    prompt_s: float
    generated_s: float

    def left_s(self, stages: tuple[Stage, ...]) -> float:
        """Seconds that the usual number of repeats of `stages` takes."""
        usual = {
            "prompt": USUAL_REPEATS * self.prompt_s,
            "generation": USUAL_REPEATS * self.generated_s,
            "first token": _FIRST_TOKENS * self.prompt_s,
        }
        return sum(usual[stage] for stage in stages)


def measure(subject: Subject, tell: Teller, result: Result, *, budget_s: float, prompt: int, generated: int) -> None:
    """Fill `result` with trials of `subject`, in about `budget_s` at most; long ones are cut to what fits in it."""
    end = time.monotonic() + budget_s
    others = _Others()
    tell.stage("warming", left_s=budget_s)
    plan = _warm_up(subject, budget_s, prompt, generated)
    left = end - time.monotonic()
    tell.stage("prompt", done=0.0, left_s=min(left, plan.left_s(("prompt", "generation", "first token"))))
    # Once in full length and unheard: caches, threads and clocks of a first pass are not those of the next.
    if plan.prompt_s < 0.1 * left:
        subject.prompt(plan.prompt)
    later: tuple[Stage, ...] = ("generation", "first token")
    _repeat(lambda: subject.prompt(plan.prompt), result.prompt, _Stage("prompt", later, plan, end), tell)
    _repeat(lambda: subject.generate(plan.generated), result.generate, _Stage("generation", later[1:], plan, end), tell)
    # On a slow machine the realistic prompt is cut, so that one fits into its share.
    most = max(_SHORTEST["prompt"], int(plan.prompt / plan.prompt_s * _SHARES["first token"] * budget_s))
    _repeat(lambda: subject.first_token(most), result.first_token, _Stage("first token", (), plan, end), tell)
    result.busy = others.share()


class _Others:
    """How much of the processor other programs take from now on."""

    def __init__(self) -> None:
        self._start = self._used()

    def share(self) -> float:
        """Their part of all processor time since the start, 0 to 1."""
        busy, total, own = (now - then for now, then in zip(self._used(), self._start, strict=True))
        return min(1.0, max(0.0, (busy - own) / total)) if total > 0 else 0.0

    def _used(self) -> tuple[float, float, float]:
        """Seconds that all processors were busy, that they could have been, and that they were for this process."""
        times = psutil.cpu_times()
        # On Linux guest times are part of user's.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return total - times.idle - getattr(times, "iowait", 0.0), total, time.process_time()


@dataclass(frozen=True, slots=True)
class _Stage:
    name: Stage
    later: tuple[Stage, ...]
    plan: _Plan
    end: float

    @property
    def share_s(self) -> float:
        """Seconds of the budget that this stage may take: its part of what is left for it and the later ones."""
        parts = _SHARES[self.name] + sum(_SHARES[stage] for stage in self.later)
        return max(0.0, self.end - time.monotonic()) * _SHARES[self.name] / parts


def _warm_up(subject: Subject, budget_s: float, prompt: int, generated: int) -> _Plan:
    """Small pieces first: a model that is far too slow shows it before a long one is begun."""
    subject.prompt(min(16, prompt))
    first = subject.prompt(min(64, prompt))
    subject.generate(1)
    second = subject.generate(min(4, generated))
    n_prompt = _fitting(prompt, first.rate, _SHARES["prompt"] * budget_s, _SHORTEST["prompt"])
    n_generated = _fitting(generated, second.rate, _SHARES["generation"] * budget_s, _SHORTEST["generation"])
    return _Plan(n_prompt, n_generated, n_prompt / first.rate, n_generated / second.rate)


def _fitting(tokens: int, rate: float, seconds: float, least: int) -> int:
    """The longest piece, halved as often as needed, of which enough repeats fit."""
    while tokens > least and (LEAST_REPEATS + 1) * tokens / rate > seconds:
        tokens //= 2
    return max(tokens, min(tokens, least))


def _repeat(piece: Callable[[], Trial], trials: list[Trial], stage: _Stage, tell: Teller) -> None:
    end = time.monotonic() + stage.share_s
    usual = _FIRST_TOKENS if stage.name == "first token" else USUAL_REPEATS
    after = stage.plan.left_s(stage.later)
    while not _enough(trials, usual):
        slowest = max((trial.seconds for trial in trials), default=0.0)
        if trials and (len(trials) >= LEAST_REPEATS or slowest > stage.share_s) and time.monotonic() + slowest > end:
            break
        left = max(1, usual - len(trials)) * slowest + after if trials else None
        tell.stage(stage.name, done=min(len(trials) / usual, 0.95), left_s=left)
        trials.append(piece())


def _enough(trials: list[Trial], usual: int) -> bool:
    if len(trials) < usual:
        return False
    if len(trials) >= MOST_REPEATS or usual == _FIRST_TOKENS:
        return True
    rates = [trial.rate for trial in trials]
    return bool(statistics.stdev(rates) / len(rates) ** 0.5 < SETTLED * statistics.mean(rates))
