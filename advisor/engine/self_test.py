"""Is the engine here the one whose figures are known? Asked once a process, before its first plan."""

import threading
from dataclasses import replace

from advisor.engine.planning_files import PLANNING_FILES
from advisor.engine.pool import EnginePool
from advisor.engine.questions import PlanFigures, PlanQuestion
from advisor.engine.recipe import PACKAGE, VERSION
from advisor.engine.status import engine_status, installed_version
from advisor.errors import EngineFailedError, EngineRefusedError, MissingPartError
from advisor.models.library import catalogue

MODEL = ("smollm2-135m", "Q8_0")
_F16, _Q8_0 = 1, 8
_ROUNDING = 5300
"""Half a hundredth of a MiB, rounded up."""

_lock = threading.Lock()
_checked: set[EnginePool] = set()


def check_engine(pool: EnginePool) -> None:
    """Raise MissingPartError where the engine is not installed, is another version, or lays a known model out differently."""
    with _lock:
        if pool in _checked:
            return
        if installed_version() != VERSION:
            raise MissingPartError(
                f"{engine_status().sentence} Build it with: python -m advisor.engine.build; or ask for --grade formula"
            )
        try:
            found = [pool.plan(question) for question in questions()]
        except EngineRefusedError as error:
            raise _different() from error
        if not all(is_known(figures, known) for figures, known in zip(found, KNOWN, strict=True)):
            raise _different()
        _checked.add(pool)


def is_known(figures: PlanFigures, known: PlanFigures) -> bool:
    """True where `figures` are `known`, to the precision of the log where only that could be read."""
    if figures.weights is not None:
        return figures == known
    log_only = replace(known, weights=None, kv_cache=None, compute=figures.compute, graph=figures.graph)
    near = all(abs(ours - theirs) <= _ROUNDING for ours, theirs in zip(figures.compute, known.compute, strict=True))
    return near and figures == log_only


def _different() -> EngineFailedError:
    return EngineFailedError(
        f"the engine that is installed does not plan as {PACKAGE} {VERSION} does, so it is not used; "
        "build it anew with: python -m advisor.engine.build, or ask for --grade formula"
    )


def questions() -> tuple[PlanQuestion, ...]:
    """A plan that is partly on the host, with padded rows and scratch for a quantized cache; and one over two GPUs."""
    path = str(PLANNING_FILES.of_model(catalogue().find(MODEL[0]).quantized(MODEL[1])))
    return (
        _question(path, gpus=1, gpu_layers=20, tensor_split=(20.0,), outputs=4, cache_type=_Q8_0),
        _question(path, gpus=2, gpu_layers=31, tensor_split=(16.0, 15.0), outputs=0, cache_type=_F16),
    )


def _question(
    path: str, *, gpus: int, gpu_layers: int, tensor_split: tuple[float, ...], outputs: int, cache_type: int
) -> PlanQuestion:
    return PlanQuestion(
        file=path,
        backend="cuda",
        gpus=gpus,
        gpu_layers=gpu_layers,
        tensor_split=tensor_split,
        host_experts=(),
        load_mtp=False,
        context=4096,
        batch=2048,
        ubatch=512,
        slots=4,
        outputs=outputs,
        type_k=cache_type,
        type_v=cache_type,
        flash_attention=-1,
        swa_full=False,
        unified_kv=True,
    )


KNOWN: tuple[PlanFigures, ...] = (
    PlanFigures(
        weights=(101672192, 71493120),
        kv_cache=(31766784, 18382848),
        caches_mib=47.81,
        cached_layers=30,
        states=(0, 0),
        compute=(18377984, 6598688),
        output=786432,
        layers=(1,) * 11 + (0,) * 20,
        flash_attention=None,
        copies=1,
        graph=(1638, 4099),
    ),
    PlanFigures(
        weights=(60284928, 82833152, 30081024),
        kv_cache=(50331648, 44040192, 0),
        caches_mib=90.0,
        cached_layers=30,
        states=(0, 0, 0),
        compute=(34512896, 123387904, 22732800),
        output=786432,
        layers=(0,) * 16 + (1,) * 15,
        flash_attention=True,
        copies=4,
        graph=(1276, 4099),
    ),
)
"""What the pinned engine plans for `questions`. Weights are the tensor table's, each quantized tensor with the rest of its row
to 512 values (576 wide in Q8_0: 476 bytes more) and aligned to 128; caches are 2 x 4096 cells x 192 values a block, padded
likewise; logits are 49,152 x 4 slots x 4 bytes."""
