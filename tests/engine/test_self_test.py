"""The engine grade is on only where the engine is the one whose figures are known."""

import ctypes
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from advisor.engine import ggml_structs, self_test
from advisor.engine.ggml_structs import Library
from advisor.engine.pool import EnginePool
from advisor.engine.virtual_gpus import MAX_GPUS, VirtualGpus
from advisor.errors import EngineFailedError, MissingPartError
from tests.engine.known import NEEDS_ENGINE

pytestmark = NEEDS_ENGINE


@pytest.fixture
def pool() -> Iterator[EnginePool]:
    pool = EnginePool(most=1)
    yield pool
    pool.close()


def open_library() -> Library:
    found = importlib.util.find_spec("llama_cpp")
    assert found is not None
    assert found.origin is not None
    folder = Path(found.origin).parent / "lib"
    return Library(ctypes.CDLL(str(folder / "libllama.so")), folder)


def test_the_pinned_engine_is_known(pool: EnginePool) -> None:
    self_test.check_engine(pool)
    assert [pool.plan(question) for question in self_test.questions()] == list(self_test.KNOWN)


def test_other_figures_switch_it_off(pool: EnginePool, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = self_test.KNOWN
    monkeypatch.setattr(self_test, "KNOWN", (replace(first, compute=(1, 2)), second))
    with pytest.raises(EngineFailedError, match=r"does not plan as llama-cpp-python 0\.3\.36 does") as caught:
        self_test.check_engine(pool)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", [None, "0.3.35"])
def test_another_version_switches_it_off(pool: EnginePool, monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    monkeypatch.setattr(self_test, "installed_version", lambda: version)
    with pytest.raises(MissingPartError, match=r"python -m advisor\.engine\.build"):
        self_test.check_engine(pool)
    assert pool.pids == ()


def test_layouts_are_those_of_one_ggml(monkeypatch: pytest.MonkeyPatch) -> None:
    library = open_library()
    assert library.ops["NONE"] == 0
    assert "FLASH_ATTN_EXT" in library.ops
    monkeypatch.setattr(ggml_structs, "GGML_VERSION", "0.26.0")
    with pytest.raises(RuntimeError, match=r"ggml is version 0\.25\.3, 0\.26\.0 is needed"):
        open_library()


def test_layouts_are_those_of_one_backend_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ggml_structs, "API_VERSION", 3)
    with pytest.raises(RuntimeError, match="backend interface is version 2, 3 is needed"):
        open_library()


def test_a_struct_that_is_laid_out_differently_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shifted(ctypes.Structure):
        _fields_ = [("new", ctypes.c_void_p), ("iface", ggml_structs.DeviceInterface), ("reg", ctypes.c_void_p)]

    monkeypatch.setattr(ggml_structs, "Device", Shifted)
    with pytest.raises(RuntimeError, match=r"version|laid out"):
        open_library()


@pytest.mark.parametrize("count", [-1, MAX_GPUS + 1])
def test_no_more_gpus_than_the_scheduler_takes(count: int) -> None:
    gpus = VirtualGpus.__new__(VirtualGpus)
    with pytest.raises(ValueError, match="15 at most"):
        gpus.take("cuda", count)


def test_what_is_read_from_the_log_alone_is_known_too(pool: EnginePool) -> None:
    for question, known in zip(self_test.questions(), self_test.KNOWN, strict=True):
        figures = pool.plan(replace(question, by_log=True))
        assert figures.weights is None
        assert self_test.is_known(figures, known)
        assert not self_test.is_known(replace(figures, compute=tuple(size + 10000 for size in figures.compute)), known)
        assert not self_test.is_known(replace(figures, copies=7), known)
