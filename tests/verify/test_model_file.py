"""The file that is run: found on this disk, or downloaded, and what becomes of a download that fails."""

import sys
import threading
from pathlib import Path

import pytest

from advisor.errors import DownloadCancelledError, DownloadError, HubUnreachableError, MissingPartError
from advisor.models.library import catalogue
from advisor.models.resolve import resolve_model
from advisor.models.sources import download as downloads
from advisor.models.sources import here
from advisor.models.sources.files import Found, FoundModel
from advisor.models.sources.hub import HubAccess
from advisor.models.sources.hub_address import HubAddress
from advisor.models.sources.hub_cache import HubCache
from advisor.models.sources.hub_client import HubLimits
from advisor.verify.job import CancelledError, Job
from advisor.verify.model_file import fetch, hub_address_of, local_file
from advisor.verify.progress import Ended
from advisor.verify.protocol import RunError, RunRequest
from tests.models.real_files import smollm2
from tests.models.sources.hub_server import Fault, running_hub

MODEL = catalogue().find("llama-3.1-8b").quantized("Q4_K_M")
FAKE = Path(__file__).with_name("fake_worker.py")
ADDRESS = HubAddress("owner/repo", tag="Q4_K_M")


def found(name: str, size: float, quantization: str = "Q4_K_M", format: str = "gguf") -> FoundModel:  # noqa: A002
    n_bytes = round((MODEL.file_bytes or 0) * size)
    return FoundModel(name, f"/m/{name}", f"/m/{name}", "lm-studio", format, n_bytes, quantization, 0.0)


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        ([found("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", 1.002)], True),
        ([found("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", 1.3)], False),
        ([found("Meta-Llama-3.1-8B-Instruct-Q8_0.gguf", 1.0, "Q8_0")], False),
        ([found("Qwen3-8B-Q4_K_M.gguf", 1.0)], False),
        ([found("Llama-3.1-8B", 1.0, format="mlx")], False),
        ([], False),
    ],
)
def test_a_model_of_the_catalogue_that_some_program_keeps_here_is_used(models, expected, monkeypatch):
    monkeypatch.setattr(here, "models_here", lambda: Found(tuple(models)))
    assert local_file(MODEL) == (Path(models[0].path) if expected else None)


def test_a_file_is_itself():
    assert local_file(resolve_model(str(smollm2()))) == smollm2()


def test_where_a_model_is_downloaded_from():
    assert hub_address_of("llama-3.1-8b", MODEL).tag == "Q4_K_M"
    from dataclasses import replace

    of_hub = replace(MODEL, predicted=False)
    assert hub_address_of("owner/repo:Q4_K_M", of_hub) == ADDRESS
    with pytest.raises(MissingPartError, match="where it can be downloaded is not known"):
        hub_address_of("llama-3.1-8b", of_hub)


def idle() -> Job:
    return Job("a model", lambda _: RunRequest("llama-cpp", "x"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (DownloadError("4.00 GiB are still to be loaded and 1.00 GiB free"), "disk"),
        (HubUnreachableError("the connection was cut"), "network"),
    ],
)
def test_a_download_that_fails_is_a_result(error, kind, monkeypatch):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(downloads, "plan_download", lambda *_: None)
    monkeypatch.setattr(downloads, "download", fails)
    with pytest.raises(RunError) as caught:
        fetch(ADDRESS, "Q4_K_M", idle())
    assert (caught.value.kind, str(caught.value)) == (kind, str(error))


def test_a_network_that_is_lost_leaves_no_half_file_for_whole(monkeypatch, tmp_path):
    """Through the whole run: it fails with a reason, and a later one goes on from there and runs."""
    whole = b"GGUF" + bytes(range(256)) * 8000
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr(downloads, "_LONGEST_WAIT_S", 0.05)
    with running_hub() as hub:
        hub.repositories["owner/repo"] = {"tiny-Q4_K_M.gguf": whole}
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        access = HubAccess(limits=HubLimits(seconds=3.0, pause_s=0.0), cache=HubCache(tmp_path / "cache"))
        monkeypatch.setattr(downloads, "the_hub", lambda: access)

        def run() -> Ended:
            job = Job(
                "a model",
                lambda job: RunRequest("llama-cpp", str(fetch(ADDRESS, "Q4_K_M", job))),
                command=(sys.executable, str(FAKE), "good"),
                folder=tmp_path / "turns",
            )
            ended = job.start().wait(60)
            assert ended is not None
            return ended

        hub.faults = {"cdn:": Fault(cut_after=1_500_000, times=1), "cdn:/": Fault(cut_after=0)}
        ended = run()
        assert (ended.stage, ended.failures[0].kind) == ("failed", "network")
        assert {path.suffix for path in (tmp_path / "hf").rglob("*") if path.is_file()} == {".part"}
        hub.faults = {}
        hub.requests.clear()
        ended = run()
    assert (ended.stage, ended.failures) == ("done", ())
    assert Path(ended.request.target).read_bytes() == whole
    assert [request.range for request in hub.asked("resolve", "cdn")] == ["bytes=1500000-"]


def test_a_download_tells_how_far_it_is_and_can_be_cancelled(monkeypatch, tmp_path):
    told = threading.Event()

    def slow(_, *, report, stop):
        report(downloads.Progress("downloading", "f.gguf", 250, 1000, 100.0, 7.5))
        told.set()
        assert stop.wait(60)
        raise DownloadCancelledError("stopped")

    monkeypatch.setattr(downloads, "plan_download", lambda *_: None)
    monkeypatch.setattr(downloads, "download", slow)
    job = Job("a model", lambda job: fetch(ADDRESS, None, job), folder=tmp_path).start()
    assert told.wait(60)
    assert (job.progress.stage, job.progress.done) == ("downloading", 0.25)
    job.cancel()
    assert job.wait(60).stage == "cancelled"
    with pytest.raises(CancelledError):
        job.go_on()
