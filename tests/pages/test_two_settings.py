"""Two settings on the Model page: kept by a click, made by the knobs, both in the address, and no trace of them before."""

import json

import pytest

from tests.pages.conftest import App, plain

FIRST = {"model": "llama-3.1-8b", "quant": "Q4_K_M", "context": "8192", "machine": "rtx-4090", "ram_gib": "64"}
KEPT = "model=llama-3.1-8b&quant=Q4_K_M&context=8192"


def compared(app: App) -> dict[str, list[str]]:
    """The rows of the table of both; empty where nothing is compared."""
    tables = [data for data in components(app) if data.get("columns", [])[:3] == ["What", "A", "B"]]
    return {row[0]: row[1:] for table in tables for row in table["rows"]}


def components(app: App) -> list[dict]:
    return [json.loads(element.proto.json) for element in app.at.get("bidi_component") if element.proto.json]


def figures(app: App) -> list[str]:
    return [drawn.proto.alt for drawn in app.at.get("plotly_chart")]


def test_a_click_keeps_a_and_the_knobs_make_b(app: App) -> None:
    app.open("model", **FIRST)
    before = figures(app)
    assert compared(app) == {}
    app.at.button(key="model:compare").click()
    app.run()
    assert app.address == {**FIRST, "beside": KEPT}
    assert compared(app)["Memory in all"][2] == "the same"
    app.at.select_slider(key="run:context").set_value(32768)
    app.run()
    assert app.address == {**FIRST, "context": "32768", "beside": KEPT}
    assert compared(app)["Context"] == ["8k", "32k", ""]
    assert compared(app)["KV cache"] == ["1.00 GiB", "4.00 GiB", "+3.00 GiB"]
    assert "B takes 3.05 GiB more than A: KV cache +3.00 GiB, compute buffers +48.0 MiB." in app.reasons
    assert [alt for alt in figures(app) if alt.startswith("Two settings side by side. A: ")]
    app.at.button(key="model:alone").click()
    app.run()
    assert "beside" not in app.address
    assert compared(app) == {}
    assert len(figures(app)) == len(before)


def test_the_address_brings_both_back(app: App) -> None:
    app.open("model", **{**FIRST, "quant": "Q8_0"}, beside=KEPT)
    assert compared(app)["File"] == ["Q4_K_M", "Q8_0", ""]
    assert app.address == {**FIRST, "quant": "Q8_0", "beside": KEPT}


def test_another_model_or_file_says_what_its_answers_are_worth(app: App) -> None:
    """The question of whoever has 64 GB: a large model in few bits or a smaller one in many."""
    asked = {"model": "llama-3.3-70b", "quant": "Q4_K_M", "context": "8192", "machine": "m3-max-40", "memory_gib": "64"}
    app.open("model", **asked, beside="model=qwen3-32b&quant=Q8_0&context=8192")
    shown = compared(app)
    few, many = (float(said) for said in shown["Lost by quantizing (KLD)"][1::-1])
    assert few > 5 * many > 0
    scores = [float(said.partition(" (")[0]) for said in shown["Score for chat"][:2]]
    assert shown["Score for chat"][2] == f"{scores[1] - scores[0]:+.0f}".replace("-", "\N{MINUS SIGN}")
    assert "50 is the mean of all models" in app.captions


def test_the_same_file_with_other_settings_is_worth_the_same(app: App) -> None:
    app.open("model", **{**FIRST, "context": "32768"}, beside=KEPT)
    assert "Score for chat" not in compared(app)
    assert "50 is the mean" not in app.captions


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ("model=no-such-model", 'There is no model "no-such-model"'),
        ("context=8192", '"model" is missing'),
        ("model=llama-3.1-8b&context=-1", "is not right"),
        ("model=someone/some-GGUF:Q4_K_M", "is a model of the hub; choose it once under Hub"),
        ("model=/no/such/file.gguf", "is not there"),
        ("<script>", '"model" is missing'),
    ],
)
def test_a_setting_that_cannot_be_is_said_and_the_other_shown(app: App, beside: str, said: str) -> None:
    app.open("model", **FIRST, beside=beside)
    assert app.heading.startswith("Fits, with ")
    assert said.lower() in app.captions.lower()
    assert "A cannot be planned: " in app.captions
    assert compared(app) == {}
    assert plain(app.at.button(key="model:alone").label) == "Stop comparing"


def test_another_machine_is_the_machine_of_both(app: App) -> None:
    app.open("model", **{**FIRST, "context": "32768"}, beside=KEPT)
    app.at.selectbox(key="machine:name").set_value("rtx-3060-12gb")
    app.run()
    assert compared(app)["Longest context that fits"][0] == compared(app)["Longest context that fits"][1]
    assert "RTX 3060" in next(alt for alt in figures(app) if alt.startswith("Two settings"))
    assert "RTX 4090" not in next(alt for alt in figures(app) if alt.startswith("Two settings"))


def test_a_program_of_another_kind_beside(app: App) -> None:
    app.open("model", **{**FIRST, "quant": "awq-4bit"}, runtime="vllm", beside=KEPT)
    assert compared(app)["Program"] == ["llama-server", "vllm", ""]
