import json

import pytest

from advisor.accuracy import evaluate
from advisor.accuracy.published import peers, published
from advisor.paths import pages_folder


@pytest.fixture
def page(app):
    def opened(**query):
        app.at.run()
        app.at.switch_page(str(pages_folder() / "accuracy.py"))
        for name in list(app.at.query_params):
            del app.at.query_params[name]
        for name, value in query.items():
            app.at.query_params[name] = value
        return app.run()

    return opened


def tables(app):
    found = (json.loads(element.proto.json) for element in app.at.get("bidi_component") if element.proto.json)
    return [data for data in found if "columns" in data]


def cases(app):
    return next(data for data in tables(app) if data["columns"][-2:] == ["Error", "Log"])


def read(heading):
    return heading.replace("\N{NO-BREAK SPACE}", " ")


def test_the_answer_comes_first(page):
    app = page()
    totals = published().rows("total")
    assert read(app.heading).startswith(f"Of {len(totals)} memory totals printed by llama.cpp in public logs, ")
    assert "predicted to the last digit and 95 % within" in read(app.heading)
    assert app.address == {}


def test_opening_it_evaluates_nothing(page, monkeypatch):
    def refuse(*_):
        raise AssertionError("evaluated while a page was drawn")

    monkeypatch.setattr(evaluate, "evaluate", refuse)
    monkeypatch.setattr("advisor.accuracy.rebuild.predict", refuse)
    page(component="compute")


def test_the_address_chooses_component_and_backend(page):
    app = page(component="Compute", backend="ROCm")
    assert "compute buffers" in app.heading
    assert "in public logs of ROCm" in app.heading
    assert app.address == {"component": "compute", "backend": "rocm"}
    assert {row[2] for row in cases(app)["rows"]} == {"ROCm"}
    assert app.at.session_state["accuracy:component"] == "compute"


def test_what_is_clicked_goes_into_the_address_and_back_out(page):
    app = page(component="compute")
    app.at.session_state["accuracy:component"] = "kv_cache"
    app.at.session_state["accuracy:backend"] = "cuda"
    app.run()
    assert app.address == {"component": "kv_cache", "backend": "cuda"}
    assert "KV caches" in app.heading
    app.at.session_state["accuracy:component"] = "total"
    app.at.session_state["accuracy:backend"] = "all"
    app.run()
    assert app.address == {}


def test_a_click_counts_more_than_the_address_of_before(page):
    app = page(component="compute")
    app.at.session_state["accuracy:component"] = "weights"
    app.at.query_params["component"] = "output"
    app.run()
    assert "sizes of weights" in app.heading


def test_the_choice_is_kept_while_other_pages_are_looked_at(page, app):
    page(component="compute", backend="vulkan")
    app.go("machine")
    assert "component" not in app.address
    page()
    assert "in public logs of Vulkan" in app.heading
    assert app.address == {"component": "compute", "backend": "vulkan"}


def test_the_engines_plans_are_a_choice(page, app):
    known = published()
    page()
    assert app.heading.startswith(f"Of {len(known.rows('total'))} ")
    app.at.session_state["accuracy:grade"] = "engine"
    app.run()
    assert app.heading.startswith(f"Of {len(known.rows('total', grade='engine'))} memory totals")
    assert app.address == {"grade": "engine"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"component": "soul"}, 'component "soul" is not right'),
        ({"backend": "abacus"}, 'backend "abacus" is not right'),
        ({"backend": "sycl"}, "there is no log of sycl"),
        ({"machine": "rtx-4090"}, 'there is no option "machine"'),
    ],
)
def test_a_wrong_address_is_said_and_the_totals_are_shown(page, query, said):
    app = page(**query)
    assert len(app.warnings) == 1
    assert said in app.warnings[0]
    assert "memory totals" in app.heading


def test_cases_come_worst_first_with_a_link_to_the_log(page):
    rows = published().rows("total")
    shown = cases(page())["rows"]
    assert len(shown) == len(rows)
    assert shown[0][-1] == {"text": rows[0].case.source, "href": rows[0].case.url}
    assert rows[0].case.url.startswith("https://github.com/")
    assert shown[-1][-2] == "exact"


def test_what_was_not_counted_quotes_the_log(page):
    table = next(data for data in tables(page()) if "Why" in data["columns"])
    assert len(table["rows"]) == len(published().excluded())
    assert any('"offloaded 95/95 layers to GPU"' in row[2] for row in table["rows"])
    assert {row[1] for row in table["rows"]} >= {"Weights", "Compute buffers", "All of it", "Weights in system memory"}


def test_a_choice_without_numbers_says_so(page):
    app = page(component="total", backend="cann")
    assert app.heading == "No memory total in public logs of CANN to compare with"
    assert "Choose another component or backend" in app.captions
    assert not app.at.get("plotly_chart")


def test_other_programs_stand_beside_ours(page):
    shown = [data for data in tables(page()) if data["rows"] and data["rows"][0][0] == "Headroom"]
    assert [data["columns"][0] for data in shown] == ["At 8k tokens", "At 32k tokens"]
    for data in shown:
        assert [row[0] for row in data["rows"]] == ["Headroom", *(peer.name for peer in peers())]
        assert all(cell.endswith(" %") or cell == "no answer" for row in data["rows"] for cell in row[1:])


def test_the_figure_is_there_as_text_too(page):
    chart = page().at.get("plotly_chart")[0].proto
    assert "Errors of the prediction by architecture and backend." in str(chart)


def test_limits_are_in_plain_sight(page):
    app = page()
    assert "What the driver takes." in app.reasons
    assert "Hexagon" in app.reasons
