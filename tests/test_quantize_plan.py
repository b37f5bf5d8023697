"""`advisor quantize-plan`: sizes of the engine where it is, by formula where it is not, alike in what can be compared."""

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from advisor import quantize_plan as service
from advisor.errors import EngineRefusedError, MissingPartError, QuestionError
from advisor.models.library import catalogue
from advisor.quantize_plan import quantize_plan
from tests.engine.known import NEEDS_ENGINE


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise MissingPartError("the engine is not here")

    monkeypatch.setattr(service, "engine_quantize", missing)


@pytest.mark.usefixtures("no_engine")
def test_without_the_engine() -> None:
    plan = quantize_plan("llama-3.1-8b")
    assert plan.grade == "formula"
    by_name = {file.quantization: file for file in plan.quantizations}
    assert {"F32", "F16", "BF16", "Q8_0", "Q4_K_M", "IQ2_XXS", "Q1_0"} <= set(by_name)
    chosen = by_name["Q4_K_M"]
    # The published file is 4,920,734,272 bytes.
    assert chosen.file_bytes == pytest.approx(4920734272, rel=0.001)
    assert round(chosen.bits_per_weight, 2) == 4.89
    assert chosen.tensor_types == {"q4_K": 193, "f32": 66, "q6_K": 33}
    assert not chosen.needs_imatrix
    assert by_name["IQ2_XXS"].needs_imatrix
    assert chosen.error_band == pytest.approx((-0.001, 0.001))
    sizes = [file.bits_per_weight for file in plan.quantizations]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.usefixtures("no_engine")
def test_a_publishers_mix_has_the_band_of_published_files() -> None:
    (file,) = quantize_plan("llama-3.1-8b", "ud-q4_k_xl").quantizations
    assert file.quantization == "UD-Q4_K_XL"
    assert file.file_bytes == pytest.approx(catalogue().find("llama-3.1-8b").quantized("UD-Q4_K_XL").file_bytes, rel=0.001)
    low, high = file.error_band
    assert low < -0.01 < 0.01 < high


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("quant", ["Q9_K", "mlx-4bit"])
def test_a_quantization_that_is_none(quant: str) -> None:
    with pytest.raises(QuestionError):
        quantize_plan("llama-3.1-8b", quant)


def test_what_the_engine_refuses_is_left_out_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses_one(source: Any, keys: Any, names: Any, **_: Any) -> Any:
        if "Q6_K" in names:
            raise EngineRefusedError("no")
        return [tuple(replace(tensor) for tensor in source) for _ in names]

    monkeypatch.setattr(service, "engine_quantize", refuses_one)
    names = {file.quantization for file in quantize_plan("smollm2-135m").quantizations}
    assert "Q6_K" not in names
    assert {"F16", "Q8_0", "Q4_K_M"} <= names
    with pytest.raises(EngineRefusedError):
        quantize_plan("smollm2-135m", "Q6_K")


def test_the_command(tmp_path: Any) -> None:
    command = [sys.executable, "-m", "advisor", "quantize-plan", "smollm2-135m", "--quant", "q4_k", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert answer["schema"] == 1
    assert answer["model"]["id"] == "smollm2-135m"
    (file,) = answer["quantizations"]
    assert set(file) == {"quantization", "file_bytes", "bits_per_weight", "needs_imatrix", "tensor_types", "error_band"}
    assert file["quantization"] == "Q4_K_M"
    assert sum(file["tensor_types"].values()) == len(catalogue().find("smollm2-135m").shapes)


class TestWithTheEngine:
    pytestmark = NEEDS_ENGINE

    @pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-20b"])
    def test_engine_and_formula_agree(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        by_engine = quantize_plan(name)
        assert by_engine.grade == "engine"

        def missing(*_: Any, **__: Any) -> None:
            raise MissingPartError("the engine is not here")

        monkeypatch.setattr(service, "engine_quantize", missing)
        by_formula = {file.quantization: file for file in quantize_plan(name).quantizations}
        assert {file.quantization: file for file in by_engine.quantizations}.items() <= by_formula.items()
