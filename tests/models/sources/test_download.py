"""Downloads against a hub on loopback: cut, resumed, stopped, damaged, without room."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from advisor.errors import (
    DownloadCancelledError,
    DownloadError,
    HubAnswerError,
    HubNotFoundError,
    HubUnreachableError,
    QuestionError,
)
from advisor.models.sources.download import DownloadPlan, Progress, download, plan_download
from advisor.models.sources.hub import HubAccess
from advisor.models.sources.hub_address import hub_address
from tests.command import ROOT, advisor
from tests.models.real_files import smollm2
from tests.models.sources.hub_server import Fault, Hub
from tests.waiting import until, wall_clock

DATA = hashlib.sha256(b"seed").digest() * 100_000
"""3.2 MB in which no two places of 32 bytes apart are told apart by chance alone: order is checked by the digest."""
REPO = "o/tiny-GGUF"


@pytest.fixture(autouse=True)
def _repository(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories[REPO] = {
        "tiny-Q4_K_M.gguf": b"GGUF" + DATA,
        "tiny-Q8_0-00001-of-00002.gguf": b"GGUF1" + DATA,
        "tiny-Q8_0-00002-of-00002.gguf": b"GGUF2" + DATA,
        "tiny-Q6_K-00001-of-00002.gguf": b"GGUF",
        "README.md": b"",
    }
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("advisor.models.sources.download._LONGEST_WAIT_S", 0.05)


def planned(access: HubAccess, folder: Path | None, text: str = f"{REPO}:Q4_K_M") -> DownloadPlan:
    address = hub_address(text)
    assert address is not None
    return plan_download(address, None, folder, access)


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in folder.iterdir()} if folder.exists() else {}


def test_into_a_folder(access: HubAccess, tmp_path: Path) -> None:
    seen: list[Progress] = []
    (path,) = download(planned(access, tmp_path / "models"), report=seen.append, access=access)
    assert path == tmp_path / "models" / "tiny-Q4_K_M.gguf"
    assert path.read_bytes() == b"GGUF" + DATA
    assert files(path.parent) == {path.name: len(DATA) + 4}
    assert (seen[-1].stage, seen[-1].done_bytes, seen[-1].total_bytes) == ("done", len(DATA) + 4, len(DATA) + 4)


def test_into_the_hubs_cache(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    (path,) = download(planned(access, None), access=access)
    assert path == tmp_path / "hf" / "models--o--tiny-GGUF" / "snapshots" / ("1" * 40) / "tiny-Q4_K_M.gguf"
    assert path.read_bytes() == b"GGUF" + DATA
    assert path.resolve().parent.name == "blobs"
    sent = sum(request.sent for request in hub.asked("resolve", "cdn"))
    assert sent == len(DATA) + 4
    assert download(planned(access, None), access=access) == (path,)
    assert sum(request.sent for request in hub.asked("resolve", "cdn")) == sent


def test_split(access: HubAccess, tmp_path: Path) -> None:
    paths = download(planned(access, tmp_path / "m", f"{REPO}:Q8_0"), access=access)
    assert [path.read_bytes()[:5] for path in paths] == [b"GGUF1", b"GGUF2"]


def test_cut_and_resumed(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    hub.faults["cdn:"] = Fault(cut_after=1_000_000, times=2)
    (path,) = download(planned(access, tmp_path / "m"), access=access)
    assert path.read_bytes() == b"GGUF" + DATA
    starts = [request.range for request in hub.asked("resolve", "cdn")]
    assert starts[0] is None
    assert starts[1:] == ["bytes=1000000-", "bytes=2000000-"]


def test_a_hub_that_keeps_cutting_is_given_up_and_gone_on_with_later(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    hub.faults["cdn:"] = Fault(cut_after=0)
    with pytest.raises(HubUnreachableError, match="broke off"):
        download(planned(access, tmp_path / "m"), access=access)
    hub.faults = {"cdn:": Fault(cut_after=1_500_000, times=1), "cdn:/": Fault(status=404)}
    with pytest.raises(HubNotFoundError):
        download(planned(access, tmp_path / "m"), access=access)
    (left,) = files(tmp_path / "m").items()
    assert left[0].endswith(".part")
    assert left[1] == 1_500_000
    hub.faults.clear()
    hub.requests.clear()
    (path,) = download(planned(access, tmp_path / "m"), access=access)
    assert [request.range for request in hub.asked("resolve", "cdn")] == ["bytes=1500000-"]
    assert path.read_bytes() == b"GGUF" + DATA


def test_a_server_without_ranges_begins_again(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    hub.faults["cdn:"] = Fault(cut_after=1_000_000, times=1)
    hub.faults["cdn:/"] = Fault(no_ranges=True)
    (path,) = download(planned(access, tmp_path / "m"), access=access)
    assert path.read_bytes() == b"GGUF" + DATA


@wall_clock
def test_stopped_within_two_seconds(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    hub.faults["cdn:"] = Fault(drip_s=0.02)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    with pytest.raises(DownloadCancelledError, match="goes on from here"):
        download(planned(access, tmp_path / "m"), stop=stop, access=access)
    assert time.monotonic() - started < 2.3
    assert not (tmp_path / "m" / "tiny-Q4_K_M.gguf").exists()
    hub.faults["cdn:"] = Fault(silent_s=5)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    started = time.monotonic()
    with pytest.raises(DownloadCancelledError):
        download(planned(access, tmp_path / "m"), stop=stop, access=access)
    assert time.monotonic() - started < 2.3


def test_a_wrong_checksum_is_never_taken(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    hub.faults["cdn:"] = Fault(body=b"GGUX" + DATA)
    with pytest.raises(DownloadError, match="its checksum is wrong"):
        download(planned(access, tmp_path / "m"), access=access)
    assert files(tmp_path / "m") == {}
    with pytest.raises(DownloadError, match="its checksum is wrong"):
        download(planned(access, None), access=access)
    assert not list((tmp_path / "hf").rglob("*.gguf"))


def test_more_than_was_said(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    hub.faults["cdn:"] = Fault(body=b"GGUF" + DATA + b"!")
    with pytest.raises(HubAnswerError, match="sends more"):
        download(planned(access, tmp_path / "m"), access=access)


def test_room_is_looked_at_first(hub: Hub, access: HubAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 512 * 2**20 + 1000})())
    plan = planned(access, tmp_path / "m")
    hub.requests.clear()
    with pytest.raises(DownloadError, match=r"3\.05 MiB are still to be loaded"):
        download(plan, access=access)
    assert not hub.requests


def test_a_disk_that_becomes_full_meanwhile(access: HubAccess, tmp_path: Path) -> None:
    """No file of this process may grow over a million bytes, as on a disk without room: what is here is gone on with later."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(DownloadError, match=r"cannot be written: .+; choose another with --folder"):
            download(planned(access, tmp_path / "m"), access=access)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    ((name, size),) = files(tmp_path / "m").items()
    assert name.endswith(".part")
    assert 0 < size <= 1_000_000
    (path,) = download(planned(access, tmp_path / "m"), access=access)
    assert path.read_bytes() == b"GGUF" + DATA


def test_kill_9_in_the_middle(hub: Hub, access: HubAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.faults = {"cdn:": Fault(cut_after=1_500_000, times=1), "cdn:/": Fault(silent_s=60)}
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    command = [sys.executable, "-m", "advisor", "download", f"{REPO}:Q4_K_M", "--folder", str(tmp_path / "m")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=ROOT)
    until(lambda: 1_500_000 in files(tmp_path / "m").values() or process.poll() is not None)
    assert process.poll() is None
    process.kill()
    process.wait()
    (left,) = files(tmp_path / "m")
    assert left.endswith(".part")
    hub.faults.clear()
    (path,) = download(planned(access, tmp_path / "m"), access=access)
    assert path.read_bytes() == b"GGUF" + DATA


def test_another_file_of_that_name_is_left_alone(access: HubAccess, tmp_path: Path) -> None:
    (tmp_path / "tiny-Q4_K_M.gguf").write_bytes(b"mine")
    with pytest.raises(DownloadError, match="is another file"):
        download(planned(access, tmp_path), access=access)
    assert (tmp_path / "tiny-Q4_K_M.gguf").read_bytes() == b"mine"
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="cannot be written"):
        download(planned(access, tmp_path / "file" / "below"), access=access)


def test_what_cannot_be_planned(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    with pytest.raises(HubNotFoundError, match="lacks a part"):
        planned(access, tmp_path, f"{REPO}:Q6_K")
    with pytest.raises(QuestionError, match='has no "Q2_K"'):
        planned(access, tmp_path, f"{REPO}:Q2_K")
    hub.repositories["o/other"] = {"config.json": b"{}", "model.safetensors": b""}
    with pytest.raises(QuestionError, match="has no GGUF files"):
        planned(access, tmp_path, "o/other")


def test_the_command(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories["o/smol"] = {"smol-Q4_1.gguf": smollm2()}
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    ran = advisor("download", "o/smol:Q4_1", "--folder", str(tmp_path / "m"), "--json")
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert answer["quantization"] == "Q4_1"
    assert Path(answer["files"][0]["path"]).stat().st_size == answer["file_bytes"] == smollm2().stat().st_size
    ran = advisor("estimate", f"{hub.address}/o/smol/blob/main/smol-Q4_1.gguf", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["model"]["quantization"] == "Q4_1"
    ran = advisor("download", "o/nothing")
    assert (ran.code, len(ran.err.splitlines())) == (3, 1)
    assert advisor("download", "llama-3.1-8b").code == 2
