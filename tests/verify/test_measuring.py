"""How long a run measures and how often, on subjects whose speed is given and whose clock is ours."""

import io
import json

import pytest

from advisor.verify import measuring
from advisor.verify.measuring import measure
from advisor.verify.protocol import Result, Teller, Trial


class Clock:
    """Seconds that pass only where a subject works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.now


class Model:
    """A model of given speeds, in tokens a second; `waver` makes each run slower or faster in turn."""

    def __init__(self, clock: Clock, prompt: float, generate: float, waver: float = 0.0) -> None:
        self._clock, self._prompt, self._generate, self._waver = clock, prompt, generate, waver
        self._count = 0
        self.longest_first = 0

    def _work(self, tokens: int, rate: float) -> Trial:
        self._count += 1
        seconds = tokens / (rate * (1 + self._waver * (-1) ** self._count))
        self._clock.now += seconds
        return Trial(tokens, seconds)

    def prompt(self, tokens: int) -> Trial:
        return self._work(tokens, self._prompt)

    def generate(self, tokens: int) -> Trial:
        return self._work(tokens, self._generate)

    def first_token(self, most: int) -> Trial:
        self.longest_first = min(400, most)
        return self._work(self.longest_first, self._prompt)


def timed(monkeypatch, budget_s: float = 90.0, **speeds) -> tuple[Result, float, list[dict], Model]:
    clock = Clock()
    monkeypatch.setattr(measuring, "time", clock)
    model, told, result = Model(clock, **speeds), io.StringIO(), Result("fake")
    start = clock.now
    measure(model, Teller(told), result, budget_s=budget_s, prompt=512, generated=128)
    return result, clock.now - start, [json.loads(line) for line in told.getvalue().splitlines()], model


def test_a_steady_model_is_measured_five_times(monkeypatch):
    result, seconds, _, _ = timed(monkeypatch, prompt=1000.0, generate=50.0)
    assert [trial.tokens for trial in result.prompt] == [512] * 5
    assert [trial.tokens for trial in result.generate] == [128] * 5
    assert len(result.first_token) == 3
    assert seconds < 90


def test_one_that_wavers_is_measured_more_often(monkeypatch):
    result, seconds, _, _ = timed(monkeypatch, prompt=1000.0, generate=50.0, waver=0.1)
    assert 5 < len(result.generate) <= 15
    assert len(result.prompt) == 15
    assert seconds < 91


@pytest.mark.parametrize(
    ("prompt", "generate", "lengths"),
    [
        # Tokens a second, and the lengths that fit four times into 40 and 45 % of 90 s.
        (60.0, 4.0, (512, 32)),
        (20.0, 1.5, (128, 8)),
        (2.0, 0.5, (16, 4)),
    ],
)
def test_a_slow_model_gets_shorter_pieces(monkeypatch, prompt, generate, lengths):
    result, seconds, _, model = timed(monkeypatch, prompt=prompt, generate=generate)
    assert (result.prompt[0].tokens, result.generate[0].tokens) == lengths
    assert result.first_token
    assert model.longest_first <= max(16, 0.15 * 90 * prompt)
    assert seconds < 150


def test_the_time_left_is_told_and_shrinks(monkeypatch):
    _, _, told, _ = timed(monkeypatch, prompt=500.0, generate=20.0)
    stages = [event["stage"] for event in told]
    assert list(dict.fromkeys(stages)) == ["warming", "prompt", "generation", "first token"]
    left = [event["left_s"] for event in told if event["stage"] == "generation" and event["left_s"] is not None]
    assert left == sorted(left, reverse=True)
    # Told at the first repeat of the generation, it is right within the warm-up's error.
    assert left[0] == pytest.approx(4 * 128 / 20 + 3 * 512 / 500, rel=0.2)
