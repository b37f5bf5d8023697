"""The hub through the real huggingface_hub client, against a hub on loopback that serves real files, and serves them badly."""

import json
import logging
import time
import tracemalloc
from pathlib import Path

import pytest

from advisor.errors import (
    GGUFError,
    HubAccessError,
    HubAnswerError,
    HubBusyError,
    HubError,
    HubNotFoundError,
    HubOfflineError,
    HubUnreachableError,
    NotGGUFError,
    QuestionError,
)
from advisor.models.sources.hub import HubAccess
from advisor.models.sources.hub_cache import HubCache
from advisor.models.sources.hub_client import HubLimits
from advisor.models.sources.hub_files import HubFile, choose, repository
from tests.models.gguf_builder import STRING, Builder
from tests.models.real_files import GEMMA_FILE_BYTES, GEMMA_HEADER_BYTES, SMOLLM2_HEADER_BYTES, smollm2, sparse_gemma
from tests.models.sources.hub_server import Fault, Hub, running_hub, sha256_of
from tests.waiting import wall_clock

SMOL, GEMMA = "HuggingFaceTB/SmolLM2-135M-Instruct-GGUF", "ggml-org/gemma-3-270m-GGUF"
SMOL_FILE, GEMMA_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-Q4_K_M.gguf"
MIB = 2**20
SHORT = Builder().key("general.architecture", STRING, "llama").tensor("a").file()


@pytest.fixture(autouse=True)
def _repositories(hub: Hub, tmp_path: Path) -> None:
    hub.repositories[SMOL] = {SMOL_FILE: smollm2(), "README.md": b"# SmolLM2"}
    hub.repositories[GEMMA] = {GEMMA_FILE: sparse_gemma(tmp_path).rename(tmp_path / GEMMA_FILE)}


def read(access: HubAccess, repo: str):
    found = access.repository(repo)
    return access.header(found, choose(found, None, None))


@pytest.mark.parametrize("redirect", [True, False])
@pytest.mark.parametrize(("repo", "length"), [(SMOL, SMOLLM2_HEADER_BYTES), (GEMMA, GEMMA_HEADER_BYTES)])
def test_a_header_takes_two_requests_and_little_more_than_itself(
    hub: Hub, access: HubAccess, repo: str, length: int, redirect: bool
) -> None:
    hub.redirect = redirect
    assert read(access, repo).header_bytes == length
    ranges = [request for request in hub.asked("resolve", "cdn" if redirect else "hub") if request.range]
    assert len(ranges) == 2
    assert length <= sum(request.sent for request in ranges) <= length + MIB
    last = int(ranges[-1].range.rpartition("-")[2])
    assert last < length + MIB


def test_a_short_header_takes_one_request(hub: Hub, access: HubAccess) -> None:
    hub.repositories["o/short"] = {"short-F16.gguf": SHORT}
    assert read(access, "o/short").architecture == "llama"
    assert len(hub.asked("resolve", "cdn")) == 1


def test_a_server_without_ranges_is_read_no_further_than_the_header(hub: Hub, access: HubAccess) -> None:
    hub.faults["cdn:"] = Fault(no_ranges=True)
    assert read(access, SMOL).header_bytes == SMOLLM2_HEADER_BYTES
    (request,) = hub.asked("resolve", "cdn")
    assert request.sent < SMOLLM2_HEADER_BYTES + 8 * MIB


def test_headers_are_kept_by_etag(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    first = read(access, SMOL)
    hub.requests.clear()
    again = HubAccess(hub.address, cache=HubCache(tmp_path / "cache"))
    assert read(again, SMOL) == first
    assert not hub.asked("resolve")
    # Another file of the same name has another ETag.
    hub.repositories[SMOL][SMOL_FILE] = SHORT
    assert read(HubAccess(hub.address, cache=HubCache(tmp_path / "cache")), SMOL).architecture == "llama"
    assert len(hub.asked("resolve", "cdn")) == 1


def test_without_a_list_the_etag_of_the_answer_is_known_again(hub: Hub, access: HubAccess) -> None:
    file = HubFile(SMOL_FILE, None, None)
    first = access.file_header(SMOL, file)
    assert first.file_bytes == smollm2().stat().st_size
    hub.requests.clear()
    assert access.file_header(SMOL, file) == first
    assert sum(request.sent for request in hub.requests) <= MIB


def test_a_damaged_cache_is_read_again(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    first = read(access, SMOL)
    for path in (tmp_path / "cache").glob("*.kept"):
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    hub.requests.clear()
    assert read(HubAccess(hub.address, cache=HubCache(tmp_path / "cache")), SMOL) == first
    assert hub.asked("resolve")


def test_the_cache_keeps_what_was_read_last(tmp_path: Path) -> None:
    cache = HubCache(tmp_path / "small", most_bytes=2500)
    for name in "abc":
        cache.put(name, data=name.encode() * 1000)
        time.sleep(0.02)
    assert cache.get("a") is None
    assert cache.get("c") == b"c" * 1000
    (tmp_path / "file").write_bytes(b"")
    unwritable = HubCache(tmp_path / "file" / "below")
    unwritable.put("a", data=b"x")
    assert unwritable.get("a") is None


def test_offline_what_was_read_before_is_there(
    hub: Hub, access: HubAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read(access, SMOL)
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = HubAccess(hub.address, cache=HubCache(tmp_path / "cache"))
    found = offline.repository(SMOL)
    assert found.read_at is not None
    assert offline.header(found, found.models[0]) == first
    with pytest.raises(HubOfflineError, match="HF_HUB_OFFLINE is set"):
        offline.repository(GEMMA)
    assert not hub.requests


# --- what goes wrong ---------------------------------------------------------------------------------

FAILURES = [
    ("hub:/api", Fault(status=401), HubAccessError, "to nobody without a login"),
    ("hub:/api", Fault(status=403), HubAccessError, "does not let you read"),
    ("hub:/api", Fault(status=403, headers={"X-Error-Code": "DisabledRepo"}), HubAccessError, "has closed the repository"),
    ("hub:/api", Fault(status=404), HubNotFoundError, "check the name"),
    ("hub:/api", Fault(status=404, headers={"X-Error-Code": "RevisionNotFound"}), HubNotFoundError, "no such branch"),
    ("hub:/api", Fault(status=429, headers={"Retry-After": "37"}), HubBusyError, "try again in 37 seconds"),
    ("hub:/api", Fault(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), HubBusyError, "in some minutes"),
    ("hub:/api", Fault(status=500), HubAnswerError, "a fault of its own"),
    ("hub:/api", Fault(status=503, body=b"<html>"), HubAnswerError, "a fault of its own"),
    ("hub:/api", Fault(status=418), HubAnswerError, "HTTP 418"),
    ("hub:/api", Fault(body=b"<html>login</html>", headers={"Content-Type": "text/html"}), HubAnswerError, "a web page came"),
    ("hub:/api", Fault(body=b"not json"), HubAnswerError, "something else"),
    ("hub:/api", Fault(body=b"[]"), HubAnswerError, "something else"),
    ("hub:/api", Fault(body=b"[" * 100_000), HubAnswerError, "something else"),
    ("hub:/api", Fault(body=b'{"id": 1, "siblings": "x"}'), HubAnswerError, "something else"),
    ("hub:/api", Fault(cut_after=10), HubUnreachableError, "broke off"),
    ("hub:/api", Fault(silent_s=8), HubUnreachableError, "too slow"),
    ("hub:/api", Fault(drip_s=0.2), HubUnreachableError, "too slow"),
    ("hub:/api", Fault(headers={"Content-Encoding": "gzip"}), HubAnswerError, "packed"),
    ("cdn:", Fault(status=403), HubAccessError, "HTTP 403"),
    ("cdn:", Fault(status=404), HubNotFoundError, "no " + SMOL),
    ("cdn:", Fault(status=503), HubAnswerError, "a fault of its own"),
    ("cdn:", Fault(cut_after=1000), HubUnreachableError, "broke off"),
    ("cdn:", Fault(drip_s=0.2), HubUnreachableError, "too slow"),
    ("cdn:", Fault(total=10), HubAnswerError, "another part"),
    ("cdn:", Fault(total=2**40), HubAnswerError, "were said before"),
    ("cdn:", Fault(headers={"Content-Range": "bytes 5-9/98362432"}), HubAnswerError, "another part"),
    ("cdn:", Fault(headers={"Content-Range": "nonsense"}), HubAnswerError, "another part"),
    ("cdn:", Fault(body=b"<html>x</html>", headers={"Content-Type": "text/html; charset=utf-8"}), HubAnswerError, "a web page"),
    ("hub:/HuggingFaceTB", Fault(status=302, headers={"Location": "ftp://127.0.0.1/x"}), HubAnswerError, "without encryption"),
    ("hub:/HuggingFaceTB", Fault(status=302, headers={"Location": "/HuggingFaceTB/again/x"}), HubAnswerError, "in a circle"),
]


@wall_clock
@pytest.mark.parametrize(("path", "fault", "kind", "part"), FAILURES)
def test_each_failure_is_one_sentence(
    hub: Hub, tmp_path: Path, path: str, fault: Fault, kind: type[HubError], part: str
) -> None:
    sha256_of(smollm2())
    access = HubAccess(hub.address, limits=HubLimits(seconds=1.2, pause_s=0.0), cache=HubCache(tmp_path / "cache"))
    hub.faults[path] = fault
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        read(access, SMOL)
    assert time.monotonic() - started < 6
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_file_that_is_none(hub: Hub, access: HubAccess) -> None:
    hub.repositories["o/wrong"] = {"page-Q4_K_M.gguf": b"<!DOCTYPE html><html>", "cut-Q8_0.gguf": smollm2_start(500_000)}
    found = access.repository("o/wrong")
    with pytest.raises(NotGGUFError, match="o/wrong/page-Q4_K_M"):
        access.header(found, choose(found, "Q4_K_M", None))
    with pytest.raises(GGUFError, match="o/wrong/cut-Q8_0"):
        access.header(found, choose(found, "Q8_0", None))


def smollm2_start(length: int) -> bytes:
    with smollm2().open("rb") as file:
        return file.read(length)


def test_what_changes_while_it_is_read(hub: Hub, access: HubAccess) -> None:
    found = access.repository(SMOL)
    hub.faults["cdn:"] = Fault(headers={"ETag": '"first"'}, times=1)
    with pytest.raises(HubAnswerError, match="was changed on the hub"):
        access.header(found, found.models[0])


@wall_clock
def test_nobody_there(tmp_path: Path) -> None:
    with running_hub() as gone:
        address = gone.address
    access = HubAccess(address, cache=HubCache(tmp_path / "none"), limits=HubLimits(pause_s=30))
    with pytest.raises(HubUnreachableError, match=r"the hub at 127\.0\.0\.1 cannot be reached"):
        access.repository(SMOL)
    started = time.monotonic()
    with pytest.raises(HubUnreachableError):
        access.search("anything")
    assert time.monotonic() - started < 0.05


def test_a_hub_that_is_busy_is_left_alone(hub: Hub, access: HubAccess) -> None:
    hub.faults["hub:/api"] = Fault(status=429, headers={"Retry-After": "2"}, times=1)
    for _ in range(3):
        with pytest.raises(HubBusyError) as caught:
            access.search("smol")
        assert caught.value.retry_after_s in (1, 2)
    assert len(hub.requests) == 1


# --- tokens ------------------------------------------------------------------------------------------

TOKEN = "hf_secretsecretsecret"


def test_the_token_goes_to_the_endpoint_alone(
    hub: Hub, access: HubAccess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub.private_token = TOKEN
    with pytest.raises(HubAccessError, match="set HF_TOKEN"):
        read(access, SMOL)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with caplog.at_level(logging.DEBUG):
        assert read(access, SMOL).header_bytes == SMOLLM2_HEADER_BYTES
    assert {request.token for request in hub.requests if request.server == "cdn"} == {None}
    assert f"Bearer {TOKEN}" in {request.token for request in hub.requests if request.server == "hub"}
    assert TOKEN not in caplog.text
    assert not any(TOKEN.encode() in path.read_bytes() for path in (tmp_path / "cache").iterdir())


def test_the_token_file_is_used_and_a_stranger_sends_none(hub: Hub, access: HubAccess, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    access.repository(SMOL)
    assert hub.requests[-1].token == f"Bearer {TOKEN}"
    HubAccess(hub.address, own_token=False, cache=HubCache(tmp_path / "other")).repository(SMOL)
    assert hub.requests[-1].token is None


def test_a_list_that_goes_on_elsewhere_gets_no_token(hub: Hub, access: HubAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    link = {"Link": f'<{hub.cdn}/api/models?cursor=2>; rel="next"'}
    hub.faults["hub:/api"] = Fault(body=b"[]", headers=link)
    with pytest.raises(HubAnswerError, match="does not follow"):
        access.search("smol")
    assert not [request for request in hub.requests if request.server == "cdn"]


def test_gated(hub: Hub, access: HubAccess, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated.add(SMOL)
    assert access.repository(SMOL).gated
    with pytest.raises(HubAccessError, match=f"is gated: accept its terms at {hub.address}/{SMOL}, then") as caught:
        read(access, SMOL)
    assert caught.value.gated
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert read(access, SMOL).file_bytes == smollm2().stat().st_size
    hub.faults["hub:/HuggingFaceTB"] = Fault(status=403, headers={"X-Error-Code": "GatedRepo"})
    access = HubAccess(hub.address, cache=HubCache(None), limits=HubLimits())
    with pytest.raises(HubAccessError, match="accept its terms at") as caught:
        access.file_header(SMOL, HubFile("other.gguf", None, None))
    assert "HF_TOKEN" not in str(caught.value)


def test_only_what_was_asked_for_is_asked(hub: Hub, access: HubAccess) -> None:
    """huggingface_hub of its own accord asks the hub about the program around it, and tells it the machine's libraries."""
    read(access, SMOL)
    assert {request.path.split("/")[1] for request in hub.requests} == {"api", "HuggingFaceTB"}
    assert all(request.path.startswith(("/api/models/", "/HuggingFaceTB")) for request in hub.requests)
    assert all("agent/" not in request.agent and request.agent.startswith("headroom/") for request in hub.requests)


# --- lists -------------------------------------------------------------------------------------------


def test_search(hub: Hub, access: HubAccess) -> None:
    hub.gated.add(GEMMA)
    hub.repositories["mlx-community/gemma-3-270m-4bit"] = {"config.json": b"{}"}
    hub.tags["mlx-community/gemma-3-270m-4bit"] = ["mlx"]
    (hit,) = access.search("gemma")
    assert (hit.repo, hit.gated, hit.downloads) == (GEMMA, True, 999)
    assert [one.repo for one in access.search("gemma", "mlx")] == ["mlx-community/gemma-3-270m-4bit"]
    assert access.search("no such thing") == ()


def test_a_list_is_kept_for_a_while(hub: Hub, access: HubAccess) -> None:
    access.repository(SMOL)
    access.repository(SMOL)
    assert len(hub.requests) == 1


def test_a_mirror_that_does_not_say_sizes(hub: Hub, access: HubAccess) -> None:
    rows = [{"rfilename": SMOL_FILE}]
    hub.faults["hub:/api/models/HuggingFaceTB/SmolLM2-135M-Instruct-GGUF?"] = Fault(
        body=json.dumps({"id": SMOL, "tags": None, "siblings": rows}).encode()
    )
    found = access.repository(SMOL)
    assert found.models[0].size == smollm2().stat().st_size


FILES = [
    "gemma-3-4b-it-Q4_K_M.gguf",
    "gemma-3-4b-it-UD-Q4_K_XL.gguf",
    "gemma-3-4b-it-IQ2_XXS.gguf",
    "mmproj-gemma-3-4b-it-f16.gguf",
    "gemma-3-4b-it.imatrix.gguf",
    "Q8_0/gemma-3-4b-it-Q8_0-00001-of-00002.gguf",
    "Q8_0/gemma-3-4b-it-Q8_0-00002-of-00002.gguf",
    "BF16/gemma-3-4b-it-00001-of-00003.gguf",
    "BF16/gemma-3-4b-it-00003-of-00003.gguf",
    "README.md",
    "../../escape-Q4_0.gguf",
    "/etc/absolute-Q4_0.gguf",
    "C:/windows-Q4_0.gguf",
    "a\\b-Q4_0.gguf",
    "new\nline-Q4_0.gguf",
]


def test_files_are_grouped() -> None:
    found = repository("o/r", "main", [HubFile(path, 100, None) for path in FILES], gated=False)
    rows = {model.stem: (model.quantization, model.size, len(model.parts)) for model in found.models}
    assert rows == {
        "gemma-3-4b-it-Q4_K_M": ("Q4_K_M", 100, 1),
        "gemma-3-4b-it-UD-Q4_K_XL": ("UD-Q4_K_XL", 100, 1),
        "gemma-3-4b-it-IQ2_XXS": ("IQ2_XXS", 100, 1),
        "Q8_0/gemma-3-4b-it-Q8_0": ("Q8_0", 200, 2),
        "BF16/gemma-3-4b-it": ("BF16", None, 2),
    }
    assert [file.path for file in found.projectors] == ["mmproj-gemma-3-4b-it-f16.gguf"]
    assert next(model for model in found.models if model.quantization == "BF16").missing == (
        "gemma-3-4b-it-00002-of-00003.gguf",
    )


@pytest.mark.parametrize("count", [20_000, 999_999_999])
def test_names_that_say_that_they_are_parts_of_very_many(count: int) -> None:
    """All of their names were made: 200 such files took 400 MiB."""
    files = [HubFile(f"m{index}-00001-of-{count}.gguf", 100, None) for index in range(200)]
    tracemalloc.start()
    found = repository("o/r", "main", files, gated=False)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found.models) == 200
    assert all(model.size is None for model in found.models)
    assert found.models[0].missing[0] == f"m0-00002-of-{count}.gguf"
    assert most < 4 * 2**20


def test_a_repository_of_very_many_files_is_listed_in_a_moment() -> None:
    """Every file was compared with every other: 15 seconds of the processor."""
    files = [HubFile(f"m{index}.gguf" if index % 2 else f"m{index}.txt", 100, None) for index in range(20_000)]
    began = time.process_time()
    found = repository("o/r", "main", files, gated=False)
    assert (len(found.models), len(found.others)) == (10_000, 10_000)
    assert time.process_time() - began < 5


CHOICES = [
    (None, None, "gemma-3-4b-it-Q4_K_M"),
    ("q8_0", None, "Q8_0/gemma-3-4b-it-Q8_0"),
    ("Q4_K", None, "gemma-3-4b-it-Q4_K_M"),
    ("UD-Q4_K_XL", None, "gemma-3-4b-it-UD-Q4_K_XL"),
    ("gemma-3-4b-it-IQ2_XXS.gguf", None, "gemma-3-4b-it-IQ2_XXS"),
    (None, "gemma-3-4b-it-iq2_xxs.gguf", "gemma-3-4b-it-IQ2_XXS"),
    (None, "Q8_0/gemma-3-4b-it-Q8_0-00002-of-00002.gguf", "Q8_0/gemma-3-4b-it-Q8_0"),
]


@pytest.mark.parametrize(("tag", "file", "stem"), CHOICES)
def test_choices(tag: str | None, file: str | None, stem: str) -> None:
    found = repository("o/r", "main", [HubFile(path, 100, None) for path in FILES], gated=False)
    assert choose(found, tag, file).stem == stem


@pytest.mark.parametrize(
    ("paths", "tag", "part"),
    [
        (FILES, "Q5_K_M", 'has no "Q5_K_M"; it has'),
        (["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"], "Q4_K_M", "several models Q4_K_M: a-Q4_K_M.gguf, b-Q4_K_M.gguf"),
        (["a-Q5_0.gguf", "a-Q6_K.gguf"], None, "several models: Q5_0, Q6_K"),
    ],
)
def test_choices_that_are_none(paths: list[str], tag: str | None, part: str) -> None:
    found = repository("o/r", "main", [HubFile(path, 100, None) for path in paths], gated=False)
    with pytest.raises(QuestionError) as caught:
        choose(found, tag, None)
    assert part in str(caught.value)


def test_the_size_of_the_gemma_file_is_the_hubs(hub: Hub, access: HubAccess) -> None:
    assert access.repository(GEMMA).models[0].size == GEMMA_FILE_BYTES
