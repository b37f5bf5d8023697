"""llama.cpp for real: SmolLM2 and Gemma 3 270M, what it allocated beside what was planned, and files that it does not run."""

import sys
from pathlib import Path

import pytest

from advisor.machines.here import HERE
from advisor.question import VerifyQuestion
from advisor.verification import look, start
from advisor.verify.backends.load_log import LoadLog, weights_once
from tests.models.real_files import smollm2, smollm2_header, whole_gemma

pytestmark = pytest.mark.engine
MIB = 2**20


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """Nothing that a test measures is kept for this machine."""
    monkeypatch.setattr("advisor.verify.calibration.data_folder", lambda: tmp_path_factory.mktemp("data"))
    monkeypatch.setattr("advisor.verify.plain_layout.cache_folder", lambda: tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def gemma(tmp_path_factory) -> Path:
    return whole_gemma(tmp_path_factory.mktemp("models"))


def measured(path: Path, tmp_path: Path, **fields):
    question = VerifyQuestion.parse({"model": str(path), "seconds": 5, "context": 512, **fields})
    return start(look(question), folder=tmp_path).wait()


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"type_k": "q8_0", "type_v": "q8_0", "ubatch": 128, "slots": 2}])
def test_smollm2_is_what_was_planned(settings, tmp_path):
    found = measured(smollm2(), tmp_path, **settings)
    assert (found.verdict, found.failures) == ("confirmed", ())
    host, held = found.plan.devices[-1], found.measurement.memory
    assert abs(held.weights_bytes - host.weights_bytes) < 4096
    assert held.kv_cache_bytes == host.kv_cache_bytes
    assert held.compute_bytes == host.compute_bytes
    # The log has two digits of a MiB.
    assert abs(held.output_bytes - host.output_bytes) <= 0.0051 * MIB
    assert 92 * MIB < held.process_peak_bytes < host.total_bytes
    assert found.measurement.generate_tps.median > 0
    assert found.measurement.prompt_tps.low <= found.measurement.prompt_tps.median
    assert found.run.first_token_prompt_tokens > 16
    assert {sample.stage for sample in found.measurement.samples} >= {"loading", "prompt"}


@pytest.mark.slow
def test_gemma_with_its_sliding_window_and_repacked_weights(gemma, tmp_path):
    found = measured(gemma, tmp_path, context=1024)
    assert found.verdict == "confirmed"
    host, held = found.plan.devices[-1], found.measurement.memory
    # Memory-mapped as one range from the first to the last tensor.
    assert abs(held.weights_bytes - host.weights_bytes) < 64 * 1024
    assert (held.kv_cache_bytes, held.compute_bytes) == (host.kv_cache_bytes, host.compute_bytes)


def test_a_header_with_half_its_weights_is_a_wrong_file(tmp_path):
    path = tmp_path / "half.gguf"
    with smollm2().open("rb") as file:
        path.write_bytes(file.read(60 * MIB))
    with pytest.raises(Exception, match=r"ends before|past the end|cut off"):
        look(VerifyQuestion(model=str(path)))


def test_a_file_that_is_gone_when_its_turn_comes(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(smollm2().read_bytes())
    looked = look(VerifyQuestion(model=str(path), context=512))
    path.unlink()
    found = start(looked, folder=tmp_path).wait()
    assert (found.verdict, found.failures[0].kind) == ("failed", "wrong file")


@pytest.mark.parametrize("seconds", [5])
def test_weights_that_are_no_numbers_are_a_wrong_file(seconds, tmp_path):
    """A file whose weights were lost, such as a copy that filled the disk: every block scale is NaN."""
    path = tmp_path / "model.gguf"
    header = smollm2_header()
    with path.open("wb") as file:
        file.write(header)
        # 0x7e00 is NaN as f16, and as part of f32.
        file.write(b"\x00\x7e\xc0\x7f" * ((smollm2().stat().st_size - len(header)) // 4))
    found = measured(path, tmp_path, seconds=seconds)
    assert found.verdict == "failed"
    assert found.failures[0].kind in ("wrong file", "crash")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the memory of a process")
def test_out_of_memory_is_a_result(tmp_path):
    """The worker may reserve 256 MiB more than it needs to start; a context of 8192 takes 180 MiB of cache for 16 slots."""
    limited = (
        "import resource, runpy\nresource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20))\n"
        "runpy.run_module('advisor.verify.worker', run_name='__main__', alter_sys=True)"
    )
    question = VerifyQuestion.parse({"model": str(smollm2()), "seconds": 5, "context": 65536})
    found = start(look(question), folder=tmp_path, command=(sys.executable, "-c", limited)).wait()
    assert (found.verdict, found.failures[0].kind) == ("failed", "out of memory")
    assert found.failures[0].log


def test_only_this_machine_can_be_measured():
    with pytest.raises(ValueError, match="only this machine can be measured"):
        look(VerifyQuestion(model=str(smollm2()), machine="rtx-4090"))


def test_a_plan_that_does_not_fit_is_not_started(monkeypatch, tmp_path):
    """The story of an 8 GB laptop that a 7B bricked: nothing is loaded unless it is forced."""
    profile = HERE.whole().profile
    memory = profile.memory.model_copy(update={"capacity_bytes": 64 * MIB, "in_use_bytes": 0})
    monkeypatch.setattr("advisor.verification._this_machine", lambda: profile.model_copy(update={"memory": memory}))
    looked = look(VerifyQuestion(model=str(smollm2()), context=512))
    assert looked.check.answer == "refuse"
    with pytest.raises(ValueError, match="--force"):
        start(looked, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


LOG = """\
load_tensors:          CPU model buffer size =   123.50 MiB
load_tensors:   CPU_Mapped model buffer size =   235.16 MiB
load_tensors:   CPU_REPACK model buffer size =    12.66 MiB
load_tensors:        CUDA0 model buffer size =  4403.49 MiB
llama_context:        CPU  output buffer size =     4.00 MiB
llama_kv_cache:        CPU KV buffer size =    12.00 MiB
llama_kv_cache:        CPU KV buffer size =    37.50 MiB
llama_memory_recurrent:      CUDA0 RS buffer size =     1.25 MiB
sched_reserve:        CPU compute buffer size =    24.27 MiB
sched_reserve:  CUDA_Host compute buffer size =     8.01 MiB
print_info: general.name          = model buffer size
""".splitlines()


def test_the_load_log_says_what_was_allocated():
    log = LoadLog.of(LOG)
    assert log.total("kv_cache") == round(12 * MIB) + round(37.5 * MIB) + round(1.25 * MIB)
    assert log.total("compute") == round(24.27 * MIB) + round(8.01 * MIB)
    assert log.total("output") == 4 * MIB
    assert weights_once(log.sizes["weights"]) == sum(round(size * MIB) for size in (123.5, 235.16, 4403.49))
    assert weights_once({"CPU": 5, "CPU_REPACK": 7}) == 12, "without a mapping nothing lies twice"
    assert LoadLog.of([]).total("compute") is None
