"""Logged buffers to devices, and differences to figures."""

import pytest

from advisor.accuracy.compare import CaseResult, Difference, differences, spread, summarize
from advisor.accuracy.logged import folded, parse_sizes

MIB = 2**20

# https://github.com/DzKriMo/Aigis, llama-server.log of 2026-03-01 (Qwen2.5 3B, 35 of 37 layers)
VULKAN = {
    "model": {"CPU_Mapped": 337.51, "Vulkan1": 1740.74},
    "kv": {"CPU": 4.0, "Vulkan1": 68.0},
    "kv_swa": None,
    "rs": None,
    "compute": {"Vulkan1": 300.75, "Vulkan_Host": 12.01},
    "output": {"Vulkan_Host": 2.32},
}


def test_pinned_and_mapped_buffers_are_the_hosts() -> None:
    """Vulkan_Host and CPU_Mapped lie in system memory."""
    gpu, host = parse_sizes({"sizes_mib": VULKAN}, ["Vulkan1"]).devices
    assert gpu.sizes["weights"] == 1740.74 * MIB
    assert host.sizes == pytest.approx(
        {"weights": 337.51 * MIB, "kv_cache": 4 * MIB, "compute": 12.01 * MIB, "output": 2.32 * MIB}
    )
    assert host.mapped
    assert not gpu.mapped


def test_repacked_weights() -> None:
    """Beside a mapped file repacked weights are second copies; without mapping they are part of the weights."""
    mapped = parse_sizes({"sizes_mib": {"model": {"CPU_Mapped": 1623.67, "CPU_REPACK": 921.38}}}, []).host
    assert (mapped.sizes["weights"], mapped.repacked) == (1623.67 * MIB, 921.38 * MIB)
    loaded = parse_sizes({"sizes_mib": {"model": {"CPU": 105.49, "CPU_REPACK": 678.75}}}, []).host
    assert loaded.sizes["weights"] == pytest.approx(784.24 * MIB)


def test_folded_counts_everything_once() -> None:
    """A Hexagon accelerator draws on system memory: its buffers, the host's and repacked ones together."""
    sizes = {"model": {"CPU_Mapped": 205.49, "CPU_REPACK": 205.49, "HTP0": 0.26, "HTP0-REPACK": 522.0}}
    one = folded(parse_sizes({"sizes_mib": sizes}, ["HTP0"])).devices[0]
    assert one.sizes["weights"] == pytest.approx(933.24 * MIB)


def test_rounding_counts_as_exact() -> None:
    """A prediction that would be printed alike is right; one hundredth of a MiB off is not."""
    inside = Difference("g", "gpu", "compute", 300.75 * MIB, 300.754 * MIB, 0.005 * MIB)
    outside = Difference("g", "gpu", "compute", 300.75 * MIB, 300.77 * MIB, 0.005 * MIB)
    assert inside.exact
    assert inside.relative == 0
    assert not outside.exact
    assert outside.relative == pytest.approx(0.02 / 300.75)


def test_what_is_predicted_but_not_logged_is_an_error() -> None:
    """A buffer that the log lists on other devices only is 0 here."""
    logged = parse_sizes({"sizes_mib": VULKAN}, ["Vulkan1"])
    sizes = [{"weights": 0.0, "kv_cache": 72 * MIB, "recurrent_state": 0.0, "compute": 0.0, "output": 5 * MIB}] * 2
    rows = differences(logged, sizes)
    output = next(row for row in rows if row.component == "output" and row.kind == "gpu")
    assert output.logged == 0
    assert output.relative == float("inf")


def test_excluded_components_and_sums() -> None:
    """Without weights there is no total; several GPUs can be compared as their sum."""
    sizes = {
        "model": {"CUDA0": 10.0, "CUDA1": 20.0},
        "kv": {"CUDA0": 1.0, "CUDA1": 2.0},
        "compute": {"CUDA0": 5.0, "CUDA1": 6.0},
    }
    logged = parse_sizes({"sizes_mib": sizes}, ["CUDA0", "CUDA1"])
    ours = [{"weights": 15.0 * MIB, "kv_cache": 1.5 * MIB, "compute": 5.0 * MIB}] * 2 + [{}]
    rows = differences(logged, ours, sum_only=("weights", "kv_cache"))  # type: ignore[arg-type]
    assert {row.component: row.exact for row in rows if row.device == "all GPUs"} == {
        "weights": True,
        "kv_cache": True,
        "total": False,
    }
    assert [row.error / MIB for row in rows if row.component == "compute"] == [0, -1]
    assert not [row for row in differences(logged, ours, without=("weights",)) if row.component in ("weights", "total")]  # type: ignore[arg-type]


def test_nearest_rank() -> None:
    """Percentiles are values that occurred."""
    rows = [Difference("g", "gpu", "compute", 100.0, 100.0 + i, 0.0) for i in (0, 2, 4, 6, 8, 10, 12, 14, 16, 18)]
    found = spread(rows)
    assert (found.count, found.median, found.p90, found.worst) == (10, 0.08, 0.16, 0.18)


def test_summary_counts_forks_apart() -> None:
    """A fork's cache rules are its own: it does not count against exactness."""
    wrong = Difference("g", "gpu", "kv_cache", 100.0 * MIB, 50.0 * MIB, 0.0)
    results = [
        CaseResult(str(i), "b1", (wrong,), {}, scaled=False, mainline=mainline) for i, mainline in enumerate((True, False))
    ]
    summary = summarize(results)
    assert (summary.kv_cases, summary.kv_exact, summary.kv_wrong) == (1, 0, ("0",))
