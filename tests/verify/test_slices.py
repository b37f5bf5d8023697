"""Slices of models: which layers, how large, and what is worked out from their times."""

import errno
import io
import itertools
import os
import shutil
import time

import pytest

from advisor.errors import QuestionError
from advisor.models.gguf_header import read_header
from advisor.models.library import catalogue
from advisor.question import VerifyQuestion
from advisor.verification import look, start
from advisor.verify import slice_folder, slices
from advisor.verify.backends import sliced
from advisor.verify.backends.sliced import Sliced
from advisor.verify.protocol import RunError, RunRequest, Teller
from advisor.verify.slice_folder import NAMES, clear_slice_files, free_disk_bytes, make_slice_files
from advisor.verify.slices import SliceWeights, _period, slice_keys, slices_of, whole_seconds

MIB, GIB = 2**20, 2**30


def made(name: str, quantization: str = "Q4_K_M", **sizes):
    fields = {"cache_bytes": 32 * MIB, "free_bytes": 64 * GIB, **sizes}
    return slices_of(catalogue().find(name).quantized(quantization), **fields)


def test_the_time_of_the_whole_follows_from_two():
    """100 ms beside the layers and 2 ms for each unit of them: 4 and 8 units take 108 and 116 ms, 32 take 164 ms."""
    assert whole_seconds(0.108, 0.116, (4, 8, 32)) == pytest.approx(0.164)
    assert whole_seconds(0.5, 0.4, (4, 8, 32)) == 0.5, "noise makes no layer take less than nothing"


def test_a_machine_that_slows_down_meanwhile_does_not_bend_the_forecast():
    """A layer takes 1 ms, then 2 ms from the middle on, beside 10 ms: 1.5 ms for each of 32, with 20 of 40 steps done."""
    steps = itertools.count()

    class Slowing:
        def __init__(self, layers: int) -> None:
            self.layers = layers

        def each_token(self, tokens: int):
            for _ in range(tokens):
                yield 0.010 + self.layers * (0.001 if next(steps) < 20 else 0.002)

    layers = SliceWeights((4, 8, 32), (4, 8, 32), (4, 8, 32))
    assert Sliced(Slowing(4), Slowing(8), layers).generate(20).seconds == pytest.approx(20 * (0.010 + 32 * 0.0015))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Before the pattern begins, and its period: DeepSeek's dense layers, Jamba's and Qwen's mixtures of kinds.
        ("llama-3.1-8b", (0, 1)),
        ("deepseek-r1-671b", (3, 1)),
        ("qwen3-30b-a3b", (0, 1)),
        ("granite-4.0-h-tiny", (0, 10)),
        ("qwen3.5-4b", (0, 4)),
    ],
)
def test_layers_repeat_in_a_pattern(name, expected):
    model = catalogue().find(name).quantized("Q4_K_M")
    blocks = [[] for _ in range(model.hyperparameters.block_count)]
    for tensor in model.tensors:
        if tensor.name.startswith("blk."):
            blocks[int(tensor.name.split(".")[1])].append(tensor)
    assert _period(blocks) == expected


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b", "granite-4.0-h-tiny", "gemma-3-27b"])
def test_each_slice_and_their_difference_leave_the_cache(name):
    found = made(name)
    short, long, whole = found.weights.layers
    layers = dict.fromkeys(range(whole), 0)
    for tensor in found.long.tensors:
        if tensor.name.startswith("blk."):
            layers[int(tensor.name.split(".")[1])] += tensor.n_bytes
    assert 0 < short < long <= whole
    assert sum(layers[number] for number in range(short)) >= 128 * MIB
    assert sum(layers[number] for number in range(short, long)) >= 128 * MIB
    assert found.n_bytes < 4e9
    assert found.weights.read[0] < found.weights.read[1] <= found.weights.read[2]


def test_of_experts_only_their_share_counts():
    """Qwen3 30B A3B: 8 of 128 experts, 3.3 of 30.5 billion parameters for a token."""
    weights = made("qwen3-30b-a3b").weights
    assert 2.5e9 < weights.worked[2] < 3.4e9
    dense = made("llama-3.1-8b").weights
    assert 6.9e9 < dense.worked[2] < 7.0e9, "8.03 billion without embedding and output layer"


@pytest.mark.parametrize(
    ("name", "quantization", "sizes", "said"),
    [
        ("smollm2-135m", "Q4_K_M", {}, "too small for slices"),
        ("llama-3.3-70b", "Q8_0", {}, "more than the 3.73 GiB that they may"),
        ("llama-3.1-8b", "Q8_0", {"free_bytes": 2 * GIB}, "more than 30% of the 2.00 GiB of memory that are free"),
        ("gemma-3-27b", "Q4_K_M", {"cache_bytes": 480 * MIB}, "more than the 3.73 GiB"),
    ],
)
def test_what_cannot_be_sliced_is_refused_with_the_size(name, quantization, sizes, said):
    with pytest.raises(ValueError, match="slices") as caught:
        made(name, quantization, **sizes)
    assert said in str(caught.value)


def test_lists_with_a_value_a_layer_are_cut():
    keys = {
        "general.architecture": "gemma",
        "general.name": "x",
        "gemma.block_count": 4,
        "gemma.attention.head_count_kv": [1, 2, 3, 4],
        "gemma.rope.sections": [1, 2],
        "gemma.nextn_predict_layers": 1,
        "tokenizer.ggml.tokens": ["a"] * 4,
    }
    assert slice_keys(keys, [0, 3]) == {
        "general.architecture": "gemma",
        "gemma.block_count": 2,
        "gemma.attention.head_count_kv": [1, 4],
        "gemma.rope.sections": [1, 2],
    }


def test_files_of_slices_hold_what_they_should_and_go_again(tmp_path):
    found = made("llama-3.1-8b")
    folder = tmp_path / "slices"
    folder.mkdir()
    (folder / "left.gguf").write_text("of a run that was killed")
    make_slice_files(found, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["long.gguf", "short.gguf"]
    header = read_header(folder / "long.gguf")
    assert header.metadata["llama.block_count"] == found.weights.layers[1]
    assert [tensor.name for tensor in header.tensors] == [tensor.name for tensor in found.long.tensors]
    assert (folder / "long.gguf").stat().st_size >= found.long.n_bytes
    clear_slice_files(folder)
    assert not folder.exists()


def test_a_disk_that_becomes_full_while_they_are_written_is_a_result(tmp_path, monkeypatch):
    def full(_writer, path, _wrote):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sliced.Loaded, "library", staticmethod(lambda: None))
    monkeypatch.setattr(sliced, "SliceWriter", type("Writer", (), {"__init__": lambda *_: None, "fill": full}))
    for name in NAMES:
        (tmp_path / name).touch()
    request = RunRequest("slices", str(tmp_path), slices=SliceWeights((4, 8, 32), (4, 8, 32), (4, 8, 32)))
    with pytest.raises(RunError, match="make room on the disk") as caught:
        sliced.run(request, Teller(io.StringIO()))
    assert caught.value.kind == "disk"


def test_without_room_on_the_disk_they_are_not_begun(monkeypatch):
    monkeypatch.setattr("advisor.sliced.free_disk_bytes", lambda: 2 * GIB)
    monkeypatch.setattr("advisor.sliced.slices_of", lambda *_, **__: made("llama-3.1-8b"))
    with pytest.raises(QuestionError, match=r"take 3\.20 GiB of disk, and 2\.00 GiB are free"):
        look(VerifyQuestion(model="llama-3.1-8b", quant="Q4_K_M", slice=True))


def test_the_disk_that_is_looked_at_is_that_of_the_files(tmp_path):
    assert free_disk_bytes(tmp_path / "not" / "there" / "yet") == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)


@pytest.mark.engine
@pytest.mark.slow
def test_a_slice_runs_and_leaves_no_file(tmp_path, monkeypatch):
    """The whole way: two slices of a 0.6B, filled by ggml, loaded by llama.cpp."""
    monkeypatch.setattr(slices, "_LEAST_BYTES", 16 * MIB)
    monkeypatch.setattr(slices, "_WISHED_BYTES", ())
    monkeypatch.setattr(slices, "_TIMES_THE_CACHE", 0)
    monkeypatch.setattr(slice_folder, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("advisor.verify.calibration.data_folder", lambda: tmp_path / "data")
    question = VerifyQuestion(model="qwen3-0.6b", quant="Q4_0", slice=True, seconds=5, context=256)
    run, left = start(look(question), folder=tmp_path / "turns"), {}
    while not run.job.progress.ended:
        left.setdefault(run.job.progress.stage, list((tmp_path / "cache").rglob("*.gguf")))
        time.sleep(0.02)
    assert left["generation"] == [], "what is open needs no name: kill -9 of everything leaves no file"
    found = run.wait()
    assert (found.verdict, found.failures) == ("measured", ())
    assert len(found.run.slice_layers) == 2
    assert found.measurement.generate_tps.median > 0
    assert found.measurement.memory.process_peak_bytes is None, "a slice's memory is not the model's"
    assert any("not on the model itself" in note for note in found.run.notes)
    assert not (tmp_path / "cache" / "verify" / "slices").exists()
    assert not (tmp_path / "data").exists(), "a slice calibrates nothing"
