"""Results that come from elsewhere: what is one, and that nothing else is taken."""

import json

import pytest

from advisor.errors import QuestionError
from advisor.verify.measurement import MOST_BYTES, Measurement, last_lines
from tests.verify.runs import document, measurement


def test_what_is_written_is_read_again():
    once = measurement()
    assert Measurement.parse(json.dumps(once.to_json())) == once
    assert once.to_json()["schema"] == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "colour: Extra inputs"),
        ({"schema": 2}, "schema: Input should be 1"),
        ({"machine__shell": "rm"}, "machine.shell: Extra inputs"),
        ({"run__seconds": -1}, "run.seconds"),
        ({"run__busy": 1.5}, "run.busy"),
        ({"measurement__generate_tps": {"median": 9.0, "low": 10.0, "high": 11.0}}, "are not in order"),
        ({"measurement__generate_tps": {"median": "Infinity", "low": 1, "high": 1}}, "generate_tps.median"),
        ({"measurement__samples": [{"t_s": 0, "stage": "asleep"}]}, "samples.0.stage"),
        ({"model__name": "x" * 1001}, "model.name"),
        ({"failures": [{"kind": "crash", "message": "m", "log": ["x"] * 61}]}, "failures.0.log"),
        ({"verdict": "splendid"}, "verdict"),
    ],
)
def test_what_is_none_is_refused_with_the_place(changes, said):
    with pytest.raises(QuestionError) as caught:
        Measurement.parse(json.dumps(document(**changes)))
    assert said in str(caught.value)
    assert "advisor verify --json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '"text"', "{}", "NaN", "[" * 100_000, "\x00", '{"schema": 1}'])
def test_nonsense_is_refused_in_one_sentence(text):
    with pytest.raises(QuestionError, match="not a measurement of Headroom"):
        Measurement.parse(text)


def test_far_too_much_is_refused_before_it_is_read():
    with pytest.raises(QuestionError, match="far longer"):
        Measurement.parse(" " * (MOST_BYTES + 1))


def test_the_end_of_a_log_is_bounded_and_printable():
    log = [f"line {number}\n" for number in range(100)] + ["\n", "\x1b[31mred\x07\n", "x" * 5000]
    kept = last_lines(log)
    assert len(kept) == 60
    assert kept[-2] == " [31mred "
    assert len(kept[-1]) == 1000
