"""The hosted server as it runs: whose request it is, and what a page elsewhere or a crafted path gets."""

import socket

import httpx
import pytest

from tests import serving


def answers(address, count=8):
    """What as many visitors get who each claim an address of their own."""
    found = []
    with httpx.Client() as visitor:
        for number in range(count):
            headers = {"x-forwarded-for": f"203.0.113.{number}", "x-real-ip": f"203.0.113.{number}"}
            found.append(visitor.get(f"{address}/api/v1/machines/rtx-4090", headers=headers).status_code)
    return found


def test_nobody_gives_himself_another_address(tmp_path):
    with serving.hosted(tmp_path, ADVISOR_RATE_PER_MINUTE="5") as address:
        assert answers(address) == [200] * 5 + [429] * 3


def test_a_trusted_proxy_says_whose_request_it_is(tmp_path):
    with serving.hosted(tmp_path, ADVISOR_RATE_PER_MINUTE="5", ADVISOR_TRUSTED_PROXIES="127.0.0.0/8") as address:
        assert answers(address) == [200] * 8
        for number, status in enumerate([200] * 4 + [429] * 2):
            # What a visitor wrote before the proxy's own entry is not believed.
            headers = {"x-forwarded-for": f"198.51.100.{number}, 203.0.113.1"}
            assert httpx.get(f"{address}/api/v1/machines/rtx-4090", headers=headers).status_code == status


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving.hosted(tmp_path_factory.mktemp("hosted"), ADVISOR_RATE_PER_MINUTE="10000") as found:
        yield found


@pytest.mark.parametrize("origin", ["http://evil.example", "https://evil.example", "null"])
def test_a_page_elsewhere_opens_no_session(address, origin):
    host = address.removeprefix("http://")
    request = (
        f"GET /_stcore/stream HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(request.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 403")


@pytest.mark.parametrize(
    "path",
    [
        "/app/static/../../../../../../etc/passwd",
        "/app/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/app/static/%2e%2e/%2e%2e/pyproject.toml",
        "/app/static/....//....//pyproject.toml",
        "/app/static/%00",
        "//etc/passwd",
        "/component/..%2f..%2fetc/passwd",
        "/media/..%2f..%2fetc%2fpasswd",
        "/r/..%2f..%2fetc%2fpasswd",
        "/api/v1/machines/..%2f..%2fetc%2fpasswd",
    ],
)
def test_no_path_leads_to_a_file_of_the_host(address, path):
    host = address.removeprefix("http://")
    # By hand: clients tidy up such paths.
    with socket.create_connection(("127.0.0.1", int(host.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        whole = b""
        while more := connection.recv(65536):
            whole += more
    assert b"root:" not in whole
    assert b"build-backend" not in whole


def test_every_answer_has_the_headers_that_browsers_heed(address):
    for path in ("/", "/api/v1/health", "/_stcore/health", "/app/static/icon.svg"):
        headers = httpx.get(address + path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert "access-control-allow-origin" not in headers or headers["access-control-allow-origin"] != "*" or "static" in path


def test_an_upload_without_a_session_is_refused(address):
    answer = httpx.put(f"{address}/_stcore/upload_file/guess/guess", files={"file": b"x" * 3_000_000})
    assert answer.status_code in (400, 403, 413)
