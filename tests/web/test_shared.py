"""Shared reports as pages of their own, and the answers of the API that the OpenAPI document does not promise."""

import io
import json
import re
import threading
from html.parser import HTMLParser

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from PIL import Image

from advisor.reports.store import store
from advisor.reports.stored import parsed
from advisor.web.work import Busy, Work
from tests.command import advisor
from tests.reports.examples import measured, planned, run_document
from tests.web.site import HOST, client


class Page(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def meta(self, name):
        return next(
            found["content"] for tag, found in self.tags if tag == "meta" and name in (found.get("property"), found.get("name"))
        )


@pytest.fixture
def shared():
    """The id of a kept run."""
    return store().add(measured(), listed=True).id


def test_a_report_has_a_page_with_a_preview(shared):
    answer = client().get(f"/r/{shared}")
    page = Page(answer.text)
    link = f"http://{HOST}/r/{shared}"
    assert page.meta("og:title") == "Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 4090"
    assert page.meta("og:description") == "120 tokens/s measured, 115 predicted"
    assert (page.meta("og:url"), page.meta("og:image")) == (link, f"{link}.png")
    assert ("a", {"class": "open", "href": f"/report?id={shared}"}) in page.tags
    assert not [tag for tag, _ in page.tags if tag == "script"]
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_its_links_are_those_that_visitors_type(shared, hosted):
    hosted(ADVISOR_BASE_URL="https://headroom.example")
    page = Page(client().get(f"/r/{shared}", headers={"host": HOST}).text)
    assert page.meta("og:image") == f"https://headroom.example/r/{shared}.png"


def test_the_picture_is_what_previews_want(shared):
    answer = client().get(f"/r/{shared}.png")
    image = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["content-type"], image.format, image.size) == ("image/png", "PNG", (1200, 630))
    assert len(answer.content) < 200_000
    # The large number is in our green, the ground is not empty.
    colours = {colour for _, colour in image.convert("RGB").getcolors(2**20)}
    assert {(0x0F, 0x76, 0x6E), (0xFC, 0xFC, 0xFB), (0xD0, 0x8A, 0x3C)} <= colours
    other = store().add(planned()).id
    assert client().get(f"/r/{other}.png").content != answer.content


def test_the_other_forms(shared):
    visitor = client()
    text = visitor.get(f"/r/{shared}.md").text
    assert text.startswith("## Llama 3.1 8B Q4\\_K\\_M on NVIDIA GeForce RTX 4090\n\n**120 tokens/s measured, 115 predicted**")
    assert "| Generation, tokens/s | 115 \\(98 to 132\\) | 120 \\(118 to 121\\) | \\+4.3 % |" in text
    assert parsed(visitor.get(f"/r/{shared}.json").text) == measured()
    badge = visitor.get(f"/r/{shared}.svg")
    assert badge.headers["content-type"] == "image/svg+xml"
    assert "120 tokens/s measured" in badge.text
    assert visitor.get(f"/r/{shared}.exe").status_code == 404


def test_a_deleted_report_is_gone_everywhere(shared):
    visitor = client()
    assert visitor.get(f"/r/{shared}.png").status_code == 200
    store().remove(shared)
    assert {visitor.get(f"/r/{shared}{ending}").status_code for ending in ("", ".png", ".md", ".json", ".svg")} == {404}


def test_shared_listed_deleted_by_the_api():
    visitor = client()
    made = visitor.post("/api/v1/reports?listed=true", json=run_document())
    assert made.status_code == 201
    said = made.json()
    assert said["link"] == f"http://{HOST}/r/{said['id']}"
    [row] = visitor.get("/api/v1/reports").json()["reports"]
    assert (row["id"], row["generate_tps"], row["machine"]) == (said["id"], 120.0, "rtx-4090")
    assert visitor.get(f"/api/v1/reports/{said['id']}").json() == json.loads(measured().model_dump_json())
    path = f"/api/v1/reports/{said['id']}"
    assert visitor.delete(path, headers={"x-delete-token": "guess"}).status_code == 404
    assert visitor.delete(path).status_code == 422
    assert visitor.delete(path, headers={"x-delete-token": said["delete_token"]}).status_code == 204
    assert visitor.get(path).status_code == 404


def test_the_lists_as_files():
    import pyarrow.parquet

    store().add(measured(), listed=True)
    visitor = client()
    rows = visitor.get("/api/v1/reports.csv").text.splitlines()
    assert rows[0].startswith("id,created_at,machine,machine_name,gpus,model")
    assert ",rtx-4090,NVIDIA GeForce RTX 4090,1,llama-3.1-8b,Llama 3.1 8B,Q4_K_M," in rows[1]
    table = pyarrow.parquet.read_table(io.BytesIO(visitor.get("/api/v1/reports.parquet").content))
    assert table.to_pylist()[0]["generate_tps"] == 120.0
    assert table.schema.field("context").type == "int64"


def test_a_name_is_no_formula_for_a_spreadsheet():
    evil = measured().model_dump()
    evil["model"]["name"], evil["model"]["id"] = "=HYPERLINK(1)", None
    store().add(parsed(json.dumps(evil, default=str)), listed=True)
    assert re.search(r",'=HYPERLINK\(1\),", client().get("/api/v1/reports.csv").text)


def test_answers_are_those_of_the_commands():
    question = {"model": "llama-3.1-8b", "quant": "Q4_K_M", "machine": "rtx-4090", "context": 8192}
    answer = client().post("/api/v1/estimate", json=question).json()
    done = advisor("estimate", "llama-3.1-8b", "--quant", "Q4_K_M", "--machine", "rtx-4090", "--context", "8192", "--json")
    assert answer == json.loads(done.out)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"model": "llama-3.1-8b", "gpus": "x"}, 422, 'gpus "x" is not right: it must be a whole number'),
        ({"model": "llama-3.1-8b", "surprise": 1}, 422, 'there is no option "surprise"'),
        ({}, 422, '"model" is missing'),
        ({"model": "no-such-model-anywhere"}, 422, "no-such-model-anywhere"),
        ([], 422, "dictionary"),
    ],
)
def test_what_is_wrong_is_one_sentence(body, status, said):
    answer = client().post("/api/v1/estimate", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_without_its_database_it_says_so(monkeypatch):
    monkeypatch.setattr(type(store()), "answers", lambda _: False)
    answer = client().get("/api/v1/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "no database")


def test_a_broken_database_is_an_answer():
    from sqlalchemy import text

    with store().engine.begin() as connection:
        connection.execute(text("drop table reports"))
    for path in ("/api/v1/reports", "/api/v1/reports/2222222222222222", "/r/2222222222222222"):
        answer = client().get(path)
        assert answer.status_code == 503
        assert "database of reports" in answer.text


def test_too_much_at_once_is_refused():
    """Also where all come in the same moment, before any of them has reached its thread."""
    all_asked = threading.Event()

    async def crowd():
        work, refused = Work(at_once=1, waiting=2, seconds=60), 0

        async def one():
            nonlocal refused
            try:
                await work.run(all_asked.wait, 30)
            except Busy:
                refused += 1

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(one)
            with anyio.move_on_after(30):
                while refused < 3:
                    await anyio.sleep(0.01)
            all_asked.set()
        return refused

    # A loop in a thread of its own: the browser's tests keep one running in this thread.
    with start_blocking_portal() as loop:
        assert loop.call(crowd) == 3


def test_a_place_is_free_again_once_nothing_holds_it():
    release = threading.Event()

    async def questions():
        work = Work(at_once=1, waiting=1, seconds=0.05)
        with pytest.raises(Busy):
            await work.run(release.wait, 30)  # its thread goes on and holds a place
        for _ in range(3):
            with pytest.raises(Busy):
                await work.run(release.wait, 30)  # given up before it began
        release.set()
        with anyio.fail_after(30):
            while True:
                try:
                    return await work.run(lambda: "answered")
                except Busy:
                    await anyio.sleep(0.01)

    with start_blocking_portal() as loop:
        assert loop.call(questions) == "answered"


@pytest.mark.parametrize(
    ("asked", "sent"), [("/fit", "./"), ("/fit?machine=rtx-4090&context=8192", "./?machine=rtx-4090&context=8192")]
)
def test_the_first_page_is_there_by_its_name_too(asked, sent):
    answer = client().get(asked, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, sent)
