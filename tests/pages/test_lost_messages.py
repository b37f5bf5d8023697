"""What a run gave to its widgets is given again by the next one, which may have cut it off before the browser heard of it."""

from tests.pages.conftest import App


def sent(app):
    """Whether each selectbox was given its value in the last run, by its label."""
    return {box.label: box.proto.set_value for box in app.at.selectbox}


def test_values_are_sent_again_once(app: App) -> None:
    app.open("model", model="llama-3.1-8b", quant="Q8_0", machine="rtx-4090", context="16384")
    assert sent(app)["Model"]
    app.run()
    assert sent(app)["Model"]
    assert sent(app)["Quantization"]
    app.run()
    assert not sent(app)["Model"]


def test_an_edit_is_not_overwritten(app: App) -> None:
    app.open("model", model="llama-3.1-8b", quant="Q8_0", machine="rtx-4090", context="16384")
    box = next(box for box in app.at.selectbox if box.label == "Quantization")
    box.set_value("Q4_K_M")
    app.run()
    assert not sent(app)["Quantization"]
    assert next(box for box in app.at.selectbox if box.label == "Quantization").value == "Q4_K_M"
