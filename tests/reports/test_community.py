"""Measured speeds of many: doubtful ones are marked, and enough sound ones say something of a machine."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from advisor.reports.community import FamilyRatio, family_ratio, filtered, machines_of, marked, models_of
from advisor.reports.summary import Summary

ROW = Summary(
    id="a", created_at=datetime(2026, 11, 21, tzinfo=UTC), listed=True, machine="rtx-4090", machine_name="RTX 4090", gpus=1,
    model="llama-3.1-8b", model_name="Llama 3.1 8B", quantization="Q4_K_M", runtime="llama-server", context=8192,
    verdict="confirmed", generate_tps=120.0, generate_low=98.0, generate_expected=115.0, generate_high=132.0,
    prompt_tps=None, prompt_expected=None, fastest_tps=204.8,
)  # fmt: skip


def rows(*speeds, **more):
    return [replace(ROW, generate_tps=speed, **more) for speed in speeds]


def told_apart(found):
    """The rows with an id of their own each, as the store gives them."""
    return [replace(row, id=f"{number}") for number, row in enumerate(found)]


def doubts(*speeds, **more):
    return [entry.doubt is not None for entry in marked(rows(*speeds, **more))]


def test_only_measured_speeds_are_there():
    assert marked(rows(None, 0.0, 120.0)) == marked(rows(120.0))


@pytest.mark.parametrize(
    ("speeds", "doubtful"),
    [
        # 1008 GB/s read a file of 4.92 GB at most 204.8 times a second.
        ((120.0, 210.0, 240.0), [False, False, True]),
        # Few reports: three times off the 115 predicted.
        ((30.0, 39.0, 120.0), [True, False, False]),
        # Enough: compared with each other, whatever was predicted.
        ((118, 121, 119, 122, 60), [False, False, False, False, True]),
        ((118, 121, 119, 122, 180), [False, False, False, False, True]),
        ((30, 31, 29, 30.5, 30.2), [False] * 5),
        # Exactly alike: a difference of some per cent is not held against anybody.
        ((120, 120, 120, 120, 125), [False] * 5),
    ],
)
def test_what_stands_out_is_marked(speeds, doubtful):
    assert doubts(*map(float, speeds)) == doubtful


def test_other_kinds_do_not_count():
    """Another quantization or number of GPUs is another thing."""
    others = rows(300.0, 310.0, 305.0, 307.0, quantization="Q2_K", fastest_tps=400.0, generate_expected=300.0)
    assert [entry.doubt for entry in marked([*others, *rows(120.0)])] == [None] * 5


def test_without_a_known_bandwidth_nothing_is_impossible():
    assert doubts(240.0, fastest_tps=None) == [False]


def test_a_machine_says_something_from_five_reports_of_two_models_on():
    some = told_apart(rows(120.0, 121.0, 122.0) + rows(60.0, 63.0, model="qwen3-14b", generate_expected=60.0, fastest_tps=None))
    assert family_ratio(some, "rtx-4090") == FamilyRatio(
        "rtx-4090", pytest.approx(1.0386, abs=1e-3), 1.025, pytest.approx(1.052, abs=1e-3), 5, 2
    )
    assert family_ratio(some[:4], "rtx-4090") is None
    assert family_ratio(rows(120.0, 121.0, 122.0, 119.0, 118.0), "rtx-4090") is None
    assert family_ratio(some, "rtx-3090") is None


def test_a_flood_of_one_model_and_impossible_speeds_move_nothing():
    some = [
        row
        for model, expected in (("a", 115.0), ("b", 60.0), ("c", 30.0))
        for row in rows(expected, expected * 1.01, model=model, generate_expected=expected, fastest_tps=None)
    ]
    some = told_apart(some)
    before = family_ratio(some, "rtx-4090")
    flood = rows(*[250.0] * 50, model="a") + rows(*[57.5 * 2.9] * 40, model="z", generate_expected=57.5, fastest_tps=None)
    after = family_ratio(told_apart([*some, *flood]), "rtx-4090")
    assert after.ratio == pytest.approx(before.ratio, rel=0.01)


def test_choices_are_those_with_reports():
    some = marked(rows(120.0, 119.0) + rows(30.0, machine="m2-8", machine_name="Apple M2", model="x", model_name="X"))
    assert machines_of(some) == {"rtx-4090": "RTX 4090", "m2-8": "Apple M2"}
    assert list(models_of(some)) == ["llama-3.1-8b", "x"]
    assert len(filtered(some, machine="rtx-4090")) == 2
    assert len(filtered(some, machine="rtx-4090", model="x")) == 0


def sent_by(makers, *, factor=1.0, models=(("a", 100.0), ("b", 60.0), ("c", 30.0))):
    """One report of each model by each maker, measured at `factor` times what was predicted."""
    return [
        replace(ROW, generate_tps=factor * expected, model=model, generate_expected=expected, fastest_tps=None, maker=maker)
        for maker in makers
        for model, expected in models
    ]


def test_one_sender_says_nothing_however_much_is_sent():
    assert family_ratio(told_apart(sent_by(["abc"] * 40)), "rtx-4090") is None
    assert family_ratio(told_apart(sent_by(["abc", "def"] * 20)), "rtx-4090") is None
    assert family_ratio(told_apart(sent_by(["abc", "def", "012"])), "rtx-4090").ratio == 1.0


def test_one_sender_does_not_move_what_others_say():
    """Plausible speeds, near enough to the others that none is marked, sent a hundred times."""
    others = sent_by(["abc", "def", "012"], factor=1.1)
    flood = sent_by(["666"] * 100, factor=1.18)
    found = family_ratio(told_apart([*others, *flood]), "rtx-4090")
    assert found.ratio == pytest.approx(1.1)
    wild = sent_by(["666"] * 100, factor=5.0)
    assert family_ratio(told_apart([*others, *wild]), "rtx-4090") == family_ratio(told_apart(others), "rtx-4090")


def test_those_without_an_address_count_as_one_where_others_have_one():
    assert family_ratio(told_apart(sent_by([None, None, "abc"])), "rtx-4090") is None
    assert family_ratio(told_apart(sent_by([None, None, None])), "rtx-4090").ratio == 1.0


def test_predictions_that_a_run_had_corrected_say_nothing():
    corrected = [replace(row, forecast_grade="measured") for row in sent_by(["abc", "def", "012"])]
    assert family_ratio(told_apart(corrected), "rtx-4090") is None


def test_a_ratio_that_no_machine_explains_says_nothing():
    assert family_ratio(told_apart(sent_by(["abc", "def", "012"], factor=2.1)), "rtx-4090") is None
    assert family_ratio(told_apart(sent_by(["abc", "def", "012"], factor=1.9)), "rtx-4090").ratio == pytest.approx(1.9)
    assert family_ratio(told_apart(sent_by(["abc", "def", "012"], factor=0.4)), "rtx-4090") is None
