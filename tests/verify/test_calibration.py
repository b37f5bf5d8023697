"""What a run says about later forecasts: for this machine only, kept, replaced, forgotten, never half written."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from advisor.estimate import estimate_for
from advisor.fit import fit_for
from advisor.machines.library import find_machine
from advisor.machines.profile import Cpu, MachineProfile, SystemMemory
from advisor.models.resolve import resolve_model
from advisor.question import FitQuestion, Question
from advisor.verify import calibration
from advisor.verify.calibration import (
    KeptRun,
    calibration_for,
    calibration_mark,
    calibrations_of,
    fingerprint,
    forget,
    kept_run,
    kept_runs,
    remember,
)

GIB = 2**30
HERE = MachineProfile(
    id="here",
    name="A computer",
    kind="cpu",
    origin="detected",
    cpu=Cpu(name="Ryzen 7", performance_cores=8, threads=16),
    memory=SystemMemory(capacity_bytes=32 * GIB, bandwidth_gb_s=60.0),
)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def run(model: str = "model", generate: float = 0.5, **more) -> KeptRun:
    fields = {"machine": fingerprint(HERE), "program": "llama.cpp", "place": "host", "measured_at": NOW}
    return KeptRun(model=model, generate_factor=generate, prompt_factor=2.0, **{**fields, **more})


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / "data" / "calibration.json"
    monkeypatch.setattr(calibration, "calibration_file", lambda: path)
    return path


@pytest.fixture
def plan():
    return estimate_for(Question(model="llama-3.1-8b"), resolve_model("llama-3.1-8b"), HERE).plan


def test_nothing_is_known_before_a_run(file, plan):
    assert calibration_for(plan, HERE) is None
    assert kept_runs() == ()
    assert forget() == 0


def test_a_run_speaks_for_this_machine_and_this_place_only(file, plan):
    remember(run())
    found = calibration_for(plan, HERE)
    assert (found.generate_factor, found.prompt_factor, found.measured_at) == (0.5, 2.0, "2026-11-21")
    assert found.generate_spread == pytest.approx((0.93, 1.07))
    assert calibration_for(plan, HERE.model_copy(update={"origin": "profile"})) is None
    assert calibration_for(plan, HERE.model_copy(update={"cpu": Cpu(name="Another")})) is None
    assert calibration_for(plan, None) is None
    forget()
    remember(run(place="gpu"))
    assert calibration_for(plan, HERE) is None


def test_a_later_run_of_the_same_model_replaces_the_earlier_one(file, plan):
    remember(run(generate=0.5))
    remember(run(generate=0.8, measured_at=NOW + timedelta(days=3)))
    assert len(kept_runs()) == 1
    assert calibration_for(plan, HERE).measured_at == "2026-11-24"


def test_several_models_are_averaged_and_their_spread_widens(file, plan):
    remember(run("one", 0.5))
    remember(run("two", 2.0))
    found = calibration_for(plan, HERE)
    assert found.generate_factor == pytest.approx(1.0)
    assert found.generate_spread == pytest.approx((0.5, 2.0))


def test_forecasts_everywhere_follow_it(file):
    model, question = resolve_model("llama-3.1-8b"), Question(model="llama-3.1-8b")
    before = estimate_for(question, model, HERE).speed
    mark = calibration_mark(HERE)
    remember(run(generate=0.5))
    after = estimate_for(question, model, HERE).speed
    assert (before.grade, after.grade) == ("typical", "measured")
    assert after.generate_tps.expected == pytest.approx(before.generate_tps.expected / 2)
    assert any("Measured here on 2026-11-21." in sentence for sentence in after.basis)
    assert calibration_mark(HERE) != mark
    other = find_machine("rtx-4090")
    assert estimate_for(question, model, other).speed.grade == "typical"
    assert calibrations_of(other)(estimate_for(question, model, other).plan) is None
    forget()
    assert estimate_for(question, model, HERE).speed == before


def test_the_list_of_models_follows_it(file, monkeypatch):
    from advisor import fit
    from advisor.models.library import Catalogue, catalogue

    monkeypatch.setattr(fit, "catalogue", lambda: Catalogue((catalogue().find("llama-3.1-8b"),)))
    before = fit_for(FitQuestion(context=4096), HERE).options[0].speed.generate_tps.expected
    remember(run(generate=0.5))
    option = fit_for(FitQuestion(context=4096), HERE).options[0]
    assert option.speed.generate_tps.expected == pytest.approx(before / 2)
    assert option.speed.grade == "measured"


def test_factors_of_a_run(plan):
    found = kept_run(plan, HERE, "model", generate=(10.0, 8.0, 6.0, 10.0), prompt=None)
    assert (found.generate_factor, found.generate_spread, found.prompt_factor) == (0.8, (0.75, 1.25), None)
    assert (found.place, found.program) == ("host", "llama.cpp")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema_version": 2, "runs": []}', '{"runs": [{"machine": "x"}]}', "[" * 50_000]
)
def test_a_damaged_file_counts_as_none(text, file, plan):
    file.parent.mkdir()
    file.write_text(text)
    assert calibration_for(plan, HERE) is None
    remember(run())
    assert len(kept_runs()) == 1


def test_it_is_read_again_in_another_process_and_leaves_no_other_files(file):
    remember(run())
    code = "from pathlib import Path; from advisor.verify.calibration import kept_runs; import sys\n"
    code += "print(kept_runs(Path(sys.argv[1]))[0].generate_factor)"
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, cwd=root, check=True)
    assert found.stdout == "0.5\n"
    assert sorted(path.name for path in file.parent.iterdir()) == ["calibration.json", "calibration.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_what_was_there(file):
    """Files may grow by nothing more (RLIMIT_FSIZE), as on a full disk: the old file stays whole, no half one is left."""
    remember(run("before"))
    whole = file.read_bytes()
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from tests.verify.test_calibration import run\nfrom advisor.verify.calibration import remember\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))\n"
        "try:\n    remember(run('after'), Path(sys.argv[1]))\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, cwd=root, check=True)
    assert found.stdout == "File too large\n"
    assert file.read_bytes() == whole
    assert sorted(path.name for path in file.parent.iterdir()) == ["calibration.json", "calibration.lock"]
