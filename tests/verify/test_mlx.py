"""MLX for real: a small model that a script makes in Hugging Face's layout."""

import subprocess
import sys
from pathlib import Path

import pytest

from advisor.errors import HeadroomError
from advisor.question import VerifyQuestion
from advisor.verification import look, start

pytestmark = pytest.mark.mlx
pytest.importorskip("mlx_lm")


@pytest.fixture(scope="module", params=[4, None], ids=["4-bit", "bf16"])
def model(request, tmp_path_factory) -> tuple[Path, int]:
    """The folder, and the bytes of its arrays as MLX counts them."""
    folder = tmp_path_factory.mktemp("mlx") / "small"
    program = Path(__file__).with_name("mlx_model.py")
    command = [sys.executable, str(program), str(folder), *([str(request.param)] if request.param else [])]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    return folder, int(made.stdout.split()[-1])


@pytest.mark.slow
def test_weights_and_cache_are_what_was_planned(model, tmp_path):
    folder, weights = model
    question = VerifyQuestion(model=str(folder), backend="mlx", context=256, seconds=5)
    found = start(look(question), folder=tmp_path).wait()
    assert found.failures == ()
    assert found.run.engine.startswith("mlx_lm ")
    held = found.measurement.memory
    assert held.weights_bytes == weights == sum(device.weights_bytes for device in found.plan.devices)
    if held.kv_cache_bytes is not None:
        assert held.kv_cache_bytes == sum(device.kv_cache_bytes for device in found.plan.devices)
    assert found.measurement.generate_tps.median > 0
    assert found.measurement.time_to_first_token_s > 0


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(HeadroomError, match="not a folder with an MLX model"):
        look(VerifyQuestion(model=str(tmp_path), backend="mlx"))


def test_weights_that_are_missing_are_a_wrong_file(model, tmp_path):
    folder, _ = model
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.json").write_text((folder / "config.json").read_text())
    found = start(look(VerifyQuestion(model=str(copy), backend="mlx", seconds=5)), folder=tmp_path / "turns").wait()
    assert (found.verdict, found.failures[0].kind) == ("failed", "wrong file")
