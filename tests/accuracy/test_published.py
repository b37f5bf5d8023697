"""What ships of the comparison: fresh, complete, quick to read; and the known limits are what the numbers show."""

import json
import subprocess
import sys

import pytest

from advisor.accuracy.cases import load_cases
from advisor.accuracy.evaluate import evaluate
from advisor.accuracy.publish import as_text, entry
from advisor.accuracy.published import Limit, Row, backend_of_log, limits, peers, published, source_of
from benchmarks.memory_accuracy import CASES, ERRORS

RECORDS = load_cases(CASES)
SHIPPED = json.loads(ERRORS.read_text(encoding="utf-8"))["cases"]


def test_every_case_ships() -> None:
    """Also those that could not be compared: the page says why."""
    assert [case["id"] for case in SHIPPED] == [record["id"] for record in RECORDS]
    assert [case.id for case in published().cases] == [record["id"] for record in RECORDS]


@pytest.mark.parametrize("index", range(0, len(RECORDS), 8), ids=lambda index: RECORDS[index]["id"])
def test_shipped_errors_are_those_of_today(index: int) -> None:
    """After a change of the formulas `python benchmarks/memory_accuracy.py --write` renews them."""
    fresh = entry(RECORDS[index], evaluate(RECORDS[index]), before=SHIPPED[index])
    assert json.loads(json.dumps(fresh)) == SHIPPED[index]


def test_a_written_file_reads_back() -> None:
    """One case a line, and nothing lost."""
    text = as_text(SHIPPED, ())
    assert json.loads(text) == {"cases": SHIPPED, "planned": []}
    assert text.count("\n") == len(SHIPPED) + 5


def test_another_grade_is_kept_when_one_is_renewed() -> None:
    """The engine's comparisons and the formula's are written by different programs."""
    engine = SHIPPED[0]["comparisons"]["formula"] | {"rules": "b1"}
    before = SHIPPED[0] | {"comparisons": {"engine": engine}}
    renewed = entry(RECORDS[0], evaluate(RECORDS[0]), before=before)["comparisons"]
    assert renewed == {"engine": engine, "formula": SHIPPED[0]["comparisons"]["formula"]}


def test_reading_it_evaluates_nothing() -> None:
    """In a process of its own: neither the comparison nor the planner is even imported."""
    script = (
        "import sys; from advisor.accuracy import published as p; p.published(); p.limits(); p.peers()\n"
        "print([name for name in sys.modules if name in ('advisor.accuracy.evaluate', 'advisor.memory.planner')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_rows_are_the_worst_first_and_of_one_backend() -> None:
    """The page's table and its heading rest on this order."""
    rows = published().rows("compute", backend="rocm")
    errors = [abs(row.difference.relative) for row in rows]
    assert errors == sorted(errors, reverse=True)
    assert {row.case.backend for row in rows} == {"rocm"}
    assert len(rows) < len(published().rows("compute"))


def test_the_engines_plans_ship_beside_the_formulas() -> None:
    """`python benchmarks/engine_accuracy.py --write` renews them; caches are equal to the log's in every case."""
    assert published().grades == ("formula", "engine")
    caches = published().rows("kv_cache", grade="engine")
    assert len(caches) > 100
    assert all(row.difference.exact for row in caches)


def test_every_log_has_a_source() -> None:
    """A link where the repository is known; never the words of a broken address."""
    for case in published().cases:
        assert case.source
        assert (case.url is None) == case.source.startswith("public log, repository not known"), case.id
        assert case.url is None or (case.url.startswith("https://") and "/None/" not in case.url)


@pytest.mark.parametrize(
    ("devices", "backend"),
    [
        (["MTL0"], "metal"),
        (["Metal"], "metal"),
        (["Vulkan1"], "vulkan"),
        (["HTP0", "CPU"], "hexagon"),
        (["CPU"], "cpu"),
        ([], "cpu"),
    ],
)
def test_backend_of_a_log(devices: list[str], backend: str) -> None:
    """Named by its devices."""
    assert backend_of_log(devices) == backend


def test_source_of_a_case() -> None:
    """Name and address; a log without an address keeps its words."""
    assert source_of("a/b (https://github.com/a/b/x.log)") == ("a/b", "https://github.com/a/b/x.log")
    assert source_of("public log, repository not known: (x)") == ("public log, repository not known: (x)", None)


def shown_by(limit: Limit) -> list[Row]:
    """The numbers that a limit is about."""
    rows = published().rows(limit.component or "")
    return [row for row in rows if row.case.id in limit.cases and row.difference.kind == limit.kind]


@pytest.mark.parametrize("limit", [limit for limit in limits() if limit.cases], ids=lambda limit: limit.text[:30])
def test_a_limit_says_what_the_numbers_show(limit: Limit) -> None:
    """Each case named is off as the sentence has it."""
    rows = shown_by(limit)
    assert {row.case.id for row in rows} == set(limit.cases)
    off = [100 * row.difference.relative for row in rows]
    assert all(limit.least <= error <= limit.most for error in off if error), off
    assert any(off)


def test_every_large_error_is_named_among_the_limits() -> None:
    """Totals off by more than 1 %, compute buffers by more than 5 %."""
    named = {(name, limit.kind) for limit in limits() for name in limit.cases}
    large = [row for row in published().rows("total") if abs(row.difference.relative) > 0.01]
    large += [row for row in published().rows("compute") if abs(row.difference.relative) > 0.05]
    assert len(large) > 10
    assert [row.case.id for row in large if (row.case.id, row.difference.kind) not in named] == []


def test_peers_answer_for_every_planned_model() -> None:
    """As many errors as models, at both contexts."""
    models = {row.model for row in published().planned}
    for peer in peers():
        assert {len(errors) for errors in peer.errors.values()} == {len(models)}
