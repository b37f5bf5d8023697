"""Workers that are killed, hang, crash or take too much: one clear error each, and the next question is answered."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from advisor.engine.layout import question_for
from advisor.engine.planning_files import PLANNING_FILES
from advisor.engine.pool import EnginePool
from advisor.engine.questions import PlanQuestion
from advisor.engine.worker import Worker, end_of_worker
from advisor.errors import EngineFailedError, EngineRefusedError, MissingPartError
from advisor.memory.planner import arrange
from advisor.memory.presets import resolve
from tests.engine.known import LIBRARY, NEEDS_ENGINE, model
from tests.waiting import until, wall_clock

pytestmark = NEEDS_ENGINE
COMPUTE = (271056896, 25180160)
"""Llama-3.1-8B Q4_K_M at 8,192: 258.50 and 24.01 MiB, as CUDA logs print them."""


@pytest.fixture
def pool() -> Iterator[EnginePool]:
    pool = EnginePool(most=1, time_limit_s=10)
    yield pool
    pool.close()


def question(name: str = "llama-3.1-8b", context: int = 8192, gpus: int = 1) -> PlanQuestion:
    asked = model(name)
    return question_for(arrange(asked, None, resolve({**LIBRARY, "context": context}, asked, has_gpu=True), gpus=gpus))


def test_a_worker_killed_in_the_middle_of_a_question(pool: EnginePool) -> None:
    asked = question()
    assert pool.plan(asked).compute == COMPUTE
    (pid,) = pool.pids
    # Stopped, it holds the question without answering; then it is killed.
    os.kill(pid, signal.SIGSTOP)

    def kill() -> None:
        until(lambda: pool.pids == ())
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineFailedError, match=r"killed from outside \(SIGKILL\)") as caught:
        pool.plan(asked)
    killer.join()
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    assert pool.plan(asked).compute == COMPUTE
    assert pool.pids != (pid,)


def test_a_worker_that_died_between_questions_is_replaced_without_a_word(pool: EnginePool) -> None:
    asked = question()
    pool.plan(asked)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGKILL)
    until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    assert pool.plan(asked).compute == COMPUTE


def test_a_crash(pool: EnginePool) -> None:
    asked = question()
    pool.plan(asked)
    os.kill(pool.pids[0], signal.SIGSTOP)
    pid = pool.pids[0]

    def crash() -> None:
        until(lambda: pool.pids == ())
        os.kill(pid, signal.SIGSEGV)
        os.kill(pid, signal.SIGCONT)

    crashing = threading.Thread(target=crash)
    crashing.start()
    with pytest.raises(EngineFailedError, match=r"crashed \(SIGSEGV\)"):
        pool.plan(asked)
    crashing.join()
    assert pool.plan(asked).compute == COMPUTE


def test_a_check_of_the_engines_own(pool: EnginePool) -> None:
    # More blocks for multi-token prediction than blocks: llama.cpp asserts and aborts the process (src/llama-model.cpp:1330).
    asked = model("llama-3.1-8b")
    assert asked.keys is not None
    impossible = replace(asked, keys={**asked.keys, "llama.nextn_predict_layers": 99})
    file = str(PLANNING_FILES.of_model(impossible))
    with pytest.raises(
        EngineFailedError, match=r"stopped at a check of its own \(llama-model\.cpp:1330: GGML_ASSERT\("
    ) as caught:
        pool.plan(replace(question(), file=file))
    assert "\n" not in str(caught.value)
    assert pool.plan(question()).compute == COMPUTE


@wall_clock
def test_a_hang() -> None:
    pool = EnginePool(most=1, time_limit_s=0.5)
    try:
        asked = question()
        pool.plan(asked)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(EngineFailedError, match=r"no answer within 0\.5 s"):
            pool.plan(asked)
        assert time.monotonic() - start < 3
        assert pool.pids == ()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert pool.plan(asked).compute == COMPUTE
    finally:
        pool.close()


def test_a_limit_of_memory() -> None:
    pool = EnginePool(most=1, memory_limit_bytes=100 << 20)
    try:
        with pytest.raises(MissingPartError, match="needed more memory than it may take"):
            pool.plan(question("deepseek-r1-671b", gpus=8))
    finally:
        pool.close()


def test_whoever_is_stopped_while_waiting_leaves_no_answer_behind(pool: EnginePool, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a page's script is when its visitor clicks elsewhere.
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    pool.plan(question())
    with monkeypatch.context() as patched:
        patched.setattr(Worker, "_next", stopped)
        with pytest.raises(KeyboardInterrupt):
            pool.plan(question(context=32768))
    assert pool.pids == ()
    assert sum(pool.plan(question(context=4096)).kv_cache) == 512 << 20


def test_a_refusal_leaves_the_worker_as_it_is(pool: EnginePool) -> None:
    pool.plan(question())
    pids = pool.pids
    # Quantized values without flash attention.
    with pytest.raises(EngineRefusedError, match="quantized V cache requires flash_attn to be enabled"):
        pool.plan(replace(question(), type_v=8, flash_attention=0))
    assert pool.pids == pids


def test_a_file_that_is_not_there(pool: EnginePool) -> None:
    with pytest.raises(EngineRefusedError, match="No such file"):
        pool.plan(replace(question(), file="/nowhere/model.gguf"))


def test_many_threads_share_few_workers() -> None:
    pool = EnginePool(most=2)
    contexts = [1024 * n for n in range(1, 13)]
    try:
        with ThreadPoolExecutor(max_workers=12) as threads:
            found = list(threads.map(lambda context: pool.plan(question(context=context)), contexts))
        assert [sum(figures.kv_cache) for figures in found] == [131072 * context for context in contexts]
        assert 1 <= len(pool.pids) <= 2
    finally:
        pool.close()


def test_a_worker_that_held_much_is_replaced() -> None:
    pool = EnginePool(most=1, recycled_bytes=1)
    try:
        assert pool.plan(question()).compute == COMPUTE
        assert pool.pids == ()
    finally:
        pool.close()


def test_a_loaded_model_is_used_again_for_other_settings() -> None:
    worker = Worker()
    try:
        asked = question("deepseek-r1-671b", gpus=8)
        worker.ask("plan", asked)
        first, rest = worker.seconds, []
        for context in (9216, 10240, 11264):
            worker.ask("plan", replace(asked, context=context))
            rest.append(worker.seconds)
        assert min(rest) < first
        # DeepSeek R1 on eight GPUs: under half a second warm, and under 300 MiB.
        assert min(rest) < 0.5
        assert worker.peak_bytes is not None
        assert worker.peak_bytes < 300 << 20
    finally:
        worker.close()


def test_a_worker_listens_on_no_port() -> None:
    import psutil

    worker = Worker()
    try:
        worker.ask("plan", question())
        process = psutil.Process(worker.pid)
        assert process.net_connections() == []
        assert process.children() == []
    finally:
        worker.close()


def test_what_is_set_outside_does_not_reach_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", "/nowhere")
    monkeypatch.setenv("LLAMA_ATTN_ROT_DISABLE", "1")
    worker = Worker()
    try:
        assert worker.ask("plan", question()).compute == COMPUTE  # type: ignore[union-attr]
    finally:
        worker.close()


ENDS = [
    (-9, (), "the engine's process was killed from outside (SIGKILL)"),
    (-11, (), "the engine's process crashed (SIGSEGV)"),
    (
        -6,
        ("/a/ggml-backend.cpp:12: GGML_ASSERT(x) failed\n",),
        "the engine stopped at a check of its own (ggml-backend.cpp:12: GGML_ASSERT(x) failed)",
    ),
    (
        -6,
        ("/tmp/vendor/llama.cpp/ggml/src/ggml-impl.h:330: fatal error\n",),
        "the engine stopped at a check of its own (ggml-impl.h:330: fatal error)",
    ),
    (
        -6,
        ("terminate called after throwing an instance of 'std::bad_alloc'\n",),
        "the engine needed more memory than it may take",
    ),
    (1, ("Traceback\n", "ImportError: no gguf\n"), "the engine's process ended (exit code 1, ImportError: no gguf)"),
    (3, (), "the engine's process ended (exit code 3)"),
]


@pytest.mark.parametrize(("code", "said", "sentence"), ENDS)
def test_why_a_worker_ended(code: int, said: tuple[str, ...], sentence: str) -> None:
    assert end_of_worker(code, said) == sentence
