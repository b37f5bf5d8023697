"""Scripts of the frontend, compressed."""

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from advisor.web.compressed import Compressed

SCRIPT = "export const answer = 42;\n" * 500


@pytest.fixture
def asked():
    """The paths that came through to the server."""
    return []


@pytest.fixture
def client(asked):
    async def script(request):
        asked.append(request.url.path)
        if request.headers.get("if-none-match"):
            return Response(status_code=304)
        if request.path_params["name"] == "missing.js":
            return PlainTextResponse("not here", status_code=404)
        headers = {"cache-control": "public, immutable, max-age=31536000", "etag": '"1"'}
        return Response(SCRIPT, media_type="text/javascript", headers=headers)

    app = Starlette(routes=[Route("/static/js/{name}", script), Route("/api/{name}", script)])
    return TestClient(Compressed(app))


def test_a_script_is_sent_small_and_whole(client):
    answer = client.get("/static/js/index.js", headers={"accept-encoding": "gzip, br"})
    assert answer.text == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < len(SCRIPT) / 10
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, immutable, max-age=31536000"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "etag" not in answer.headers


def test_it_is_compressed_once(client, asked):
    for _ in range(3):
        assert client.get("/static/js/index.js", headers={"accept-encoding": "gzip"}).text == SCRIPT
    assert asked == ["/static/js/index.js"]


def test_a_browser_that_has_it_does_not_spoil_what_is_kept(client):
    headers = {"accept-encoding": "gzip", "if-none-match": '"1"'}
    assert client.get("/static/js/index.js", headers=headers).text == SCRIPT


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/static/js/index.js", {"accept-encoding": "identity"}),
        ("/static/js/index.js", {"accept-encoding": "gzip", "range": "bytes=0-9"}),
        ("/static/js/font.woff2", {"accept-encoding": "gzip"}),
        ("/api/index.js", {"accept-encoding": "gzip"}),
    ],
)
def test_everything_else_passes_as_it_is(client, path, headers):
    answer = client.get(path, headers=headers)
    assert answer.text == SCRIPT
    assert "content-encoding" not in answer.headers


def test_what_is_not_there_is_not_kept(client, asked):
    for _ in range(2):
        answer = client.get("/static/js/missing.js", headers={"accept-encoding": "gzip"})
        assert (answer.status_code, answer.text) == (404, "not here")
    assert len(asked) == 2
