import re
import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from advisor import serve
from advisor.errors import MissingPartError, QuestionError
from tests import serving

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def taken():
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a server that was started in a folder without any of our files; it logs to a file."""
    folder = tmp_path_factory.mktemp("elsewhere")
    with serving.serving(folder) as address:
        yield urlsplit(address).port


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.status, answer.read()


def test_answers_as_soon_as_the_address_is_printed(server):
    assert get(server, "/_stcore/health") == (200, b"ok")
    status, page = get(server, "/model")
    assert status == 200
    assert b"<html" in page


def test_fonts_come_from_here(server):
    status, font = get(server, "/app/static/inter.woff2")
    assert (status, font[:4]) == (200, b"wOF2")


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 101), ("localhost", 101), ("evil.example", 400)])
def test_only_own_names_may_open_a_session(server, host, status):
    """A page elsewhere whose name was rebound to 127.0.0.1 must not reach an app that reads local files."""
    request = (
        f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}:{server}\r\nOrigin: http://{host}:{server}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(64).decode()
    assert int(re.match(r"HTTP/1.1 (\d+)", answer)[1]) == status


def test_a_chosen_port_that_is_taken_is_an_error(taken):
    with pytest.raises(QuestionError, match=f"port {taken} of 127.0.0.1 is taken"):
        serve.choose_port("127.0.0.1", taken)


def test_the_usual_port_gives_way_to_the_next(taken, monkeypatch):
    monkeypatch.setattr(serve, "PORT", taken)
    assert taken < serve.choose_port("127.0.0.1", None) < taken + 20


def test_no_port_at_all_says_how(taken, monkeypatch):
    monkeypatch.setattr(serve, "PORT", taken)
    monkeypatch.setattr(serve, "_PORTS_TRIED", 1)
    with pytest.raises(QuestionError, match="--port"):
        serve.choose_port("127.0.0.1", None)


@pytest.mark.parametrize("host", ["192.0.2.7", "no such host"])
def test_an_address_of_another_machine_is_an_error(host, monkeypatch):
    # No resolver is asked in a test.
    real = socket.getaddrinfo
    monkeypatch.setattr(
        serve.socket, "getaddrinfo", lambda name, *rest, **more: real(name, *rest, **more, flags=socket.AI_NUMERICHOST)
    )
    with pytest.raises(QuestionError, match="not an address of this machine"):
        serve.choose_port(host, 8600)


def test_options_are_those_of_the_file_and_the_address():
    options = serve.server_options("127.0.0.1", 8600, hosted=False)
    assert (options["server.address"], options["server.port"]) == ("127.0.0.1", 8600)
    assert options["server.allowedHosts"] == ["127.0.0.1", "localhost"]
    assert options["browser.gatherUsageStats"] is False
    assert options["runner.postScriptGC"] is False
    # Tables within the theme become names of their own, lists of tables stay as they are.
    assert options["theme.light.primaryColor"].startswith("#")
    assert options["theme.fontFaces"][0]["family"] == "Inter"


def test_a_server_for_the_network_answers_to_its_own_names_too():
    allowed = serve.server_options("0.0.0.0", 8600, hosted=False)["server.allowedHosts"]
    assert {"127.0.0.1", "localhost", socket.gethostname()} <= set(allowed)


def test_hosted_answers_to_its_public_name(monkeypatch):
    monkeypatch.setenv("ADVISOR_BASE_URL", "https://headroom.example")
    monkeypatch.setenv("ADVISOR_ALLOWED_HOSTS", "other.example, third.example")
    serve.settings.cache_clear()
    try:
        options = serve.server_options("0.0.0.0", 8600, hosted=True)
    finally:
        monkeypatch.undo()
        serve.settings.cache_clear()
    assert {"headroom.example", "other.example", "third.example"} <= set(options["server.allowedHosts"])
    assert options["server.maxUploadSize"] == 2


def test_missing_settings_are_said(monkeypatch, tmp_path):
    monkeypatch.setattr(serve, "streamlit_folder", lambda: tmp_path)
    with pytest.raises(MissingPartError, match=r"config\.toml is missing"):
        serve.server_options("127.0.0.1", 8600, hosted=False)
