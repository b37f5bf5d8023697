"""A machine on a page: its facts with their sources, the GPU's limit, how everything was found, the measured bandwidth."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import streamlit as st

from advisor.errors import HeadroomError
from advisor.machines.apple_limit import NEWER_MACOS
from advisor.machines.bandwidth import BandwidthMeasurement, measure_bandwidth
from advisor.machines.detect import Finding
from advisor.machines.here import HERE
from advisor.machines.profile import MachineProfile
from advisor.ui.inert import inert
from advisor.ui.state import draw_again
from advisor.ui.tables import table
from advisor.units import format_size

_MEASURED = "machine:measured"
Fact = tuple[str, str, str]


def profile_table(machine: MachineProfile) -> None:
    """Every fact with its source; what is not known is said to be unknown."""
    rows = [(name, value, "" if value == "unknown" else source) for name, value, source in _facts(machine)]
    table(("", "Value", "How it is known"), rows, key="profile", kinds=("", "", "faint"), stack=True)


def gpu_limit(machine: MachineProfile) -> None:
    """How much of a shared memory the GPU may take, and the command that raises it, with its risk."""
    if machine.gpu_limit_bytes is None:
        return
    st.subheader("How much the GPU may take", anchor=False)
    share = f" of {format_size(machine.memory.capacity_bytes)}" if machine.memory.capacity_bytes else ""
    is_mac = any(gpu.vendor == "apple" for gpu in machine.gpus)
    older = f" with macOS {NEWER_MACOS}; an older one gives less" if is_mac and machine.origin != "detected" else ""
    st.markdown(f"By default **{format_size(machine.gpu_limit_bytes)}**{share}{older}.")
    if machine.raise_gpu_limit:
        st.code(machine.raise_gpu_limit, language=None, wrap_lines=True)
        st.caption(
            "This raises it. It leaves less to the system and to other programs; too high, and the machine swaps or freezes. "
            "A restart undoes it."
        )


def look_and_measure() -> None:
    """Draw the two buttons for this machine: look again, and measure the memory's bandwidth."""
    row = st.container(horizontal=True, vertical_alignment="center")
    if row.button("Look again", icon=":material/refresh:", key="look_again"):
        HERE.again()
        draw_again()
    if row.button(
        "Measure memory bandwidth", icon=":material/speed:", key="measure", help="Copies memory for about one second."
    ):
        with st.spinner("Copying memory for one second …"):
            try:
                st.session_state[_MEASURED] = measure_bandwidth()
            except HeadroomError as error:
                st.session_state[_MEASURED] = f"{error}"
    measured = st.session_state.get(_MEASURED)
    if isinstance(measured, BandwidthMeasurement):
        st.markdown(f"Measured here: **{measured.gb_s:.1f} GB/s** ({measured.low_gb_s:.1f} to {measured.high_gb_s:.1f})")
        st.caption(_how_measured(measured))
        st.button("Use it for this machine", key="use_measured", on_click=_use, args=(round(measured.gb_s, 1),))
    elif measured:
        st.caption(inert(measured))


def _how_measured(measured: BandwidthMeasurement) -> str:
    size = format_size(measured.buffer_bytes // 2)
    said = f"{measured.rounds} copies of {size} by {measured.threads} threads, read and written together."
    return said if measured.beyond_cache else f"{said} The cache is nearly as large, so memory itself may be slower."


def _use(gb_s: float) -> None:
    st.session_state["machine:bandwidth"] = gb_s


def findings_table(findings: Iterable[Finding]) -> None:
    """What was looked at, what it said, and how long it took."""
    rows = [(f.source, f.what, f.value or f.error or "nothing", f"{f.seconds * 1000:.0f} ms") for f in findings]
    table(("Looked at", "For", "Answer", "Took"), rows, key="findings", kinds=("", "faint", "", "right"), stack=True)


def _facts(machine: MachineProfile) -> Iterator[Fact]:
    sources = machine.sources

    def source(path: str) -> str:
        while path:
            if path in sources:
                return sources[path]
            path = path.rpartition(".")[0]
        return ""

    cards = [tuple(_gpu_facts(machine, index, source)) for index in range(len(machine.gpus))]
    first = 0
    for same, group in groupby(cards):
        last = first + len(tuple(group))
        name = "GPU" if len(cards) == 1 else f"GPU {last}" if last == first + 1 else f"GPUs {first + 1} to {last}, each"
        yield (name, *same[0][1:])
        yield from same[1:]
        first = last
    cpu, memory = machine.cpu, machine.memory
    yield "Processor", cpu.name or "unknown", source("cpu.name")
    yield "Performance cores", str(cpu.performance_cores or "unknown"), source("cpu.performance_cores")
    yield "Instruction sets", ", ".join(cpu.instruction_sets) or "unknown", source("cpu.instruction_sets")
    name = "Unified memory" if machine.kind == "unified" else "System memory"
    yield name, format_size(memory.capacity_bytes), source("memory.capacity_bytes")
    if memory.in_use_bytes is not None:
        yield "In use by other programs", format_size(memory.in_use_bytes), source("memory.in_use_bytes")
    yield "Memory bandwidth", _known(memory.bandwidth_gb_s, "GB/s"), source("memory.bandwidth_gb_s")
    if machine.disk.free_bytes is not None:
        yield "Disk", f"{format_size(machine.disk.free_bytes)} free", source("disk")
    if machine.os:
        yield "System", machine.os, source("os")


def _gpu_facts(machine: MachineProfile, index: int, source: Callable[[str], str]) -> Iterator[Fact]:
    gpu, at = machine.gpus[index], f"gpus.{index}"
    yield "GPU", gpu.name, source(at)
    if machine.kind == "discrete":
        yield "Memory as sold", format_size(gpu.memory_bytes), source(f"{at}.memory_bytes")
        yield "Memory that can be used", format_size(gpu.capacity_bytes), source(f"{at}.capacity_bytes")
    if gpu.in_use_bytes is not None:
        yield "In use by other programs", format_size(gpu.in_use_bytes), source(f"{at}.in_use_bytes")
    yield "GPU bandwidth", _known(gpu.bandwidth_gb_s, "GB/s"), source(f"{at}.bandwidth_gb_s")
    yield "Half precision", _known(gpu.fp16_tflops, "TFLOPS"), source(f"{at}.fp16_tflops")
    if machine.kind == "discrete":
        yield "Connection", gpu.link or "unknown", source(f"{at}.link")


def _known(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.5g} {unit}"
