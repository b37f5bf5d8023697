"""Types by llama-quantize's own dry run: the same as by rule, tensor by tensor, and the sizes that are published."""

import time
from collections.abc import Iterator

import pytest

from advisor.engine.pool import EnginePool
from advisor.engine.quantize import can_quantize, engine_quantize
from advisor.errors import EngineRefusedError, QuestionError
from advisor.models.library import catalogue
from advisor.models.quantization import QUANTIZATIONS, kept_types, quantize_groups
from advisor.models.tensor import Tensor
from tests.engine.known import NEEDS_ENGINE

pytestmark = NEEDS_ENGINE
# Q1_0 asks for rows of 128 values, which not every model has.
FILE_TYPES = tuple(name for name in QUANTIZATIONS if can_quantize(name) and name != "Q1_0")


@pytest.fixture(scope="module")
def pool() -> Iterator[EnginePool]:
    pool = EnginePool(most=1)
    yield pool
    pool.close()


def by_engine(pool: EnginePool, name: str, quantizations: tuple[str, ...]) -> tuple[tuple[Tensor, ...], ...]:
    model = catalogue().find(name)
    hp = model.hyperparameters
    source = quantize_groups(model.groups, "F16")
    return engine_quantize(source, model.keys, quantizations, vocab_size=hp.vocab_size, kept=kept_types(hp), pool=pool)


def test_what_llama_quantize_makes() -> None:
    assert len(FILE_TYPES) >= 30
    assert can_quantize("Q4_K_M")
    assert not any(can_quantize(name) for name in ("F16", "BF16", "UD-Q4_K_XL", "mlx-4bit"))


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-20b", "gemma-3n-e2b", "smollm2-135m"])
def test_types_are_those_by_rule(pool: EnginePool, name: str) -> None:
    groups = catalogue().find(name).groups
    for quantization, tensors in zip(FILE_TYPES, by_engine(pool, name, FILE_TYPES), strict=True):
        assert tensors == quantize_groups(groups, quantization), quantization


def test_a_published_size(pool: EnginePool) -> None:
    (tensors,) = by_engine(pool, "llama-3.1-8b", ("Q4_K_M",))
    size = sum(tensor.n_bytes for tensor in tensors)
    # Load logs of the published file: 4.58 GiB (4.89 BPW).
    assert round(size / 2**20, 2) == 4685.30
    assert round(8 * size / sum(tensor.elements for tensor in tensors), 2) == 4.89


def test_all_file_types_of_a_70b_model_take_no_time(pool: EnginePool) -> None:
    by_engine(pool, "llama-3.3-70b", ("Q4_K_M",))
    took = []
    for _ in range(3):
        start = time.process_time()
        by_engine(pool, "llama-3.3-70b", FILE_TYPES)
        (worker, _), *_ = pool._idle
        took.append(time.process_time() - start + worker.seconds)
    # Processor time here and in the worker, so that a busy machine fails nothing. 0.25 s on a server core of 2026
    # (benchmarks/engine_speed.py); more is left for slower ones.
    assert min(took) < 0.8, took


def test_what_llama_quantize_refuses(pool: EnginePool) -> None:
    with pytest.raises(EngineRefusedError, match="q1_0"):
        by_engine(pool, "smollm2-135m", ("Q1_0",))


def test_a_publishers_mix_is_no_file_type(pool: EnginePool) -> None:
    with pytest.raises(QuestionError, match="no file type of llama-quantize"):
        by_engine(pool, "llama-3.1-8b", ("UD-Q4_K_XL",))
