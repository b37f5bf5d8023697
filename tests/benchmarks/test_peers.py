"""Six models planned by the engine itself: every total of ours within 0.5 % of it, and the shipped totals are these."""

import json
from typing import Any

import pytest

from advisor.accuracy.publish import planned_models
from advisor.accuracy.published import PlannedModel, published
from benchmarks.peers import main

TABLE = planned_models()


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.model} at {row.context}")
def test_total_is_the_engines(row: PlannedModel) -> None:
    """The best of the other programs is 2.8 % off at its worst, the best-known one 70 %."""
    assert abs(row.error) <= 0.005


def test_all_models_and_contexts() -> None:
    """Six models at 8k and 32k."""
    assert len(TABLE) == 12


def test_what_ships_is_what_is_planned() -> None:
    """The page shows these totals; after a change of the formulas `benchmarks/memory_accuracy.py --write` renews them."""
    assert published().planned == TABLE


def test_prints_every_program(capsys: pytest.CaptureFixture[str]) -> None:
    """As a table for people, and as JSON."""
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("Headroom", "Unsloth Studio", "node-llama-cpp", "llmfit plan"))
    assert main(["--json"]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [row["model"] for row in rows] == [row.model for row in TABLE]
