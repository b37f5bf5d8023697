"""The shipped factors and ranges: fitted on the shipped rows, and holding what they state."""

import numpy as np
import pytest

from advisor.accuracy.speed import LeftOut, Test, speed_errors
from advisor.machines.library import library
from advisor.models.library import catalogue
from advisor.speed.efficiencies import WIDENS_FROM, Efficiencies, Spread, efficiencies
from advisor.speed.terms import Term
from benchmarks.calibrate_speed import System, row_weights, usable
from benchmarks.speed_measurements import measurements

TESTS: tuple[Test, ...] = ("generate", "prompt")


@pytest.mark.slow
@pytest.mark.parametrize("test", ["generate", "prompt"])
def test_a_new_fit_gives_the_shipped_factors(test: str) -> None:
    system = System(usable(test))
    fitted = system.fit(np.ones(len(system.rows), dtype=np.bool_), row_weights(system.rows))
    shipped = efficiencies()
    assert {name: shipped.factors[name] for name in system.names} == pytest.approx(
        dict(zip(system.names, np.exp(fitted), strict=True)), rel=0.02
    )
    assert system.rows_behind() == {name: shipped.rows[name] for name in system.names}


def test_every_row_says_where_it_is_from() -> None:
    for row in measurements():
        assert row.source, row
        assert row.tokens_per_s > 0
        assert row.confidence in {"high", "medium"}
        assert row.left_out or (row.machine in library().files and catalogue().find(row.model).id == row.model)


def test_nine_of_ten_rows_get_a_forecast() -> None:
    known = speed_errors()
    assert known.rows == len(measurements())
    assert known.forecast >= 0.9 * known.rows


def test_ranges_hold_what_they_state() -> None:
    for test in ("generate", "prompt"):
        for line in speed_errors().tables[test]["groups"]:
            # the Macs of 2023 err the other way when the family is left out: no one range holds 80 % both ways
            least, most = (0.7, 0.9) if "prompt metal one dense ~2024" in line.name else (0.75, 0.85)
            assert least <= line.held <= most, line


def test_forecasts_are_far_nearer_than_bandwidth_over_size() -> None:
    for fold in ("machine", "family"):
        every = speed_errors().tables["generate"][fold][0]
        assert every.name == "all"
        assert every.peer_median is not None
        assert every.median < every.peer_median / 3


@pytest.mark.parametrize("fold", ["machine", "family"])
def test_the_goals_of_speed_are_met(fold: LeftOut) -> None:
    generate, prompt = (speed_errors().tables[test][fold][0] for test in TESTS)
    assert (generate.name, prompt.name) == ("all", "all")
    assert generate.median <= 0.10
    assert generate.p90 <= 0.30
    assert prompt.median <= 0.20
    for every in (generate, prompt):
        assert every.half_width <= 0.20
        assert 0.75 <= every.held <= 0.85


def test_what_runs_beside_each_other_takes_less_than_both_and_more_than_either() -> None:
    known = Efficiencies({"read": 2.0, "compute": 0.5}, {}, {})
    read, compute = Term(1.0, ("read",)), Term(4.0, ("compute",))
    together = known.seconds([Term(1.0, ("read",), compute)])
    assert known.seconds([read]) == known.seconds([compute]) == 2.0
    assert known.seconds([read, compute]) == 4.0
    assert together == pytest.approx(2.0 * 2 ** (1 / 4))  # (2^4 + 2^4)^(1/4)


def test_nothing_reads_faster_than_its_memory() -> None:
    factors = efficiencies().factors
    for name in factors:
        if name.startswith("weights@") and "/" not in name and "~" not in name:
            assert factors["weights"] * factors[name] > 0.7, name


def test_ranges_get_wider_deep_in_the_context_and_only_there() -> None:
    known = Efficiencies({}, {}, {"generate all": Spread(0.8, 1.25, 40)}, {"generate": 0.25})
    assert known.spread(["generate all"], WIDENS_FROM) == known.spread(["generate all"], 0) == Spread(0.8, 1.25, 40)
    deep = known.spread(["generate cuda", "generate all"], 4 * WIDENS_FROM)  # two doublings: the power 1.5
    assert (deep.low, deep.high) == pytest.approx((0.8**1.5, 1.25**1.5))


@pytest.mark.parametrize("fold", ["machine", "family"])
def test_ranges_hold_at_every_depth(fold: LeftOut) -> None:
    for test in TESTS:
        for line in speed_errors().tables[test][fold]:
            if "65,536 tokens seen and more" in line.name:
                assert 0.75 <= line.held <= 0.85, (test, line)
