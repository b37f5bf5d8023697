import json
import threading

import pytest

from advisor.engine.status import EngineStatus
from advisor.errors import EngineFailedError
from advisor.ui import engine_grade
from advisor.ui.plan_view import difference_said
from tests.models.gguf_builder import STRING, U32, Builder

NUMBERS = ("Memory in all", "Weights", "KV cache", "Longest context that fits")
HOSTILE = "<script>alert(1)</script> **b** :material/home: $x^2$ ![i](http://evil.example/i.png)"


def numbers(app):
    return {number["label"]: number for number in app.component("numbers")["numbers"]}


def chart(app, said):
    """The one figure whose text begins so."""
    (found,) = (drawn for drawn in app.at.get("plotly_chart") if drawn.proto.alt.startswith(said))
    return json.loads(found.proto.spec)


def tiny_model(name):
    """A model of one block with every tensor that a Llama needs."""
    b = Builder().key("general.architecture", STRING, "llama").key("general.name", STRING, name)
    sizes = {"block_count": 1, "context_length": 2048, "embedding_length": 64, "feed_forward_length": 128}
    heads = {"attention.head_count": 2, "attention.head_count_kv": 1, "vocab_size": 32}
    for key, value in (sizes | heads).items():
        b.key(f"llama.{key}", U32, value)
    shapes = {
        "token_embd.weight": (64, 32),
        "output_norm.weight": (64,),
        "output.weight": (64, 32),
        "blk.0.attn_norm.weight": (64,),
        "blk.0.attn_q.weight": (64, 64),
        "blk.0.attn_k.weight": (64, 32),
        "blk.0.attn_v.weight": (64, 32),
        "blk.0.attn_output.weight": (64, 64),
        "blk.0.ffn_norm.weight": (64,),
        "blk.0.ffn_gate.weight": (64, 128),
        "blk.0.ffn_up.weight": (64, 128),
        "blk.0.ffn_down.weight": (128, 64),
    }
    for tensor, shape in shapes.items():
        elements = 1
        for size in shape:
            elements *= size
        b.tensor(tensor, shape, 0, n_bytes=4 * elements)
    return b.file()


def test_the_verdict_is_the_heading_and_numbers_say_how_they_are_known(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", quant="Q4_K_M", context="8192")
    assert app.heading.startswith("Fits, with ")
    assert "Llama 3.1 8B, Q4_K_M, context 8k, run by llama-server" in app.captions
    shown = numbers(app)
    assert tuple(shown) == NUMBERS
    assert shown["KV cache"]["value"] == "1.00 GiB"
    assert {number["note"] for number in shown.values()} == {"formula"}
    assert "It needs" in app.reasons


@pytest.mark.engine
def test_the_engines_figures_say_that_they_are_and_how_the_formula_differs(app, monkeypatch):
    monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("installed"))
    monkeypatch.setattr(engine_grade, "PATIENCE_S", 60)
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", quant="Q4_K_M", context="8192")
    assert {name: number["note"] for name, number in numbers(app).items()} == {
        "Memory in all": "engine",
        "Weights": "engine",
        "KV cache": "engine",
        "Longest context that fits": "formula",
    }
    assert "Grade: engine. llama.cpp itself planned this (build " in app.captions
    tables = [json.loads(one.proto.json) for one in app.at.get("bidi_component") if one.proto.json]
    rows = next(data["rows"] for data in tables if data.get("columns", [""])[-1] == "The formula is off by")
    assert rows[0][0] == "Weights"
    assert rows[0][3] == "nothing"
    assert rows[-1][0] == "Together"


def test_an_engine_that_dies_leaves_the_formulas_figures_and_one_line(app, monkeypatch):
    def killed(question, model, *rest):
        raise EngineFailedError("the engine's process was killed from outside (SIGKILL); ask for --grade formula")

    monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("installed"))
    monkeypatch.setattr(engine_grade, "estimate_for", killed)
    monkeypatch.setattr(engine_grade, "PATIENCE_S", 60)
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", quant="Q4_K_M", context="8192")
    assert "Grade: formula, since the engine's process was killed from outside (SIGKILL)." in app.captions
    assert app.heading.startswith("Fits, with ")
    assert {number["note"] for number in numbers(app).values()} == {"formula"}
    assert app.warnings == []


def test_while_the_engine_plans_the_formula_is_shown_and_the_figures_look_again(app, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(engine_grade, "engine_status", lambda: EngineStatus("installed"))
    monkeypatch.setattr(engine_grade, "estimate_for", lambda *_: release.wait(20) and None)
    try:
        app.open("model", model="llama-3.1-8b", machine="rtx-4090", quant="Q4_K_M", context="8192")
        assert "Grade: formula. The engine is planning the same" in app.captions
        assert app.component("after_ms")["after_ms"] >= 100
        assert app.address["context"] == "8192"
    finally:
        release.set()


def test_charts_have_a_text_and_a_legend(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090")
    stack, curves = json.loads(app.at.get("plotly_chart")[0].proto.spec), chart(app, "Memory against context.")
    assert [trace["name"] for trace in stack["data"]][:2] == ["Weights", "KV cache"]
    assert any(trace["name"].startswith("Q4_K_M: fits to ") for trace in curves["data"])
    assert app.component("entries")["entries"][0]["name"] == "Weights"
    assert all(drawn.proto.alt for drawn in app.at.get("plotly_chart"))


def test_a_longer_context_needs_more(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", context="8192")
    app.at.select_slider(key="run:context").set_value(32768)
    app.run()
    assert numbers(app)["KV cache"]["value"] == "4.00 GiB"
    assert app.address["context"] == "32768"


def test_all_knobs_are_in_the_address_and_come_back(app):
    app.open("model", model="mixtral-8x7b", machine="rtx-4090", ram_gib="64")
    app.at.segmented_control(key="run:kv").set_value("q8_0")
    app.at.segmented_control(key="run:offload").set_value("some")
    app.run()
    app.at.slider(key="run:layers").set_value(20)
    app.at.slider(key="run:experts").set_value(4)
    app.at.number_input(key="run:slots").set_value(2)
    app.at.number_input(key="run:ubatch").set_value(256)
    app.at.selectbox(key="run:runtime").select("llama-cli")
    app.at.selectbox(key="run:flash").select("on")
    app.at.selectbox(key="run:swa").select("full")
    app.run()
    assert app.address == {
        "machine": "rtx-4090",
        "ram_gib": "64",
        "model": "mixtral-8x7b",
        "quant": "Q4_K_M",
        "runtime": "llama-cli",
        "context": "8192",
        "slots": "2",
        "ubatch": "256",
        "type_k": "q8_0",
        "type_v": "q8_0",
        "flash_attention": "on",
        "swa_full": "true",
        "gpu_layers": "20",
        "cpu_moe_layers": "4",
    }
    heading, shown, address = app.heading, numbers(app), app.address
    other = type(app)().open("model", **address)
    assert (other.heading, numbers(other), other.address) == (heading, shown, address)


def test_what_no_knob_shows_stays_in_the_question(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", build="b6060", batch="1024", type_k="q8_0")
    assert app.address["build"] == "b6060"
    assert app.address["batch"] == "1024"
    assert (app.address["type_k"], app.address["type_v"]) == ("q8_0", "f16")
    app.at.select_slider(key="run:context").set_value(16384)
    app.run()
    assert app.address["build"] == "b6060"


def test_pages_share_the_machine(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-3060-12gb")
    app.go("fit")
    assert app.address["machine"] == "rtx-3060-12gb"
    app.at.selectbox(key="machine:name").select("m4-10")
    app.run()
    app.go("machine")
    assert app.heading.startswith("Apple M4 10-core GPU")
    app.go("model")
    assert app.address["machine"] == "m4-10"
    assert app.address["model"] == "llama-3.1-8b"


def test_another_model_keeps_the_knobs_it_can(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", context="131072")
    app.at.selectbox(key="model:id").select("llama-2-7b")
    app.run()
    assert app.address["context"] == "4096"
    assert app.address["model"] == "llama-2-7b"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"model": "no-such-model"}, 'There is no model "no-such-model" in the catalogue'),
        ({"model": "llama-3.1-8b", "quant": "Q9"}, "Q9"),
        ({"model": "llama-3.1-8b", "machine": "abacus"}, 'There is no machine "abacus"'),
        (
            {"model": "llama-3.1-8b", "runtime": "vllm", "quant": "Q4_K_M", "machine": "rtx-4090"},
            "GGUF files only",
        ),
        ({"model": "llama-3.1-8b", "runtime": "llama-server", "quant": "mlx-4bit"}, "mlx-4bit is a quantization of mlx"),
        ({"model": "llama-3.1-8b", "context": "-1"}, 'context "-1" is not right'),
        ({"context": "8192"}, '"model" is missing'),
    ],
)
def test_a_wrong_question_is_said_in_one_sentence_and_something_is_shown(app, query, said):
    app.open("model", **query)
    assert len(app.warnings) == 1
    assert said in app.warnings[0]
    assert app.heading
    assert tuple(numbers(app)) == NUMBERS


def test_a_question_that_the_engine_refuses_is_said(app):
    app.open("model", model="llama-3.1-8b", machine="rtx-4090", type_k="q8_0", type_v="q8_0", flash_attention="off")
    assert app.heading == "This cannot be planned"
    assert "flash attention" in app.captions.lower()


def test_a_path_is_read_and_its_weights_are_from_the_file(app, tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(tiny_model("Tiny"))
    app.open("model", model=str(tmp_path / "tiny.gguf"), machine="rtx-4090")
    assert app.heading.startswith("Fits")
    assert numbers(app)["Weights"]["note"] == "from the file"
    assert app.address["model"] == str(tmp_path / "tiny.gguf")


@pytest.mark.parametrize(
    "content", [b"", b"<!DOCTYPE html><html></html>", b"version https://git-lfs.github.com/spec/v1\n", b"GGUF"]
)
def test_a_file_that_is_no_model_is_said_in_one_sentence(app, tmp_path, content):
    (tmp_path / "bad.gguf").write_bytes(content)
    app.open("model", model=str(tmp_path / "bad.gguf"), machine="rtx-4090")
    assert app.heading == "Which model?"
    assert "bad.gguf" in app.captions


def test_a_path_that_is_not_there_is_said(app):
    app.open("model", machine="rtx-4090")
    app.at.segmented_control(key="model:source").set_value("path")
    app.run()
    assert "Write the path of a .gguf file" in app.captions
    app.at.text_input(key="model:path").set_value("/nowhere/model.gguf")
    app.run()
    assert '"/nowhere/model.gguf" is not there' in app.captions


def test_a_hostile_name_is_only_text(app, tmp_path):
    (tmp_path / "evil.gguf").write_bytes(tiny_model(HOSTILE))
    app.open("model", model=str(tmp_path / "evil.gguf"), machine="rtx-4090")
    assert HOSTILE in app.captions
    for shown in (*app.at.markdown, *app.at.caption, *app.at.header):
        for sign in ("<script>", "**b**", ":material/home:", "$x^2$", "![i]", "http://evil"):
            if shown.value.startswith(":"):
                continue
            assert sign not in shown.value


def test_the_footer_is_there_even_without_a_model(app):
    app.open("model", model="./nothing.gguf")
    assert "Nothing is sent anywhere" in app.captions


RUNTIMES = [
    ("mlx", "m4-max-40", "mlx-4bit", {"run:context", "run:kv:bf16"}, "formula"),
    ("vllm", "rtx-4090", "BF16", {"run:context", "run:slots"}, "typical"),
    ("transformers", "rtx-4090", "BF16", {"run:context", "run:slots"}, "typical"),
]


@pytest.mark.parametrize(("runtime", "machine", "quantization", "knobs", "grade"), RUNTIMES)
def test_every_program_has_its_own_knobs_and_quantizations(app, runtime, machine, quantization, knobs, grade):
    app.open("model", model="llama-3.1-8b", machine=machine, batch="1024")
    assert app.address["batch"] == "1024"
    app.at.selectbox(key="run:runtime").select(runtime)
    app.run()
    widgets = (*app.at.selectbox, *app.at.number_input, *app.at.select_slider, *app.at.segmented_control, *app.at.slider)
    drawn = {widget.key for widget in widgets if widget.key}
    assert {key for key in drawn if key.startswith("run:")} == knobs | {"run:runtime"}
    assert app.at.selectbox(key=f"model:quant:{runtime}").value == quantization
    assert f"Llama 3.1 8B, {quantization}, context 8k, run by {runtime}" in app.captions
    assert {number["note"] for number in numbers(app).values()} == {grade}
    assert (app.address["runtime"], app.address["quant"]) == (runtime, quantization)
    assert "batch" not in app.address
    assert not app.warnings
    curves = chart(app, "Memory against context.")
    assert any(trace["name"].startswith(quantization) for trace in curves["data"])
    other = type(app)().open("model", **app.address)
    assert (other.heading, numbers(other), other.address) == (app.heading, numbers(app), app.address)
    app.at.selectbox(key="run:runtime").select("llama-server")
    app.run()
    assert "Llama 3.1 8B, Q4_K_M, context 8k, run by llama-server" in app.captions


@pytest.mark.parametrize(
    ("query", "runtime"),
    [
        ({"model": "llama-3.1-8b", "quant": "mlx-6bit", "machine": "m4-max-40"}, "mlx"),
        ({"model": "llama-3.1-8b:mlx-6bit", "machine": "m4-max-40"}, "mlx"),
        ({"model": "llama-3.1-8b", "quant": "nf4", "machine": "rtx-4090"}, "transformers"),
    ],
)
def test_a_quantization_in_the_address_names_its_program(app, query, runtime):
    app.open("model", **query)
    assert app.at.selectbox(key="run:runtime").value == runtime
    assert app.address["runtime"] == runtime
    assert not app.warnings


@pytest.mark.parametrize(
    ("runtime", "machine", "said"), [("mlx", "rtx-4090", "MLX needs a Mac"), ("vllm", "m4-max-40", "vLLM is planned for GPUs")]
)
def test_a_program_that_the_machine_cannot_run_is_one_sentence(app, runtime, machine, said):
    app.open("model", model="llama-3.1-8b", runtime=runtime, machine=machine)
    assert app.heading == "This cannot be planned"
    assert said in app.captions
    app.at.selectbox(key="run:runtime").select("llama-server")
    app.run()
    assert app.heading.startswith(("Fits", "Tight"))
    assert runtime not in app.at.selectbox(key="run:runtime").options


def test_a_folder_of_safetensors_is_planned_as_it_is(app, tmp_path):
    config = {"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "vocab_size": 1024}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096}
    (tmp_path / "config.json").write_text(json.dumps(config | heads))
    header = json.dumps({"a": {"dtype": "BF16", "shape": [512], "data_offsets": [0, 2**20]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(2**20))
    app.open("model", model=str(tmp_path), runtime="vllm", machine="rtx-4090")
    assert app.at.selectbox(key="model:quant:vllm").value == "as the files have it"
    assert (numbers(app)["Weights"]["value"], numbers(app)["Weights"]["note"]) == ("1.00 MiB", "from the file")


@pytest.mark.parametrize("more", [{}, {"contxt": "4096"}, {"context": "-1"}])
def test_an_address_without_a_model_or_with_a_mistake_keeps_its_machine(app, more):
    app.open("model", machine="rtx-4090", ram_gib="64", **more)
    assert "Llama 3.1 8B, " in app.captions
    assert app.address["machine"] == "rtx-4090"
    assert app.address["ram_gib"] == "64"
    (said,) = app.warnings
    assert "The address was not understood" in said


def test_a_machine_that_is_not_understood_is_not_kept(app):
    app.open("model", machine="rtx-4090", gpus="many")
    assert app.address["machine"] == "detected"
    assert len(app.warnings) == 1


def test_what_does_not_fit_has_speeds_only_with_a_word_of_warning(app):
    said = "It does not fit as it stands."
    app.open("model", model="deepseek-r1-671b", quant="Q4_K_M", machine="4x-rtx-3090")
    assert app.heading.startswith("Does not fit")
    assert said in app.captions
    app.open("model", model="llama-3.1-8b", quant="Q4_K_M", machine="4x-rtx-3090")
    assert said not in app.captions


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (4096, 4096, "nothing"),
        (3 * 2**30 - 980, 3 * 2**30, "-980 B"),  # a share that rounds to nothing is not said
        (11 * 2**20, 10 * 2**20, "+1.00 MiB (+10.00 %)"),
        (1024, 0, "+1.00 KiB"),
    ],
)
def test_how_far_the_formula_is_off(ours, theirs, said):
    assert difference_said(ours, theirs) == said
