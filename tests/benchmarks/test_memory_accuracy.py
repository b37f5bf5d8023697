"""The accuracy benchmark: sizes are never an input, and the published figures hold."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from advisor.accuracy.cases import load_cases, parse_case
from advisor.accuracy.compare import CaseResult, summarize
from advisor.accuracy.evaluate import evaluate
from advisor.accuracy.publish import comparison
from advisor.accuracy.rebuild import CaseError, Prediction, predict
from benchmarks import memory_accuracy
from benchmarks.memory_accuracy import CASES, ERRORS, main

RECORDS = load_cases(CASES)
MIB = 2**20


@pytest.fixture(scope="module")
def results() -> list[CaseResult]:
    """All cases compared, once."""
    return [evaluate(record) for record in RECORDS]


def predicted(record: Mapping[str, Any]) -> tuple[object, ...] | str:
    """Everything that a prediction consists of, or why there is none."""
    try:
        prediction: Prediction = predict(parse_case(record))
    except CaseError as error:
        return str(error)
    return prediction.plan, prediction.scale, prediction.recipe, prediction.settings, prediction.rules


@pytest.mark.parametrize("record", RECORDS[::4], ids=lambda record: record["id"])
def test_sizes_are_no_input(record: dict[str, Any]) -> None:
    """Without the logged sizes, and with wrong ones, every prediction stays what it was."""
    stripped = {key: value for key, value in record.items() if key not in ("sizes_mib", "graph")}
    doubled = json.loads(json.dumps(record), parse_float=float)
    doubled["sizes_mib"] = {
        name: {device: 2 * size + 1 for device, size in part.items()} if isinstance(part, dict) else part
        for name, part in record["sizes_mib"].items()
    }
    assert predicted(stripped) == predicted(record) == predicted(doubled)


def test_a_changed_size_shows_as_an_error() -> None:
    """The comparison sees what the prediction does not: 10 MiB more in the log's compute buffer."""
    record = next(record for record in RECORDS if record["id"] == "gpt-oss-20b-f16-cuda-c65536")
    changed = json.loads(json.dumps(record))
    changed["sizes_mib"]["compute"]["CUDA0"] += 10
    before, after = (next(row for row in evaluate(each).of("compute") if row.kind == "gpu") for each in (record, changed))
    assert before.predicted == after.predicted
    assert after.error == pytest.approx(before.error - 10 * MIB)


def test_published_figures(results: list[CaseResult]) -> None:
    """What the notes say of accuracy: caches exact, weights within 0.5 %, compute buffers and totals within their bounds."""
    summary = summarize(results)
    assert summary.counted >= 100
    assert summary.kv_wrong == ()
    assert summary.kv_exact == summary.kv_cases >= 110
    assert summary.rs_exact == summary.rs_cases >= 25
    assert summary.weights_right == summary.weights_devices >= 95
    assert summary.scaled_right >= 0.95 * summary.scaled_devices
    assert summary.compute.median <= 0.02
    assert summary.compute.p90 <= 0.10
    assert summary.total.median <= 0.005
    assert summary.total.p95 <= 0.03


def test_every_exclusion_quotes_its_reason(results: list[CaseResult]) -> None:
    """A case that is left out says why; no full case is left out without one."""
    for result in results:
        assert result.differences or result.excluded, result.id
        assert all(len(reason) > 40 for reason in result.excluded.values()), result.id


def test_few_full_cases_are_left_out(results: list[CaseResult]) -> None:
    """Of 115 full cases at most ten have a component that no device could be compared on."""
    partial = {record["id"] for record in RECORDS if record.get("partial")}
    left_out = [result.id for result in results if not result.counted and result.id not in partial]
    assert len(left_out) <= 10, left_out


def test_prints_json_for_another_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another file of the same form can be given; every number of the answer is one that JSON knows."""
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in RECORDS[:3]), encoding="utf-8")
    assert main(["--cases", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [case["id"] for case in answer["cases"]] == [record["id"] for record in RECORDS[:3]]
    assert answer["summary"]["cases"] == 3


def test_what_ships_are_these_results(results: list[CaseResult]) -> None:
    """Every number of the accuracy page; after a change of the formulas `--write` renews them."""
    shipped = json.loads(ERRORS.read_text(encoding="utf-8"))["cases"]
    stale = [
        case["id"]
        for case, result in zip(shipped, results, strict=True)
        if case["comparisons"]["formula"] != comparison(result)
    ]
    assert stale == []


def test_writes_the_file_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same entries, from the same cases; comparisons of another grade stay."""
    cases, errors = tmp_path / "cases.jsonl", tmp_path / "errors.json"
    cases.write_text("\n".join(json.dumps(record) for record in RECORDS[:2]), encoding="utf-8")
    before = json.loads(ERRORS.read_text(encoding="utf-8"))["cases"][:2]
    engine = {"engine": before[1]["comparisons"]["formula"]}
    errors.write_text(json.dumps({"cases": [before[0], before[1] | {"comparisons": engine}]}), encoding="utf-8")
    monkeypatch.setattr(memory_accuracy, "CASES", cases)
    monkeypatch.setattr(memory_accuracy, "ERRORS", errors)
    assert main(["--write"]) == 0
    first, second = json.loads(errors.read_text(encoding="utf-8"))["cases"]
    assert first == before[0]
    assert second["comparisons"] == before[1]["comparisons"] | engine


def test_only_the_shipped_cases_are_written(tmp_path: Path) -> None:
    """The page's file never holds cases that do not ship."""
    with pytest.raises(SystemExit):
        main(["--write", "--cases", str(tmp_path / "others.jsonl")])


def test_settings_of_a_fork_do_not_end_the_run() -> None:
    """A cache type that only a fork has: the case is left out with the reason."""
    record = json.loads(json.dumps(RECORDS[0]))
    record["run"]["type_k"] = "turbo3"
    result = evaluate(record | {"fork": True})
    assert not result.mainline
    assert "type_k" in result.excluded["case"]
