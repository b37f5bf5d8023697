"""`advisor fit`: the promised shape, best first, and honest about what it does not do."""

from functools import cache

from advisor.fit import Fit, fit_machine
from advisor.question import FitQuestion

ORDER = ("fits", "tight", "partial", "no")


@cache
def fit(machine: str) -> Fit:
    return fit_machine(FitQuestion.parse({"machine": machine, "context": 4096}))


def test_options_are_numbered_best_first() -> None:
    options = fit("rtx-3060-12gb").options
    assert [option.rank for option in options] == list(range(1, len(options) + 1))
    words = [ORDER.index(option.verdict.verdict) for option in options]
    assert words == sorted(words)
    assert len(options) > 200


def test_the_answer_has_the_promised_fields() -> None:
    found = fit("rtx-3060-12gb").to_json()
    assert found["schema"] == 1
    assert found["machine"]["id"] == "rtx-3060-12gb"
    assert (found["context"], found["purpose"]) == (4096, "chat")
    for option in found["options"][:5]:
        assert set(option) >= {"model", "quantization", "settings", "devices", "pools", "verdict", "speed", "quality", "rank"}
        assert set(option["quality"]) == {"score", "basis"}
        assert option["settings"]["context"] <= 4096
        assert option["model"]["quantization"] == option["quantization"]
    assert found["assumptions"]


def test_what_fits_leaves_room() -> None:
    for option in fit("rtx-3060-12gb").options:
        if option.verdict.verdict == "fits":
            gpu = option.plan.pools[0]
            assert gpu.headroom_bytes is not None
            assert gpu.headroom_bytes > 0


def test_the_same_question_twice_gets_the_same_answer() -> None:
    again = fit_machine(FitQuestion.parse({"machine": "rtx-3060-12gb", "context": 4096}))
    assert again.to_json() == fit("rtx-3060-12gb").to_json()


def test_a_least_speed_leaves_out_what_is_slower() -> None:
    every, fast = (fit_machine(FitQuestion.parse({"machine": "rpi-5-8gb", "min_tps": least})) for least in (None, 10))
    speeds = [option.speed.generate_tps.expected for option in fast.options]
    assert 0 < len(fast.options) < len(every.options)
    assert min(speeds) >= 10
    assert [option.rank for option in fast.options] == list(range(1, len(fast.options) + 1))


def test_a_purpose_is_echoed_and_said_to_change_nothing_yet() -> None:
    found = fit_machine(FitQuestion.parse({"machine": "rpi-5-8gb", "context": 4096, "purpose": "code"})).to_json()
    assert found["purpose"] == "code"
    assert any("purpose" in sentence for sentence in found["assumptions"])
