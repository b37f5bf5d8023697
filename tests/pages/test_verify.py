"""The page that runs a model: what is checked first, the run, its end, and what a hosted page does instead."""

import json
import re
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import advisor.verification
from advisor.errors import MissingPartError
from advisor.settings import settings
from advisor.verify import model_file, slice_folder, slices
from advisor.verify.turns import turn
from tests.models.real_files import smollm2
from tests.verify.runs import document
from tests.waiting import until

FAKE = Path(__file__).resolve().parents[1] / "verify" / "fake_worker.py"
pytestmark = pytest.mark.engine
MIB = 2**20


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Nothing is kept of what is run here, and no other run of this machine is waited for."""
    monkeypatch.setattr("advisor.verify.calibration.data_folder", lambda: tmp_path / "data")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Runs are those of the fake worker, which behaves as it is told."""

    def behaves(how: str) -> None:
        command = (sys.executable, str(FAKE), how)
        start = partial(advisor.verification.start, command=command, folder=tmp_path / "turns")
        monkeypatch.setattr(advisor.verification, "start", start)

    return behaves


def opened(app):
    return app.open("verify", model=str(smollm2()), context="512", seconds="10")


def button(app, key):
    return app.at.button(key=key)


def ended(app, seconds: float = 60.0):
    """The page once the run is over."""
    until(lambda: "Running" not in app.heading, seconds, meanwhile=app.run)
    return app


def test_the_check_comes_first_and_nothing_runs_by_itself(app):
    opened(app)
    assert app.heading == "Is it true? Run it on this computer"
    assert app.at.subheader[0].value == "It fits and can run"
    rows = app.component("rows")["rows"]
    assert [row[0] for row in rows] == ["Memory in all", "Generation", "Reading a prompt", "First word after"]
    assert not button(app, "verify:start").disabled
    assert app.address == {"model": str(smollm2()), "context": "512", "seconds": "10"}


def test_a_run_shows_predicted_beside_measured(app, worker):
    worker("good")
    button(opened(app), "verify:start").click()
    ended(app.run())
    assert app.heading.endswith("wrote 64.0 tokens a second")
    table = app.component("rows")
    assert table["columns"] == ["", "Measured", "Predicted", "In words"]
    assert next(row[:2] for row in table["rows"] if row[0] == "Generation") == ["Generation", "64.0 tokens/s"]
    button(app, "verify:again").click()
    assert app.run().heading == "Is it true? Run it on this computer"


def test_cancel(app, worker):
    worker("hang")
    button(opened(app), "verify:start").click()
    assert app.run().heading.startswith("Running ")
    button(app, "verify:cancel").click()
    assert app.run().heading.endswith("was cancelled")


def test_a_failure_has_its_reason_and_the_end_of_its_log(app, worker):
    worker("refuses")
    button(opened(app), "verify:start").click()
    ended(app.run())
    assert app.heading.endswith("did not run here")
    assert "unknown model architecture" in app.at.error[0].value
    assert "load_tensors: a line of the log" in app.at.code[0].value


def test_another_visit_finds_the_run_that_goes_on(app, worker):
    worker("hang")
    button(opened(app), "verify:start").click()
    app.run()
    other = type(app)()
    other.open("verify")
    assert other.heading == app.heading
    button(other, "verify:cancel").click()
    other.run()


@pytest.mark.parametrize(
    ("model", "said"),
    [("/not/there.gguf", "is not there"), ("nothing-like-it-at-all", "nothing-like-it-at-all")],
)
def test_a_model_that_is_not_here_is_said(app, model, said):
    app.open("verify", model=model)
    assert any(said in warning for warning in app.warnings)
    assert not [one for one in app.at.button if one.key == "verify:start"]


class TestSlices:
    """Try before you download."""

    @pytest.fixture(autouse=True)
    def small(self, tmp_path, monkeypatch):
        """Slices of a few megabytes, and no file of this disk counts as a model of the catalogue."""
        monkeypatch.setattr(slices, "_LEAST_BYTES", 16 * MIB)
        monkeypatch.setattr(slices, "_WISHED_BYTES", ())
        monkeypatch.setattr(slices, "_TIMES_THE_CACHE", 0)
        monkeypatch.setattr(slice_folder, "cache_folder", lambda: tmp_path / "cache")
        monkeypatch.setattr(model_file, "_same_file_here", lambda _: None)

    def offered(self, app, **more):
        return app.open("verify", model="qwen3-0.6b", quant="Q4_0", context="256", seconds="10", **more)

    def test_it_stands_beside_the_download_with_what_it_needs(self, app):
        self.offered(app)
        labels = [button(app, f"verify:{key}").label for key in ("start", "slice")]
        assert labels == ["Download and run", "Try a slice first"]
        assert not button(app, "verify:slice").disabled
        assert re.search(r"Two slices take \d+ MiB of memory and disk for a minute; nothing is downloaded\.", app.captions)

    def test_a_model_of_this_disk_is_run_itself(self, app):
        opened(app)
        assert button(app, "verify:start").label == "Run it"
        assert not [one for one in app.at.button if one.key == "verify:slice"]

    def test_a_small_model_is_not_worth_one(self, app, monkeypatch):
        monkeypatch.setattr(slices, "_LEAST_BYTES", 128 * MIB)
        app.open("verify", model="smollm2-135m")
        assert button(app, "verify:start").label == "Download and run"
        assert not [one for one in app.at.button if one.key == "verify:slice"]

    def test_one_that_is_too_large_is_refused_with_its_size(self, app, monkeypatch):
        monkeypatch.setattr(slices, "MOST_DISK_BYTES", 10 * MIB)
        self.offered(app)
        assert button(app, "verify:slice").disabled
        assert re.search(r"No slice: Two slices of Qwen3 0\.6B take \d+ MiB, more than the 10\.0 MiB", app.captions)

    def test_its_result_is_a_forecast_with_its_error(self, app, worker, tmp_path):
        worker("good")
        self.offered(app)
        button(app, "verify:slice").click()
        assert app.run().heading == "Running a slice of Qwen3 0.6B"
        ended(app)
        # 64 tokens a second, 10 % less to 10 % more.
        expected = "Forecast from a slice: Qwen3 0.6B Q4_0 writes 64.0 tokens a second (57.6 to 70.4)"
        assert app.heading == expected
        table = app.component("rows")
        assert table["columns"][1] == "From slices"
        assert next(row[1] for row in table["rows"] if row[0] == "Generation") == "64.0 tokens/s (57.6 to 70.4)"
        assert any("not on the model itself, which may be 10% slower or faster" in warning for warning in app.warnings)
        assert not (tmp_path / "cache" / "verify" / "slices").exists()
        assert not (tmp_path / "data").exists(), "a slice calibrates nothing"
        button(app, "verify:again").click()
        assert app.run().heading == "Is it true? Run it on this computer"

    def test_cancel(self, app, worker, tmp_path):
        worker("hang")
        self.offered(app)
        button(app, "verify:slice").click()
        app.run()
        button(app, "verify:cancel").click()
        assert app.run().heading.endswith("was cancelled")
        assert not (tmp_path / "cache" / "verify" / "slices").exists()

    def test_it_waits_for_the_run_before_it(self, app, worker, tmp_path):
        worker("good")
        with turn("another model", waiting=lambda _: None, folder=tmp_path / "turns"):
            self.offered(app)
            button(app, "verify:slice").click()
            app.run()
            time.sleep(0.5)
            app.run()
            assert app.at.get("progress")[0].proto.text == "Waiting for another model"
        assert ended(app).heading.startswith("Forecast from a slice")

    @pytest.mark.slow
    def test_a_real_one_runs_from_the_page(self, app, tmp_path):
        self.offered(app)
        button(app, "verify:slice").click()
        app.run()
        ended(app, seconds=120)
        assert app.heading.startswith("Forecast from a slice: Qwen3 0.6B Q4_0 writes ")
        assert not app.at.error
        assert not (tmp_path / "cache" / "verify" / "slices").exists()

    def test_where_the_file_cannot_be_had_it_is_still_offered(self, app, monkeypatch):
        def unknown(*_):
            raise MissingPartError("where it can be downloaded is not known")

        monkeypatch.setattr(advisor.verification, "hub_address_of", unknown)
        self.offered(app)
        assert app.at.subheader[0].value == "This cannot be run here"
        assert not button(app, "verify:slice").disabled


class TestHosted:
    """Nothing of the host is run, read or shown."""

    @pytest.fixture(autouse=True)
    def hosted(self, monkeypatch):
        monkeypatch.setenv("ADVISOR_HOSTED", "1")
        settings.cache_clear()
        monkeypatch.setattr(advisor.verification, "look", lambda _: pytest.fail("the host was looked at"))
        monkeypatch.setattr(advisor.verification, "start", lambda *_, **__: pytest.fail("something was run"))

    def test_it_gives_the_command_for_home(self, app):
        app.open("verify", model="llama-3.1-8b", quant="Q4_K_M", context="8192", type_k="q8_0")
        assert app.heading == "Run it at home"
        expected = "advisor verify llama-3.1-8b --quant Q4_K_M --context 8192 --type-k q8_0 --json > result.json"
        assert app.at.code[0].value == expected

    def test_and_one_for_a_slice_of_a_model_of_the_catalogue(self, app):
        app.open("verify", model="llama-3.1-8b", quant="Q4_K_M")
        assert app.at.code[1].value == "advisor verify llama-3.1-8b --quant Q4_K_M --slice --json > result.json"
        app.open("verify", model="my own.gguf")
        assert len(app.at.code) == 1

    def test_a_name_that_would_be_a_command_is_quoted(self, app):
        app.open("verify", model="a; rm -rf ~")
        assert app.at.code[0].value == "advisor verify 'a; rm -rf ~' --json > result.json"

    def test_the_result_comes_back_as_a_paste(self, app):
        app.open("verify", model="llama-3.1-8b")
        app.at.text_area[0].input(json.dumps(document()))
        app.run()
        assert (
            app.at.header[1].value
            == "Model 8B Q4\\_K\\_M used 4\\.90 GiB \\(we said 5\\.00 GiB\\) and wrote 9\\.0 tokens a second"
        )

    def test_anything_else_is_refused_in_a_sentence(self, app):
        app.open("verify", model="llama-3.1-8b")
        app.at.text_area[0].input('{"schema": 1, "machine": "<script>"}')
        app.run()
        assert "not a measurement of Headroom" in app.warnings[0]


def test_on_a_hosted_server_nothing_can_be_started(monkeypatch):
    """The page does not offer it; the function refuses it too."""
    looked = advisor.verification.look(advisor.verification.VerifyQuestion(model=str(smollm2()), context=512))
    monkeypatch.setenv("ADVISOR_HOSTED", "1")
    settings.cache_clear()
    with pytest.raises(ValueError, match="nothing is run"):
        advisor.verification.start(looked)
