"""Formula against engine: device totals within 1 % for 95 of 100 and 3 % at worst, caches exact, refusals the same.

A sample runs with all tests; `make conformance` asks every question and prints a table. The engine is asked without weights,
where it counts one copy between several GPUs more than a load makes (see `compute_buffers`), and so is the formula here.
"""

import itertools
import random
from collections.abc import Callable, Iterable

import pytest

from advisor.engine.pool import EnginePool
from tests.conformance.comparison import Comparison, compare
from tests.conformance.encoders import models_not_causal
from tests.conformance.grid import Case, Kind, cases_for, cases_of, models_by_architecture
from tests.conformance.table import KEY, by_backend, percentile, row, table

pytest.importorskip("llama_cpp")

MOST, USUALLY, USUAL_SHARE = 0.03, 0.01, 0.95
ROUNDS = 2
SAMPLED = 60

Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def pool() -> Iterable[EnginePool]:
    made = EnginePool(most=1)
    yield made
    made.close()


def check(found: list[Comparison]) -> None:
    for one in found:
        assert one.refused is None or one.same_refusal, one
        assert one.caches_exact, one
        assert one.weights_exact, one
        assert all(engine == formula for engine, formula in one.graph), one
        assert max(map(abs, one.errors), default=0.0) <= MOST, one


@pytest.mark.conformance
@pytest.mark.engine
@pytest.mark.parametrize("architecture", sorted(models_by_architecture()))
def test_formula_and_engine_agree(architecture: str, pool: EnginePool, record_property: Record) -> None:
    errors: list[float] = []
    for model in models_by_architecture()[architecture]:
        found = [compare(case, pool) for case in cases_of(model, rounds=ROUNDS)]
        record_property(KEY, row(architecture, found))
        errors += [error for one in found for error in one.errors]
        check(found)
    assert percentile(errors, USUAL_SHARE) <= USUALLY


@pytest.mark.engine
def test_a_sample_agrees(pool: EnginePool, record_property: Record) -> None:
    chance = random.Random("sample")
    errors: list[float] = []
    by_architecture = models_by_architecture()
    for architecture in itertools.islice(itertools.cycle(by_architecture), SAMPLED):
        model = chance.choice(by_architecture[architecture])
        found = [compare(chance.choice(cases_of(model)), pool)]
        record_property(KEY, row(architecture, found))
        check(found)
        errors += [error for one in found for error in one.errors]
    assert percentile(errors, USUAL_SHARE) <= USUALLY


@pytest.mark.engine
@pytest.mark.parametrize("kind", models_not_causal())
def test_models_that_are_not_causal_agree(kind: str, pool: EnginePool) -> None:
    model = models_not_causal()[kind]
    found = [compare(case, pool, model) for case in cases_for(kind, model.hyperparameters, quantizations=("F16",))]
    check(found)
    assert percentile([error for one in found for error in one.errors], USUAL_SHARE) <= USUALLY


def _asked(model: str, **changes: object) -> Case:
    first = cases_of(model)[0]
    return Case(model, "Q4_K_M", 0, Kind(), first.settings.model_copy(update={"gpu_layers": 0, "cpu_moe_layers": 0, **changes}))


@pytest.mark.engine
@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("llama-3.1-8b", {"type_k": "f16", "type_v": "q8_0", "flash_attention": "off"}),
        ("phi-2", {"type_k": "q8_0", "type_v": "f16", "flash_attention": "on"}),
        ("phi-2", {"type_k": "f16", "type_v": "q4_0", "flash_attention": "auto"}),
        ("deepseek-r1-671b", {"type_k": "q8_0", "type_v": "f16", "flash_attention": "auto"}),
        # the engine ends where a graph has more tensors than its scheduler has room for
        ("granite-3.1-1b-a400m", {"type_k": "q8_0", "type_v": "q8_0", "flash_attention": "on", "slots": 1}),
        ("phi-4", {"type_k": "q4_0", "type_v": "q4_0", "flash_attention": "on", "slots": 4, "unified_kv": False}),
        ("phi-3-medium-14b", {"type_k": "q8_0", "type_v": "q8_0", "flash_attention": "on", "slots": 4, "unified_kv": False}),
    ],
)
def test_the_formula_refuses_what_the_engine_refuses(model: str, changes: dict[str, object], pool: EnginePool) -> None:
    found = compare(_asked(model, **changes), pool)
    assert found.refused is not None
    assert found.same_refusal, found.refused


def test_the_table_adds_up() -> None:
    one = Comparison("a", "cuda", None, ((100, 101),), ((10, 10),), ((0, 0),), ((0, 0),), (4, 4))
    two = Comparison(
        "b", "cpu", ("llama.cpp refuses this: quantized V cache requires flash_attn to be enabled", "x needs flash attention")
    )
    assert one.errors == pytest.approx((1 / 110,))
    assert not one.weights_exact
    assert one.caches_exact
    assert two.same_refusal
    made = row("llama", [one, two])
    assert (made["cases"], made["answered"], made["refused"], made["same_refusal"]) == (2, 1, 1, 1)
    lines = list(table([made, made]))
    assert [line.split()[0] for line in lines] == ["architecture", "llama", "all"]
    assert "0.909 %" in lines[-1]
    assert list(by_backend([made, made])) == [
        "architecture                       cuda",
        "llama                 0.909/ 0.909    2",
        "all                   0.909/ 0.909    2",
    ]
