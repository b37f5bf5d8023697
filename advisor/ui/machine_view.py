"""A machine on a page: its facts with their sources, the GPU's limit, and how everything was found."""

from collections.abc import Iterable

import streamlit as st

from advisor.machines.detect import Finding
from advisor.machines.profile import MachineProfile
from advisor.units import format_size


def profile_table(machine: MachineProfile) -> None:
    """Every fact with its source; what is not known is said to be unknown."""
    rows = list(_facts(machine))
    st.dataframe(
        {"": [name for name, _, _ in rows], "Value": [value for _, value, _ in rows], "Source": [source for _, _, source in rows]},
        hide_index=True,
        key="profile",
        column_config={"Source": st.column_config.TextColumn(width="large")},
    )


def gpu_limit(machine: MachineProfile) -> None:
    """How much of a shared memory the GPU may take, and the command that raises it, with its risk."""
    if machine.gpu_limit_bytes is None:
        return
    st.subheader("How much the GPU may take", anchor=False)
    share = f" of {format_size(machine.memory.capacity_bytes)}" if machine.memory.capacity_bytes else ""
    st.markdown(f"By default **{format_size(machine.gpu_limit_bytes)}**{share}.")
    if machine.raise_gpu_limit:
        st.code(machine.raise_gpu_limit, language="bash")
        st.caption("Raising it leaves less to the system and to other programs. Too high, and the machine swaps or freezes. A restart undoes it.")


def findings_table(findings: Iterable[Finding]) -> None:
    """What was looked at, what it said, and how long it took."""
    rows = [(f.source, f.what, f.value or f.error or "nothing", f"{f.seconds * 1000:.0f} ms") for f in findings]
    names = ("Looked at", "For", "Answer", "Took")
    st.dataframe({name: [row[index] for row in rows] for index, name in enumerate(names)}, hide_index=True, key="findings")


def _facts(machine: MachineProfile) -> Iterable[tuple[str, str, str]]:
    sources = machine.sources

    def source(path: str) -> str:
        while path:
            if path in sources:
                return sources[path]
            path = path.rpartition(".")[0]
        return "unknown"

    def known(value: float | None, unit: str) -> str:
        return "unknown" if value is None else f"{value:g} {unit}"

    for index, gpu in enumerate(machine.gpus):
        at = f"gpus.{index}"
        yield f"GPU {index}" if len(machine.gpus) > 1 else "GPU", gpu.name, source(at)
        if machine.kind == "discrete":
            yield "Memory as sold", format_size(gpu.memory_bytes), source(f"{at}.memory_bytes")
            yield "Memory that can be used", format_size(gpu.capacity_bytes), source(f"{at}.capacity_bytes")
            if gpu.in_use_bytes is not None:
                yield "In use now", format_size(gpu.in_use_bytes), source(f"{at}.in_use_bytes")
        yield "Bandwidth", known(gpu.bandwidth_gb_s, "GB/s"), source(f"{at}.bandwidth_gb_s")
        yield "Half precision", known(gpu.fp16_tflops, "TFLOPS"), source(f"{at}.fp16_tflops")
        yield "Connection", gpu.link or "unknown", source(f"{at}.link")
    cpu, memory = machine.cpu, machine.memory
    yield "Processor", cpu.name or "unknown", source("cpu.name")
    yield "Performance cores", str(cpu.performance_cores or "unknown"), source("cpu.performance_cores")
    yield "Instruction sets", ", ".join(cpu.instruction_sets) or "unknown", source("cpu.instruction_sets")
    name = "Unified memory" if machine.kind == "unified" else "System memory"
    yield name, format_size(memory.capacity_bytes), source("memory.capacity_bytes")
    yield "In use now", format_size(memory.in_use_bytes), source("memory.in_use_bytes")
    yield "Memory bandwidth", known(memory.bandwidth_gb_s, "GB/s"), source("memory.bandwidth_gb_s")
    yield "Disk", f"{format_size(machine.disk.free_bytes)} free", source("disk")
    yield "System", machine.os or "unknown", source("os")
