"""Reports: complete, bounded, without their owner, graded number by number, read from every schema that there was."""

import copy
import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from advisor.errors import QuestionError
from advisor.estimate import estimate
from advisor.question import Question
from advisor.reports import making, stored
from advisor.reports.making import machine_part, report_of_measurement
from advisor.reports.render import badge_text
from advisor.reports.report import HardwareReport, numbers
from advisor.reports.said import headline
from advisor.reports.stored import canonical, checked, parsed
from advisor.reports.summary import columns_of
from advisor.verify.measurement import Measurement
from tests.reports.examples import NOW, measured, planned, run_document


def document():
    return json.loads(canonical(measured()))


def test_a_plan_becomes_a_report():
    report = planned()
    assert (report.machine.id, report.model.id, report.model.quantization) == ("rtx-4090", "llama-3.1-8b", "Q4_K_M")
    assert report.made_at == NOW
    # advisor estimate llama-3.1-8b --quant Q4_K_M --machine rtx-4090: 1,024 MiB of KV cache on the GPU.
    assert report.plan.devices[0].kv_cache_bytes == 1024 * 2**20
    assert report.measurement is None


def test_a_plan_on_as_many_gpus_as_a_question_may_have_becomes_a_report():
    answer = estimate(Question(model="llama-3.1-405b", quant="Q4_K_M", machine="rtx-4090", gpus=64, gpu_layers=9))
    report = making.report_of_estimate(answer, now=NOW)
    assert len(report.plan.devices) == 65
    assert report.plan.reasons == answer.verdict.reasons
    assert len(report.plan.reasons) > 64


def test_a_run_becomes_a_report():
    report = measured(tps=120.0)
    assert report.measurement.generate_tps.median == 120.0
    assert report.forecast.generate_tps.expected == 115.0
    assert report.versions.engine == "llama.cpp b11000"
    assert report.made_at == datetime(2026, 11, 20, 8, 30, 15, tzinfo=UTC)


def test_what_slices_say_is_no_measured_speed():
    """A forecast by slices is shown as one, and counts neither for the list of measured speeds nor for a machine's family."""
    document = run_document(tps=120.0)
    document["run"]["slice_layers"] = [8, 16]
    report = report_of_measurement(Measurement.model_validate(document))
    assert report.by_slices
    assert report.grade_of("measurement.generate_tps.median") == "typical"
    assert report.grade_of("measurement.memory.weights_bytes") == "measured"
    assert headline(report) == "120 tokens/s forecast from slices, 115 predicted"
    assert badge_text(report) == "120 tokens/s from slices"
    assert (columns_of(report)["generate_tps"], columns_of(report)["prompt_tps"]) == (None, None)
    assert columns_of(measured(tps=120.0))["generate_tps"] == 120.0


def test_samples_are_thinned_to_what_a_figure_shows():
    samples = measured().measurement.samples
    assert len(samples) == 120
    assert (samples[0].t_s, samples[-1].t_s) == (0.0, 29.9)


def test_it_comes_back_as_it_was_written():
    for report in (planned(), measured()):
        assert parsed(canonical(report)) == report


def test_what_verify_printed_is_taken_too():
    report = parsed(json.dumps(run_document()))
    assert report.measurement.generate_tps.median == 120.0


@pytest.mark.parametrize("report", [planned(), measured()], ids=["plan", "run"])
def test_every_number_has_a_grade(report):
    paths = [path for path, _ in numbers(report)]
    assert len(paths) > 40
    assert {report.grade_of(path) for path in paths} >= {"typical", "formula", "asked"}
    assert report.grade_of("plan.devices.0.overhead_bytes") == "typical"
    assert report.grade_of("plan.devices.0.weights_bytes") == "formula"
    # A card of the list: its size is a fact about the family, not what a driver said.
    assert report.grade_of("machine.gpus.0.capacity_bytes") == "typical"
    assert report.grade_of("plan.devices.0.capacity_bytes") == "typical"


def test_a_number_without_a_grade_is_refused():
    asked = document()
    del asked["grades"]["measurement"]
    with pytest.raises(QuestionError, match="no grade says how measurement"):
        checked(asked)


# --- whose machine it was -----------------------------------------------------------------------------


def test_a_detected_machine_leaves_its_owner_out(monkeypatch):
    from advisor.machines.library import find_machine

    monkeypatch.setattr(making, "own_names", lambda: ("annas-tower", "anna"))
    whole = find_machine("rtx-4090").model_dump()
    whole |= {
        "id": "detected",
        "origin": "detected",
        "name": "NVIDIA GeForce RTX 4090 of anna",
        "disk": {"path": "/home/anna/models", "free_bytes": 5, "capacity_bytes": 9},
        "notes": ("The folder /home/anna is small.",),
        "sources": {"gpus.0": "nvidia-smi on annas-tower", "memory": "the operating system"},
        "os": "Debian 12 on annas-tower",
    }
    run = run_document()
    run["machine"] = json.loads(json.dumps(whole, default=str))
    run["model"]["id"] = "/home/anna/models/secret/x.Q4_K_M.gguf"
    run["run"]["backend"] = "http://192.168.1.77:8080"
    run["failures"] = [
        {"kind": "crash", "message": "It stopped.", "log": ["open /home/anna/x.gguf", "serial: XYZ123 host annas-tower.local"]}
    ]
    text = canonical(report_of_measurement(Measurement.model_validate(run)))
    for trace in ("anna", "/home", "secret", "192.168", "XYZ123", ".local"):
        assert trace not in text
    report = parsed(text)
    assert report.machine.id == "rtx-4090"
    assert report.model.file_name == "x.Q4_K_M.gguf"
    assert report.grade_of("machine.gpus.0.capacity_bytes") == "reported"


def test_a_machine_in_a_report_has_no_place_for_more():
    from advisor.machines.library import find_machine

    assert set(machine_part(find_machine("m4-max-40"))) == {
        "id", "name", "kind", "origin", "gpus", "cpu", "memory", "gpu_limit_bytes", "os",
    }  # fmt: skip


def test_texts_of_strangers_are_scrubbed_on_the_way_in():
    asked = document()
    asked["note"] = "by anna@example.com, from /home/anna"
    asked["machine"]["name"] = "RTX 4090 in annas-mbp.local\u202e"
    report = checked(asked)
    assert (report.note, report.machine.name) == ("by (address), from (path)", "RTX 4090 in (host)")


# --- strangers -----------------------------------------------------------------------------------------


def put(path, value):
    def change(asked):
        *parents, last = path.split(".")
        place = asked
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]
        place[last] = value

    return change


REFUSED = [
    put("surprise", 1),
    put("machine.owner", "me"),
    put("machine.name", ""),
    put("machine.name", "n" * 161),
    put("machine.name", "\u200b\u200b"),
    put("machine.id", "../../etc/passwd"),
    put("machine.kind", "<script>"),
    put("machine.gpus", [document()["machine"]["gpus"][0]] * 65),
    put("machine.memory.capacity_bytes", -1),
    put("machine.memory.capacity_bytes", 2**60),
    put("machine.memory.bandwidth_gb_s", float("nan")),
    put("machine.memory.bandwidth_gb_s", 1e300),
    put("note", "x" * 281),
    put("model.header_sha256", "xyz"),
    put("settings.build", "b" * 65),
    put("settings.tensor_split", [float("inf")]),
    put("settings.gpu_layers", 10**9),
    put("measurement.generate_tps.median", -1.0),
    put("measurement.generate_tps", {"median": 1.0, "low": 2.0, "high": 3.0}),
    put("plan.devices.0.headroom_bytes", 10**400),
    put("made_at", "2026-11-21T12:00:00"),
    put("made_at", "9999-12-31T00:00:00Z"),
    put("made_at", "0001-01-01T00:00:00+01:00"),
    put("made_at", "9999-12-31T23:59:00-01:00"),
    put("schema_version", 2),
    put("schema_version", 0),
    put("schema_version", "1"),
    put("grades", {}),
    put("grades.model", "guessed"),
    put("versions.headroom", None),
]


@pytest.mark.parametrize("change", REFUSED)
def test_what_is_no_report_is_refused_in_one_sentence(change):
    asked = document()
    change(asked)
    with pytest.raises(QuestionError) as refused:
        checked(asked)
    assert len(str(refused.value)) < 300
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        '{"schema_version": 1}',
        '{"a":' * 5000,
        "1" * 10_000,
        '{"note": "' + "x" * 3_000_000,
    ],
)
def test_what_is_no_json_of_ours_is_refused(text):
    with pytest.raises(QuestionError, match="report"):
        parsed(text)


def test_nobody_changes_a_report():
    with pytest.raises(ValidationError):
        planned().note = "other"


# --- older ones ------------------------------------------------------------------------------------------


def renamed(old, name, new):
    return {new if key == name else key: value for key, value in old.items()}


def test_an_older_report_is_raised_step_by_step(monkeypatch):
    """As if schemas -1 and 0 had been: their names for the note were other ones."""
    monkeypatch.setitem(stored.UPGRADES, -1, lambda old: renamed(old, "words", "comment"))
    monkeypatch.setitem(stored.UPGRADES, 0, lambda old: renamed(old, "comment", "note"))
    old = document()
    old["words"] = old.pop("note") + "kept"
    old["schema_version"] = -1
    before = copy.deepcopy(old)
    assert checked(old).note == "kept"
    assert old == before


def test_a_newer_report_says_so():
    with pytest.raises(QuestionError, match="newer Headroom"):
        checked({**document(), "schema_version": 7})


def test_the_schema_refuses_what_it_does_not_know():
    assert HardwareReport.model_json_schema()["additionalProperties"] is False
