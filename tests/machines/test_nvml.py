"""NVIDIA's library through its Python binding, with a stand-in of the same functions and errors."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest

from advisor.machines.detect import nvml
from advisor.machines.detect.probe import ProbeError
from advisor.units import GIB, MIB


class Driver(ModuleType):
    """pynvml as far as it is asked, over a list of cards (dicts); what a card does not have is "not supported"."""

    def __init__(self, cards: list[dict[str, Any]], fails: Exception | None = None) -> None:
        super().__init__("pynvml")
        self.cards, self.fails, self.shut = cards, fails, 0
        self.nvmlMemory_v2 = pynvml.nvmlMemory_v2
        self.NVML_ERROR_LIB_RM_VERSION_MISMATCH = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
        for name in ("NVMLError", "NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded"):
            setattr(self, name, getattr(pynvml, name))

    def nvmlInit(self) -> None:  # noqa: N802
        if self.fails:
            raise self.fails

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.shut += 1

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        return self.cards[index]

    def nvmlDeviceGetName(self, card: dict[str, Any]) -> str:  # noqa: N802
        return str(card["name"])

    def nvmlDeviceGetMemoryInfo(self, card: dict[str, Any], version: int | None = None) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(**self.known(card, "memory" if version is None else "memory_v2"))

    def nvmlDeviceGetCudaComputeCapability(self, card: dict[str, Any]) -> tuple[int, int]:  # noqa: N802
        return self.known(card, "capability")

    def nvmlDeviceGetMaxPcieLinkGeneration(self, card: dict[str, Any]) -> int:  # noqa: N802
        return self.known(card, "generation")

    def nvmlDeviceGetMaxPcieLinkWidth(self, card: dict[str, Any]) -> int:  # noqa: N802
        return self.known(card, "width")

    def nvmlDeviceGetPciInfo(self, card: dict[str, Any]) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(busId=self.known(card, "bus"))

    def nvmlDeviceGetMigMode(self, card: dict[str, Any]) -> list[int]:  # noqa: N802
        return [1, 1] if self.known(card, "parts") else [0, 0]

    def nvmlDeviceGetMaxMigDeviceCount(self, card: dict[str, Any]) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, card: dict[str, Any], index: int) -> dict[str, Any]:  # noqa: N802
        return self.known(dict(enumerate(card["parts"])), index)

    @staticmethod
    def known(card: dict[Any, Any], key: Any) -> Any:
        if key not in card:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return card[key]


def ask(monkeypatch: pytest.MonkeyPatch, driver: Driver) -> Any:
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return nvml.query()


def test_a_card_with_what_its_driver_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = {"total": 24564 * MIB, "reserved": 480 * MIB, "used": 507 * MIB, "free": 23577 * MIB}
    card = {
        "name": "NVIDIA GeForce RTX 4090",
        "memory_v2": memory,
        "capability": (8, 9),
        "generation": 4,
        "width": 16,
        "bus": b"0:1",
    }
    driver = Driver([card])
    (row,) = ask(monkeypatch, driver)
    assert (row.total_bytes, row.reserved_bytes, row.used_bytes) == (24564 * MIB, 480 * MIB, 507 * MIB)
    assert (row.compute_capability, row.link, row.driver, row.pci) == ("8.9", "PCIe 4.0 x16", "580.95.05", "0:1")
    assert driver.shut == 1


def test_an_old_driver_without_version_2(monkeypatch: pytest.MonkeyPatch) -> None:
    card = {"name": "Tesla K80", "memory": {"total": 12 * GIB, "used": 0, "free": 12 * GIB}}
    (row,) = ask(monkeypatch, Driver([card]))
    assert (row.total_bytes, row.reserved_bytes, row.link, row.compute_capability) == (12 * GIB, None, None, None)


def test_a_gpu_without_memory_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = ask(monkeypatch, Driver([{"name": "NVIDIA GB10", "capability": (12, 1)}]))
    assert (row.total_bytes, row.used_bytes, row.compute_capability) == (None, None, "12.1")


def test_of_a_card_in_parts_the_largest_part_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"name": "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "memory": {"total": 9856 * MIB, "used": 0}}
    large = {"name": "NVIDIA H100 80GB HBM3 MIG 3g.40gb", "memory": {"total": 40448 * MIB, "used": 0}}
    whole = {
        "name": "NVIDIA H100 80GB HBM3",
        "memory": {"total": 81559 * MIB, "used": 0},
        "parts": [small, large],
        "capability": (9, 0),
    }
    (row,) = ask(monkeypatch, Driver([whole]))
    assert (row.name, row.total_bytes, row.compute_capability) == (large["name"], 40448 * MIB, "9.0")


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, Driver([], pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND))) is None
    assert ask(monkeypatch, Driver([])) == ()


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "installed but not loaded; restart"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "different versions; a restart helps"),
        (pynvml.NVML_ERROR_UNKNOWN, "NVML says:"),
    ],
)
def test_a_driver_that_fails_says_why(monkeypatch: pytest.MonkeyPatch, code: int, says: str) -> None:
    with pytest.raises(ProbeError, match=says):
        ask(monkeypatch, Driver([], pynvml.NVMLError(code)))


def test_the_binding_here_answers() -> None:
    """On a machine without NVIDIA: None; with one: rows. Either way no error."""
    rows = nvml.query()
    assert rows is None or all(row.name for row in rows)
