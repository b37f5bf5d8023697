"""The recommendation's page: what an address asks for is what the knobs show and what is answered."""

import pytest

MACHINE = {"machine": "rtx-4090", "ram_gib": "64"}


def shown(app, key):
    return app.at.session_state[f"recommendation:{key}"]


def test_the_file_of_an_address_is_kept_and_shown(app):
    app.open("recommendation", model="llama-3.1-8b", quant="q5_k_m", purpose="chat", **MACHINE)
    assert app.heading == "Run Llama 3.1 8B in Q5_K_M"
    assert (shown(app, "model"), shown(app, "quant")) == ("llama-3.1-8b", "Q5_K_M")
    assert app.address == {**MACHINE, "model": "llama-3.1-8b", "quant": "Q5_K_M"}
    app.at.selectbox(key="recommendation:quant").set_value("")
    app.run()
    assert app.heading == "Run Llama 3.1 8B in Q8_0"
    assert app.address == {**MACHINE, "model": "llama-3.1-8b"}


def test_a_file_behind_the_name_of_a_model(app):
    app.open("recommendation", model="llama-3.1-8b:Q6_K", **MACHINE)
    assert app.heading == "Run Llama 3.1 8B in Q6_K"


def test_without_a_model_no_file_is_asked_for(app):
    app.open("recommendation", **MACHINE)
    assert app.heading.startswith("Run ")
    assert "recommendation:quant" not in app.at.session_state
    app.at.selectbox(key="recommendation:model").set_value("llama-3.3-70b")
    app.run()
    assert shown(app, "quant") == ""
    assert app.address == {**MACHINE, "model": "llama-3.3-70b"}


@pytest.mark.parametrize(
    ("asked", "said", "kept"),
    [
        ({"quant": "Q4_K_M"}, "A quantization goes with a model, and the address names none.", {}),
        ({"model": "no-such"}, 'There is no model "no-such" in the catalogue', {}),
        ({"model": "llama-3.1-8b", "quant": "Q9"}, "Shown instead: the best file that runs.", {"model": "llama-3.1-8b"}),
        ({"purpose": "cooking"}, "The address was not understood: purpose", {}),
    ],
)
def test_what_cannot_be_is_said_and_the_rest_is_answered(app, asked, said, kept):
    app.open("recommendation", **asked, **MACHINE)
    (warning,) = app.warnings
    assert said in warning
    assert app.heading.startswith(("Run ", "At best "))
    assert app.address == {**MACHINE, **kept}


def test_the_knobs_of_a_purpose(app):
    app.open("recommendation", purpose="code", min_tps="25", context="4096", **MACHINE)
    assert (shown(app, "purpose"), shown(app, "context"), shown(app, "tps")) == ("code", 4096, 25.0)
    app.at.selectbox(key="recommendation:context").set_value(0)
    app.at.number_input(key="recommendation:tps").set_value(None)
    app.run()
    assert app.address == {**MACHINE, "purpose": "code"}
