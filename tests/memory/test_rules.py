"""Which rules a build has: by number, by date, by what logs print."""

from datetime import date

import pytest

from advisor.errors import QuestionError
from advisor.memory.builds import BUILD_DATES, build_date
from advisor.memory.rules import CHANGES, PINNED_BUILD, rules_for


@pytest.mark.parametrize(
    ("build", "day"),
    [
        ("2025-12-01", date(2025, 12, 1)),
        ("b6060", date(2025, 8, 2)),
        ("6060", date(2025, 8, 2)),
        ("B6060", date(2025, 8, 2)),
        ("8179 (ecbcb7ea9) with Clang 19.1.5 for Windows x86_64", date(2026, 2, 28)),
        ("b9090-5757c4dcb", date(2026, 5, 9)),  # between b9010 of 2026-05-03 and b9888 of 2026-07-06
        (None, date(2026, 10, 15)),
    ],
)
def test_a_build_has_a_day(build: str | None, day: date) -> None:
    assert build_date(build) == day


@pytest.mark.parametrize(
    "build", ["1 (ebbf544) with GNU 14.3.0", "", "b", "latest", "2025-13-01", "1.2.3", "ollama 0.12.6", "b99999999"]
)
def test_what_names_no_build_is_refused(build: str) -> None:
    with pytest.raises(QuestionError, match="is not a build of llama"):
        build_date(build)


def test_a_build_newer_than_every_known_one_has_all_rules() -> None:
    assert rules_for("b12000").date >= date.fromisoformat(PINNED_BUILD)


def test_numbers_and_dates_of_builds_rise_together() -> None:
    numbers = [number for number, _, _ in BUILD_DATES]
    days = [day for _, day, _ in BUILD_DATES]
    assert numbers == sorted(set(numbers))
    assert days == sorted(days)


def test_every_change_names_its_source() -> None:
    assert all("github.com" in change.source or "src/" in change.source for change in CHANGES.values())


def test_the_pinned_engine_has_every_change() -> None:
    rules = rules_for()
    assert (rules.output_first, rules.logits_for_slots, rules.host_mask_f16, rules.fit, rules.auto_slots) == (True,) * 5
    assert (rules.mla_cache, rules.mla_stores_values, rules.window_cache, rules.window_quantized) == (True, False, True, True)
    assert rules.cell_padding == "context"


@pytest.mark.parametrize(
    ("build", "flag", "value"),
    [
        # load logs: Ollama 0.13.5 carries llama.cpp of 2025-12-17 and offloads the output last, b8179 first
        ("2025-12-17", "output_first", False),
        ("b7772", "output_first", True),
        # gemma3-1b of 2025-05-03 prints one cache of 26 layers, gemma-3-12b of 2025-08-03 two
        ("5274 (d541533a)", "window_cache", False),
        ("6040 (66625a59)", "window_cache", True),
        # DeepSeek-V3-0324 on b5331 has K 1098 and V 976 MiB at 16k
        ("5331 (33eff402)", "mla_stores_values", True),
        ("5192", "flash_attention_auto", False),
        ("2026-04-02", "window_quantized", False),
        ("2026-04-08", "window_quantized", True),
        ("b9010-d05fe1d7d", "logits_for_slots", False),
        ("2026-07-29", "logits_for_slots", True),
        # b6060 prints kv_unified = true, a build of 2025-08-08 false
        ("6060 (9c35706b)", "split_cache", False),
        ("2025-08-08", "split_cache", True),
    ],
)
def test_a_change_applies_from_its_day_on(build: str, flag: str, value: object) -> None:
    assert getattr(rules_for(build), flag) is value


def test_cells_are_padded_as_the_build_pads_them() -> None:
    assert [rules_for("2025-08-01").cell_step(flash) for flash in (True, False)] == [256, 32]
    assert [rules_for("2025-11-01").cell_step(flash) for flash in (True, False)] == [1, 1]
    assert [rules_for("2025-12-01").cell_step(flash) for flash in (True, False)] == [256, 256]
