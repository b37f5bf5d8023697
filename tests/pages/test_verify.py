"""The page that runs a model: what is checked first, the run, its end, and what a hosted page does instead."""

import json
import sys
import time
from functools import partial
from pathlib import Path

import pytest

import advisor.verification
from advisor.settings import settings
from tests.models.real_files import smollm2
from tests.verify.runs import document

FAKE = Path(__file__).resolve().parents[1] / "verify" / "fake_worker.py"
pytestmark = pytest.mark.engine


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


def ended(app, seconds: float = 15.0):
    """The page once the run is over."""
    until = time.monotonic() + seconds
    while "Running" in app.heading:
        assert time.monotonic() < until
        time.sleep(0.1)
        app.run()
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
