"""Questions whose answers must agree: a card by name and by numbers, the same question twice, a file and the catalogue."""

from pathlib import Path

import pytest

from advisor.errors import GGUFError, MissingPartError, QuestionError
from advisor.estimate import Estimate, estimate
from advisor.machines import here
from advisor.question import Question
from tests.models.real_files import GEMMA_FILE_BYTES, SMOLLM2_FILE_BYTES, smollm2, sparse_gemma
from tests.models.test_projector import projector_file


def ask(model: str, **more: object) -> Estimate:
    return estimate(Question.parse({"model": model, **more}))


def sizes(found: Estimate) -> list[tuple[int | None, ...]]:
    return [
        (row.capacity_bytes, row.in_use_bytes, row.weights_bytes, row.kv_cache_bytes, row.compute_bytes, row.total_bytes)
        for row in found.plan.devices
    ]


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-30b-a3b", "llama-3.3-70b", "gemma-3-27b"])
@pytest.mark.parametrize("context", [8192, 32768])
def test_a_card_by_its_name_and_by_its_numbers_get_the_same_plan(model: str, context: int) -> None:
    named = ask(model, machine="rtx-4090", context=context)
    typed = ask(model, memory_gib=24, bandwidth_gb_s=1008, context=context)
    assert sizes(named) == sizes(typed)
    assert named.plan.settings == typed.plan.settings
    assert named.to_json()["verdict"] == typed.to_json()["verdict"] is not None


@pytest.mark.parametrize("machine", ["m1-8", "m2-8", "m3-8", "m3-10"])
def test_an_8b_at_8k_never_fits_an_8_gb_mac(machine: str) -> None:
    found = ask("llama-3.1-8b", machine=machine, memory_gib=8, context=8192)
    assert found.verdict
    assert found.verdict.verdict in ("tight", "partial", "no")


def test_the_same_question_twice_gets_the_same_answer() -> None:
    assert ask("mixtral-8x7b", machine="rtx-3090").to_json() == ask("mixtral-8x7b", machine="rtx-3090").to_json()


def test_a_simulated_machine_takes_nothing_from_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("the host was looked at")

    monkeypatch.setattr(here.HERE, "whole", refuse)
    monkeypatch.setattr(here.HERE, "now", refuse)
    for machine in ({"machine": "rtx-4090"}, {"machine": "m4-10"}, {"memory_gib": 12}, {"memory_gib": 16, "unified": True}, {}):
        found = ask("llama-3.1-8b", **machine)
        assert all(row.in_use_bytes is None for row in found.plan.devices)


def test_unified_memory_is_one_pool() -> None:
    found = ask("llama-3.1-8b", machine="m4-max-40", memory_gib=36)
    assert [(row.kind, row.pool) for row in found.plan.devices] == [
        ("gpu", found.plan.pools[0].id),
        ("host", found.plan.pools[0].id),
    ]
    assert [pool.kind for pool in found.plan.pools] == ["unified"]


def test_gpus_without_a_machine_share_a_model_without_a_limit() -> None:
    found = ask("llama-3.3-70b", gpus=2)
    assert [row.capacity_bytes for row in found.plan.devices] == [None, None, None]
    assert found.verdict is None
    first, second, _ = found.plan.devices
    assert first.weights_bytes == pytest.approx(second.weights_bytes, rel=0.1)


def test_the_real_smollm2_file() -> None:
    found = ask(str(smollm2()), machine="rtx-3060-12gb")
    assert (found.model.quantization, found.model.file_bytes) == ("Q4_1", SMOLLM2_FILE_BYTES)
    assert found.verdict
    assert found.verdict.verdict == "fits"


def test_the_real_gemma_header_and_the_catalogue_agree(tmp_path: Path) -> None:
    real = ask(str(sparse_gemma(tmp_path)))
    known = ask("gemma-3-270m", quant="Q4_K_M")
    assert real.model.file_bytes == GEMMA_FILE_BYTES
    for one, other in zip(real.plan.devices, known.plan.devices, strict=True):
        assert one.weights_bytes == other.weights_bytes
        assert one.kv_cache_bytes == other.kv_cache_bytes
        assert one.compute_bytes == other.compute_bytes


def test_a_draft_model_is_counted() -> None:
    alone, drafted = ask("llama-3.1-8b", machine="rtx-4090"), ask("llama-3.1-8b", machine="rtx-4090", draft="llama-3.2-1b")
    draft = drafted.plan.devices[0].draft_bytes
    assert draft > 800 * 2**20
    assert drafted.plan.devices[0].total_bytes == alone.plan.devices[0].total_bytes + draft


@pytest.mark.parametrize("asked", ["auto", "named"])
def test_a_projector_is_counted_where_it_lies(tmp_path: Path, asked: str) -> None:
    path = projector_file(tmp_path / "mmproj-gemma.gguf")
    model = sparse_gemma(tmp_path)
    found = ask(str(model), machine="rtx-4090", mmproj="auto" if asked == "auto" else str(path))
    gpu, host = found.plan.devices
    assert gpu.projector_bytes > 1152 * 4304 * 2
    assert host.projector_bytes == 0
    assert ask(str(model), machine="rtx-4090").plan.devices[0].total_bytes == gpu.total_bytes - gpu.projector_bytes


def test_what_is_not_here_is_a_missing_part(tmp_path: Path) -> None:
    for model in (str(tmp_path / "no.gguf"), "nobody/nothing", "ollama:llama3", str(tmp_path)):
        with pytest.raises((MissingPartError, GGUFError)) as caught:
            ask(model)
        assert caught.value.exit_code == 3


def test_a_quantization_that_a_file_does_not_have_is_refused() -> None:
    with pytest.raises(QuestionError, match="is Q4_1"):
        ask(str(smollm2()), quant="Q8_0")
