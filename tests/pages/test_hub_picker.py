"""Models of the hub and of this machine on the pages: nothing is asked before a click, and what the hub refuses is said."""

import threading

import pytest

from advisor.machines.loaded import Loaded
from advisor.models.sources import hub as hub_module
from advisor.models.sources.files import FoundModel
from advisor.settings import settings
from advisor.ui import found_here, hub_download, hub_picker
from tests.models.real_files import smollm2, sparse_gemma
from tests.models.sources.hub_server import Fault, running_hub
from tests.pages.conftest import plain
from tests.waiting import until

SMOL, GEMMA = "bartowski/SmolLM2-135M-Instruct-GGUF", "ggml-org/gemma-3-270m-it-GGUF"
MACHINE = "rtx-4090"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    with running_hub() as one:
        monkeypatch.setenv("HF_ENDPOINT", one.address)
        hub_module._access.cache_clear()
        gemma = sparse_gemma(tmp_path)
        one.repositories[SMOL] = {"SmolLM2-135M-Instruct-Q4_1.gguf": smollm2()}
        one.repositories[GEMMA] = {f"gemma-3-270m-it-{name}.gguf": gemma for name in ("Q8_0", "Q4_K_M", "Q6_K")}
        one.repositories[GEMMA]["mmproj-gemma.gguf"] = bytes(2**20)
        yield one


def search(app, text):
    app.at.text_input(key="hub:text").set_value(text)
    next(button for button in app.at.button if button.label == "Search").click()
    return app.run()


def open_hub(app):
    app.open("model", machine=MACHINE)
    app.at.segmented_control(key="model:source").set_value("hub")
    return app.run()


def test_an_address_is_read_after_a_click(app, hub):
    app.open("model", machine=MACHINE, model=f"{SMOL}:Q4_1")
    assert app.heading == "Which model?"
    assert f"Click Search to read {SMOL}:Q4_1 from 127.0.0.1" in app.captions
    assert not hub.requests
    search(app, f"{SMOL}:Q4_1")
    assert app.heading.startswith("Fits")
    assert app.address["model"] == f"{SMOL}:Q4_1"
    asked = len(hub.requests)
    app.at.segmented_control(key="model:source").set_value("catalogue")
    app.run()
    app.at.segmented_control(key="model:source").set_value("hub")
    app.run()
    assert len(hub.requests) == asked


def test_of_very_many_files_the_first_are_judged(app, hub, monkeypatch):
    """A repository made of ten thousand kept the processor busy for half a minute, each time the page was drawn."""
    monkeypatch.setattr(hub_picker, "_MOST_JUDGED", 2)
    search(open_hub(app), GEMMA)
    files = app.at.selectbox(key=f"hub:file:{GEMMA}@main")
    assert files.options == ["Q4_K_M · 241 MiB · fits", "Q6_K · 241 MiB · fits", "Q8_0 · 241 MiB"]


def test_search_choose_and_plan(app, hub):
    search(open_hub(app), "gemma")
    assert "Choose one of the repositories" in app.captions
    app.at.selectbox(key="hub:repo:gemma").set_value(GEMMA)
    app.run()
    files = app.at.selectbox(key=f"hub:file:{GEMMA}@main")
    assert files.value == f"{GEMMA}:Q4_K_M"
    assert files.options == [f"{name} · 241 MiB · fits" for name in ("Q4_K_M", "Q6_K", "Q8_0")]
    assert "Vision or audio projector beside it: 1.00 MiB" in app.captions
    headers = {request.path for request in hub.asked("resolve", "cdn")}
    assert len(headers) == 1
    files.set_value(f"{GEMMA}:Q8_0")
    app.run()
    assert app.address["model"] == f"{GEMMA}:Q8_0"


def test_a_pasted_file(app, hub):
    search(open_hub(app), f"https://huggingface.co/{SMOL}/blob/main/SmolLM2-135M-Instruct-Q4_1.gguf")
    assert app.heading.startswith("Fits")


REFUSALS = [
    ("nobody/nothing", None, "to nobody without a login"),
    (SMOL, Fault(status=429, headers={"Retry-After": "40"}), "try again in 40 seconds"),
    (SMOL, Fault(status=503), "a fault of its own"),
    (SMOL, Fault(cut_after=5), "broke off"),
    ("smol", Fault(body=b"<html>", headers={"Content-Type": "text/html"}), "A web page came"),
    ("https://example.com/o/r", None, "an address of example.com"),
    ("no such model", None, 'Nothing on the hub with GGUF files is called "no such model"'),
    ("https://huggingface.co/datasets/o/r", None, "no model of the hub"),
]


@pytest.mark.parametrize(("text", "fault", "part"), REFUSALS)
def test_what_the_hub_refuses_is_said(app, hub, text, fault, part):
    if fault:
        hub.faults["hub:/api"] = fault
    search(open_hub(app), text)
    assert app.heading == "Which model?"
    assert part in app.captions


def test_gated_and_then_not(app, hub):
    hub.repositories["o/terms-GGUF"] = hub.repositories[SMOL]
    hub.gated.add("o/terms-GGUF")
    search(open_hub(app), "o/terms-GGUF")
    assert "is gated: accept its terms" in app.captions
    hub.gated.clear()
    hub_module._access.cache_clear()
    next(button for button in app.at.button if button.label == "Try again").click()
    app.run()
    assert app.heading.startswith("Fits")


def test_offline(app, hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    search(open_hub(app), SMOL)
    assert "HF_HUB_OFFLINE is set" in app.captions
    assert not hub.requests


def test_download(app, hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(hub_download, "JOBS", hub_download.Jobs())
    search(open_hub(app), SMOL)
    context = app.address["context"]
    next(button for button in app.at.button if button.label == "Download, 93.8 MiB").click()
    app.run()
    assert app.address["context"] == context, "a page cut short loses what its other widgets held"
    job = hub_download.JOBS.get(f"{SMOL}:Q4_1")
    until(lambda: not job.running)
    app.run()
    (path,) = job.paths
    assert f"Downloaded to {path}." in app.captions
    assert path.stat().st_size == smollm2().stat().st_size


def test_a_download_that_fails_is_said(app, hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(hub_download, "JOBS", hub_download.Jobs())
    search(open_hub(app), SMOL)
    hub.faults["cdn:"] = Fault(status=403)
    next(button for button in app.at.button if button.label.startswith("Download")).click()
    app.run()
    job = hub_download.JOBS.get(f"{SMOL}:Q4_1")
    until(lambda: not job.running)
    app.run()
    assert "does not let you read SmolLM2" in app.captions
    assert any(button.label.startswith("Download") for button in app.at.button)


# --- on this machine ---------------------------------------------------------------------------------


class Some:
    """A search that found models."""

    def __init__(self, *models, loaded=()):
        self.here = found_here.Here(tuple(models), loaded)

    def known(self):
        return self.here, False


def model(name="SmolLM2.gguf", text=None, source="folder"):
    return FoundModel(name, text or str(smollm2()), str(smollm2()), source, "gguf", 98362432, "Q4_1", 1.0)


def test_models_here_come_first(app, monkeypatch):
    loaded = (Loaded("Ollama", "gemma3:latest", 6 * 2**30, 5 * 2**30, 4096), Loaded("LM Studio", "qwen3-8b", None, None, 8192))
    monkeypatch.setattr(found_here, "_SEARCH", Some(*(model(f"m{at}.gguf") for at in range(7)), loaded=loaded))
    app.open(machine=MACHINE)
    assert "In use now: gemma3:latest in Ollama, 6.00 GiB, 5.00 GiB of it on the GPU." in app.captions
    assert "qwen3-8b in LM Studio, which does not say how much it takes" in app.captions
    assert next(plain(header.value) for header in app.at.subheader) == "Already on this machine"
    links = app.at.get("page_link")
    assert len(links) == 7
    assert plain(links[0].proto.label) == "m0.gguf · Q4_1 · 93.8 MiB · folder"
    assert "model=" in links[0].proto.query_string


def test_a_model_here_is_planned(app, monkeypatch):
    monkeypatch.setattr(found_here, "_SEARCH", Some(model()))
    app.open("model", machine=MACHINE, model=str(smollm2()))
    assert app.at.selectbox(key="model:here").value == str(smollm2())
    assert app.heading.startswith("Fits")


def test_nothing_of_this_machine_is_shown_to_visitors(app, monkeypatch):
    monkeypatch.setattr(found_here, "_SEARCH", Some(model()))
    monkeypatch.setenv("ADVISOR_HOSTED", "1")
    settings.cache_clear()
    try:
        assert found_here.here_now() == (found_here.Here(), False)
    finally:
        monkeypatch.delenv("ADVISOR_HOSTED")
        settings.cache_clear()


def test_the_search_is_never_waited_for(monkeypatch):
    release = threading.Event()

    def slow(*_args, **_kwargs):
        release.wait(30)
        return type("Found", (), {"models": (model(),)})()

    monkeypatch.setattr(found_here, "models_here", slow)
    monkeypatch.setattr(found_here, "loaded_now", lambda: ())
    search = found_here._Search()
    assert search.known() == (found_here.Here(), True)
    release.set()
    until(lambda: not search.known()[1])
    assert len(search.known()[0].models) == 1
