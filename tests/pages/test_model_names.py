"""The Model page's models by names that are no ids, and their files. What is typed into the list: tests/browser."""


def test_a_model_without_a_plan_is_told_of_and_the_nearest_is_shown(app):
    app.open("model", model="kimi-k3", machine="rtx-4090")
    assert app.address["model"] == "kimi-k2"
    assert "Kimi K3 is known (2,780 billion parameters" in app.warnings[0]


def test_a_slip_in_the_address_is_answered_by_the_nearest(app):
    app.open("model", model="quen3-14b", machine="rtx-4090")
    assert app.address["model"] == "qwen3-14b"
    assert app.warnings[0].endswith("Shown instead: Qwen3 14B.")


def test_a_name_of_ollama_in_the_address(app):
    app.open("model", model="llama3.1:8b-instruct-q5_K_M", machine="rtx-4090")
    assert (app.address["model"], app.address["quant"]) == ("llama-3.1-8b", "Q5_K_M")
    assert not app.warnings


def test_the_files_of_a_model_stand_below_its_memory(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090")
    assert "Files of this model" in [heading.value for heading in app.at.subheader]
    assert "Expected of Q4_K_M against 16 bits: KLD 0.014" in app.captions
    assert "Published Q4_K_M files all have this size." in app.captions
