"""Reports and the community on pages: shown, taken in, compared, deleted; from a plan to its report."""

import json

import pytest

from advisor.reports import store as store_module
from advisor.reports.store import store
from advisor.settings import settings
from tests.pages.conftest import plain
from tests.reports.examples import measured, planned, run_document


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("ADVISOR_DATABASE_URL", f"sqlite:///{tmp_path / 'reports.sqlite'}")
    settings.cache_clear()
    store_module.store.cache_clear()
    yield
    store_module.store.cache_clear()
    settings.cache_clear()


def texts(app):
    return plain("\n".join([*(text.value for text in app.at.markdown), *(text.value for text in app.at.caption)]))


def test_a_report_is_shown_by_its_address(app):
    id_ = store().add(measured()).id
    app.open("report", id=id_)
    assert app.heading == "Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 4090"
    assert "120 tokens/s measured, 115 predicted" in texts(app)
    assert ["Generation, tokens/s", "115 (98 to 132)", "120 (118 to 121)", "+4.3 %"] in app.component("columns")["rows"]
    assert any(f"/r/{id_}" in code.value for code in app.at.code)
    assert app.address["id"] == id_


def test_a_link_is_as_good_as_an_id(app):
    id_ = store().add(planned()).id
    app.open("report", id=f"https://headroom.example/r/{id_}")
    assert app.heading == "Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 4090"


@pytest.mark.parametrize("id_", ["2" * 16, "<b>x</b>", "../../etc/passwd"])
def test_no_report_is_a_sentence(app, id_):
    app.open("report", id=id_)
    assert app.heading == "No report"
    assert "There is no report with this link" in app.captions


def test_one_is_taken_in_by_paste(app):
    app.open("report")
    app.at.text_area(key="report:paste").set_value(json.dumps(run_document()))
    app.run()
    app.at.button(key="report:take").click()
    app.run()
    assert app.heading == "Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 4090"
    assert "This token deletes it" in texts(app)
    [row] = store().summaries(listed_only=False)
    assert not row.listed


def test_what_is_no_report_is_said_and_not_kept(app):
    app.open("report")
    app.at.text_area(key="report:paste").set_value('{"schema_version": 1}')
    app.run()
    app.at.button(key="report:take").click()
    app.run()
    assert "not a report of Headroom" in app.warnings[0]
    assert store().count(listed_only=False) == 0


def test_its_token_deletes_it_and_another_does_not(app):
    kept, other = store().add(measured()), store().add(planned())
    app.open("report", id=kept.id)
    app.at.text_input(key="report:token").set_value(other.token)
    app.run()
    app.at.button(key="report:delete").click()
    app.run()
    assert app.warnings == ["This is not the token of this report."]
    app.at.text_input(key="report:token").set_value(kept.token)
    app.run()
    app.at.button(key="report:delete").click()
    app.run()
    assert app.heading == "Reports"
    assert [row.id for row in store().summaries(listed_only=False)] == [other.id]


def test_reports_stand_side_by_side(app):
    slow, fast = store().add(measured(machine="rtx-3090", tps=80.0)), store().add(measured(tps=120.0))
    app.open("report", id=fast.id, beside=slow.id)
    assert "generates 1.5 times as fast as Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 3090" in texts(app)
    assert app.address["beside"] == slow.id


def test_a_plan_becomes_a_report(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", ram_gib="64")
    app.at.text_input(key="model:note").set_value("Mine")
    app.run()
    app.at.button(key="model:share").click()
    app.run()
    [row] = store().summaries(listed_only=False)
    assert (row.machine, row.model, row.generate_tps) == ("rtx-4090", "llama-3.1-8b", None)
    assert store().get(row.id).report.note == "Mine"
    assert app.heading == "Llama 3.1 8B Q4_K_M on NVIDIA GeForce RTX 4090"


def test_the_community_shows_what_was_measured(app):
    for speed in (118.0, 121.0, 119.0, 122.0, 60.0):
        store().add(measured(tps=speed), listed=True)
    store().add(measured(machine="rtx-3090", tps=80.0), listed=True)
    store().add(planned())
    app.open("community")
    assert app.heading == "6 measured speeds of 2 machines"
    rows = app.component("find")["rows"]
    assert [row[-1] for row in rows if row[-1]] == ["The others of its kind measured about 119 tokens/s."]
    assert len(app.at.get("plotly_chart")) == 2
    app.at.selectbox(key="community:machine").set_value("rtx-3090")
    app.run()
    assert len(app.component("find")["rows"]) == 1
    assert app.address == {"machine": "rtx-3090"}


def test_an_empty_community_says_what_to_do(app):
    app.open("community")
    assert app.heading == "No measured speed yet"


def test_hosted_it_shows_only_listed_ones(app, monkeypatch):
    monkeypatch.setenv("ADVISOR_HOSTED", "1")
    settings.cache_clear()
    store().add(measured())
    app.open("community")
    assert app.heading == "No measured speed yet"
    app.open("report")
    assert not [text for text in app.at.markdown if "kept on this computer" in text.value]
    assert "find" not in json.dumps([element.proto.json for element in app.at.get("bidi_component")])


def test_an_address_that_asks_about_what_no_report_is_of_is_answered_in_a_sentence(app):
    store().add(measured(), listed=True)
    app.open("community", machine="abacus", model="llama-3.1-8b")
    assert app.warnings == ['No report is of "abacus". Shown instead: all.']
    assert app.heading == "1 measured speed of 1 machine"
    assert app.address == {"model": "llama-3.1-8b"}


def test_a_plan_has_no_column_of_unknown_measurements(app):
    app.open("report", id=store().add(planned()).id)
    (shown,) = (data for data in tables(app) if "Predicted" in data["columns"])
    assert shown["columns"] == ["", "Predicted"]
    assert ["KV cache", "1.00 GiB"] in shown["rows"]


def tables(app):
    found = [json.loads(element.proto.json) for element in app.at.get("bidi_component") if element.proto.json]
    return [data for data in found if "columns" in data]
