"""A hosted site: nothing of its own machine is looked at, and nobody asks too much, too long, too often or from elsewhere."""

import gzip
import json

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from advisor.errors import QuestionError
from advisor.machines.here import Here
from advisor.models import resolve as resolve_module
from advisor.models.sources import public_address
from advisor.models.sources.public_address import is_public, refuse_private
from advisor.reports.store import store
from advisor.settings import Settings, from_environment
from advisor.web.limits import Limits
from advisor.web.metrics import METRICS
from tests.reports.examples import measured
from tests.web.site import HOST, client

JSON = {"content-type": "application/json"}


def ask(visitor, **question):
    return visitor.post("/api/v1/estimate", json={"model": "llama-3.1-8b", **question})


# --- nothing of the host ---------------------------------------------------------------------------

OF_THE_HOST = [
    {"machine": "detected"},
    {"machine": "DETECTED "},
    {"machine": "/etc/machine.toml"},
    {"machine": "~/mine.json"},
    {"model": "/etc/passwd"},
    {"model": "/etc"},
    {"model": "."},
    {"model": "../../etc/passwd.gguf"},
    {"model": "~/model.gguf"},
    {"model": "model.gguf"},
    {"model": "C:\\models\\x.gguf"},
    {"model": "\\\\server\\share\\x.gguf"},
    {"model": "file:///etc/passwd"},
    {"model": "/proc/self/environ"},
    {"model": "ollama:llama3"},
    {"model": "lmstudio:x"},
    {"model": "http://127.0.0.1:8080/x.gguf"},
    {"model": "http://169.254.169.254/latest/meta-data"},
    {"model": "https://[::1]/x/y"},
    {"mmproj": "/etc/passwd"},
    {"mmproj": "auto"},
    {"draft": "/etc/passwd.gguf"},
    {"grade": "engine"},
]


@pytest.mark.parametrize("question", OF_THE_HOST, ids=str)
def test_nothing_of_the_host_can_be_asked_for(question, hosted, monkeypatch):
    hosted()
    touched = []
    real = resolve_module.Path.stat
    monkeypatch.setattr(resolve_module.Path, "stat", lambda path, **more: touched.append(str(path)) or real(path, **more))
    answer = ask(client(), **question)
    assert answer.status_code == 422
    said = answer.json()["error"]
    assert "root:" not in said
    asked = next(iter(question.values()))
    assert not [path for path in touched if asked.strip("~.") and path.startswith(("/etc", "/proc", asked))]


@pytest.mark.parametrize("field", ["model", "machine"])
def test_whether_a_file_is_there_is_not_told(field, hosted, tmp_path):
    hosted()
    ending = ".gguf" if field == "model" else ".toml"
    there, nowhere = tmp_path / f"there{ending}", tmp_path / f"nowhere{ending}"
    there.write_text("x")
    said = {ask(client(), **{field: str(path)}).json()["error"] for path in (there, nowhere)}
    assert len(said) == 1


def test_the_machine_is_not_shown(hosted):
    hosted()
    answer = client().get("/api/v1/detect")
    assert answer.status_code == 403
    assert client().post("/api/v1/fit", json={}).status_code == 422


def test_nothing_detects(hosted):
    hosted()

    def probed():
        raise AssertionError

    for look in (Here(probed, probed).now, Here(probed, probed).whole, Here(probed, probed).again):
        with pytest.raises(QuestionError, match="its own machine"):
            look()


def test_nothing_is_measured(hosted):
    from advisor.machines.bandwidth import measure_bandwidth

    hosted()
    with pytest.raises(QuestionError):
        measure_bandwidth()


def test_nothing_is_run(hosted):
    from advisor.question import VerifyQuestion
    from advisor.verification import look

    hosted()
    for backend in ("llama-cpp", "http://127.0.0.1:8080", "http://10.0.0.1"):
        with pytest.raises(QuestionError):
            look(VerifyQuestion(model="llama-3.1-8b", backend=backend))


def test_what_is_asked_of_the_list_is_answered(hosted):
    hosted()
    answer = ask(client(), machine="rtx-4090", quant="Q4_K_M")
    assert answer.status_code == 200
    assert answer.json()["verdict"] == "fits"


def test_only_listed_reports_are_listed(hosted):
    hosted()
    visitor = client()
    hidden = visitor.post("/api/v1/reports", json=json.loads(measured().model_dump_json())).json()
    shown = visitor.post("/api/v1/reports?listed=true", json=json.loads(measured().model_dump_json())).json()
    assert [row["id"] for row in visitor.get("/api/v1/reports").json()["reports"]] == [shown["id"]]
    assert hidden["id"] not in visitor.get("/api/v1/reports.csv").text
    # Who has the link finds it.
    assert visitor.get(f"/r/{hidden['id']}").status_code == 200
    assert "noindex" in visitor.get(f"/r/{hidden['id']}").text
    assert "noindex" not in visitor.get(f"/r/{shown['id']}").text


# --- into the network of the host -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.9", False), ("192.168.1.1", False), ("169.254.169.254", False),
        ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("198.18.0.1", False),
        ("::1", False), ("::", False), ("fe80::1%eth0", False), ("fc00::1", False), ("ff02::1", False),
        ("::ffff:127.0.0.1", False), ("::ffff:93.184.215.14", True), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False),
        ("localhost", False), ("", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize("addresses", [["10.0.0.5"], ["93.184.215.14", "127.0.0.1"], ["::1"], []])
def test_a_name_that_leads_inside_is_refused(addresses, monkeypatch):
    from advisor.errors import HubAnswerError

    def look_up(*_asked, **_more):
        if not addresses:
            raise OSError
        return [(2, 1, 6, "", (address, 443)) for address in addresses]

    monkeypatch.setattr(public_address.socket, "getaddrinfo", look_up)
    with pytest.raises(HubAnswerError, match="public"):
        refuse_private("innocent.example", None, "a model")


def test_a_public_name_is_followed(monkeypatch):
    monkeypatch.setattr(public_address.socket, "getaddrinfo", lambda *_asked, **_more: [(2, 1, 6, "", ("93.184.215.14", 443))])
    refuse_private("example.org", 443, "a model")


# --- from elsewhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "headroom.test.evil.example", "127.0.0.1", "", "headroom.test@evil.example"])
def test_a_foreign_host_is_refused(host):
    assert client().get("/api/v1/health", headers={"host": host}).status_code == 400
    assert client().get("/r/abc", headers={"host": host}).status_code == 400


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://headroom.test.evil.example",
        "http://headroom.test:81",
        "http://[",
        "headroom.test",
    ],
)
def test_a_page_elsewhere_changes_nothing(origin):
    visitor = client(headers={"origin": origin})
    kept = store().add(measured())
    assert ask(visitor, machine="rtx-4090").status_code == 403
    assert visitor.post("/api/v1/reports", json={}).status_code == 403
    assert visitor.delete(f"/api/v1/reports/{kept.id}", headers={"x-delete-token": kept.token}).status_code == 403
    assert store().get(kept.id) is not None
    # And it may not read: no answer names another site as allowed.
    assert "access-control-allow-origin" not in visitor.get("/api/v1/machines").headers


def test_its_own_pages_may():
    assert ask(client(headers={"origin": f"http://{HOST}"}), machine="rtx-4090").status_code == 200


# --- too much ---------------------------------------------------------------------------------------------


def test_a_body_too_long_is_refused_by_its_length_and_by_its_bytes():
    visitor = client()
    long = b'{"model": "' + b"x" * 70_000 + b'"}'
    assert visitor.post("/api/v1/estimate", content=long, headers=JSON).status_code == 413
    pieces = (b"x" * 10_000 for _ in range(10))
    assert visitor.post("/api/v1/estimate", content=pieces, headers=JSON).status_code == 413
    assert visitor.post("/api/v1/reports", content=b" " * (2 * 2**20 + 1), headers=JSON).status_code == 413


@pytest.mark.parametrize("length", ["-1", "1e3", "9" * 30, "\u0661"])
def test_a_length_that_is_none_is_refused(length):
    answer = client().post("/api/v1/estimate", content=b"{}", headers={**JSON, "content-length": length.encode()})
    assert answer.status_code in (400, 413)


def test_a_compressed_bomb_is_refused_unopened():
    bomb = gzip.compress(b"[" * 10_000_000)
    answer = client().post("/api/v1/reports", content=bomb, headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "bomb",
    [
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"model": "x", "gpus": ' + b"9" * 50_000 + b"}",
        b'{"model": "x", "memory_gib": 1e999999}',
        b'{"model": "x", "memory_gib": NaN}',
        b'{"model": "\\ud800"}',
        b'{"model": "a\\u0000b"}',
        b'{"model": "x", "tensor_split": [' + b"1," * 20_000 + b"1]}",
        b"\xff\xfe\x00",
        b'{"model": 1, "model": 2}',
        b"",
        b"null",
        b"[]",
        b'"x"',
    ],
    ids=lambda bomb: repr(bomb[:24]),
)
@pytest.mark.parametrize("path", ["estimate", "fit", "reports"])
def test_a_json_bomb_is_a_wrong_question(path, bomb):
    answer = client().post(f"/api/v1/{path}", content=bomb, headers=JSON)
    assert answer.status_code in (400, 415, 422)
    assert 0 < len(answer.json()["error"]) < 500


def test_one_address_may_not_ask_for_ever(hosted):
    hosted(ADVISOR_RATE_PER_MINUTE="5")
    first, second = client(client=("203.0.113.5", 1)), client(client=("203.0.113.6", 1))
    # One server, two visitors.
    second.app = first.app
    second._transport.app = first._transport.app
    answers = [first.get("/api/v1/machines?q=4090").status_code for _ in range(7)]
    assert answers == [200] * 5 + [429] * 2
    assert first.get("/r/2222222222222222").status_code == 429
    assert first.get("/api/v1/machines").headers["retry-after"] == "60"
    assert second.get("/api/v1/machines?q=4090").status_code == 200


def test_addresses_of_one_network_count_as_one(hosted):
    from advisor.web.limits import address_of

    known = {address_of({"client": (f"2001:db8:1:2::{last:x}", 1)}) for last in range(1, 50)}
    assert known == {"2001:db8:1:2::/64"}
    assert address_of({"client": ("::ffff:192.0.2.1", 1)}) == address_of({"client": ("192.0.2.1", 1)}) == "192.0.2.1"
    assert address_of({"client": None}) == ""


def test_at_home_nobody_is_counted():
    visitor = client()
    assert {visitor.get("/api/v1/machines/rtx-4090").status_code for _ in range(150)} == {200}


def test_guessed_ids_find_nothing_and_are_soon_refused(hosted):
    hosted(ADVISOR_RATE_PER_MINUTE="60")
    kept = store().add(measured())
    visitor = client()
    near = [
        kept.id[:-1] + letter for letter in "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz" if letter != kept.id[-1]
    ]
    answers = [visitor.get(f"/r/{id_}").status_code for id_ in near * 2]
    assert set(answers) == {404, 429}
    assert answers.count(404) <= 60


def test_words_that_are_no_methods_fill_no_memory():
    """Each new one had a row of its own in the metrics for ever."""
    visitor = client()
    for number in range(3):
        assert visitor.request(f"BREW{number}", "/api/v1/health").status_code == 405
    said = METRICS.text()
    assert b"BREW" not in said
    assert b'{method="other",route="api health",status="405"}' in said


def test_pages_of_one_address_are_bounded():
    async def page(_scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    visitor = TestClient(Limits(page, Settings(hosted=True, sessions_per_address=2)))
    with visitor.websocket_connect("/_stcore/stream"), visitor.websocket_connect("/_stcore/stream"):
        with pytest.raises(WebSocketDisconnect) as refused, visitor.websocket_connect("/_stcore/stream"):
            pass
        assert refused.value.code == 1013
    # Closed pages count no more.
    with visitor.websocket_connect("/_stcore/stream"):
        pass


def test_a_body_that_does_not_come_is_given_up():
    sent = []

    async def never():
        await anyio.sleep(60)

    async def keep(message):
        sent.append(message)

    async def app(_scope, receive, _send):
        await receive()

    layer = Limits(app, Settings(), body_seconds=0.05)
    headers = [(b"host", b"x"), (b"content-length", b"10")]
    scope = {"type": "http", "path": "/api/v1/estimate", "method": "POST", "headers": headers, "client": ("192.0.2.1", 1)}
    # A loop in a thread of its own: the browser's tests keep one running in this thread.
    with start_blocking_portal() as loop:
        loop.call(layer, scope, never, keep)
    assert sent[0]["status"] == 408


# --- paths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/r/../../../etc/passwd",
        "/r/..%2f..%2f..%2fetc%2fpasswd",
        "/r/%2e%2e/%2e%2e/etc/passwd",
        "/r/etc%2fpasswd.json",
        "/r/x.png%00.html",
        "/r/....//....//etc/passwd",
        "/api/v1/machines/..%2f..%2fpyproject",
        "/api/v1/machines/%2fetc%2fpasswd",
        "/api/v1/reports/..%2f..%2fetc%2fpasswd",
        "/api/v1/../../etc/passwd",
        "/api/v1/reports/%0a",
    ],
)
def test_no_path_leads_to_a_file(path):
    answer = client().get(path)
    assert answer.status_code in (400, 404)
    assert "root:" not in answer.text
    assert "advisor" not in answer.text.lower().replace("advisor verify", "")


# --- settings ---------------------------------------------------------------------------------------------------


def test_settings_of_the_environment():
    found = from_environment(
        {
            "ADVISOR_HOSTED": "1",
            "ADVISOR_BASE_URL": "https://headroom.example/",
            "ADVISOR_ALLOWED_HOSTS": "a.example, b.example",
            "ADVISOR_TRUSTED_PROXIES": "10.0.0.5/24, ::1",
            "ADVISOR_RATE_PER_MINUTE": "30",
            "ADVISOR_DATABASE_URL": "postgresql://x/y",
        }
    )
    assert found == Settings(
        hosted=True,
        database_url="postgresql://x/y",
        base_url="https://headroom.example",
        allowed_hosts=("a.example", "b.example", "headroom.example"),
        trusted_proxies=("10.0.0.0/24", "::1"),
        rate_per_minute=30,
    )
    assert from_environment({}) == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ADVISOR_BASE_URL", "headroom.example"),
        ("ADVISOR_BASE_URL", "javascript:alert(1)"),
        ("ADVISOR_BASE_URL", "https://user:secret@headroom.example"),
        ("ADVISOR_TRUSTED_PROXIES", "everyone"),
        ("ADVISOR_RATE_PER_MINUTE", "-1"),
        ("ADVISOR_RATE_PER_MINUTE", "many"),
        ("ADVISOR_SESSIONS_PER_ADDRESS", "0"),
    ],
)
def test_settings_that_cannot_be_are_said(name, value):
    with pytest.raises(QuestionError, match=name):
        from_environment({name: value})
