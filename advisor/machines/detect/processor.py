"""The processor: name, performance and efficiency cores, and the instruction sets that ggml has kernels for."""

from advisor.machines.detect.probe import ProbeError
from advisor.machines.detect.system import System
from advisor.machines.profile import Cpu

# /proc/cpuinfo's names of what ggml-cpu is compiled for (llama.cpp ggml/src/ggml-cpu/CMakeLists.txt, GGML_AVX and following)
_X86 = {
    "avx": "avx",
    "avx2": "avx2",
    "fma": "fma",
    "f16c": "f16c",
    "avx_vnni": "avx_vnni",
    "avx512f": "avx512f",
    "avx512vbmi": "avx512_vbmi",
    "avx512_vnni": "avx512_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_tile": "amx_tile",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
}
_ARM = {
    "asimd": "neon",
    "neon": "neon",
    "asimddp": "dotprod",
    "asimdhp": "fp16",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
# MIDR part numbers of ARM Ltd. (implementer 0x41): linux arch/arm64/include/asm/cputype.h
_ARM_PARTS = {
    0xD03: "Cortex-A53",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD49: "Neoverse-N2",
    0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3",
    0xD4F: "Neoverse-V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
    0xD82: "Cortex-X4",
    0xD85: "Cortex-X925",
    0xD87: "Cortex-A725",
}
# Numbers of winnt.h, from PF_AVX_INSTRUCTIONS_AVAILABLE on
_WINDOWS_FEATURES = {39: "avx", 40: "avx2", 41: "avx512f", 43: "dotprod"}
_WINDOWS_NAME = ("reg", "query", r"HKLM\HARDWARE\DESCRIPTION\System\CentralProcessor\0", "/v", "ProcessorNameString")
_MOST_PROCESSORS = 4096


def read(system: System) -> Cpu:
    """The processor of this machine, as far as its system tells without a program being started."""
    if system.platform == "Linux":
        return _linux(system)
    if system.platform == "Windows":
        sets = tuple(name for number, name in _WINDOWS_FEATURES.items() if system.processor_feature(number))
        return Cpu(
            name=_windows_name(system), performance_cores=system.cores(), threads=system.threads(), instruction_sets=sets
        )
    return Cpu(performance_cores=None, threads=system.threads())


def described(cpu: Cpu) -> str:
    """One line: name, cores, instruction sets."""
    cores = "unknown cores" if cpu.performance_cores is None else f"{cpu.performance_cores} cores"
    if cpu.efficiency_cores:
        cores = f"{cpu.performance_cores} performance and {cpu.efficiency_cores} efficiency cores"
    sets = " ".join(cpu.instruction_sets) or "no known instruction sets"
    return f"{cpu.name or 'unknown'}, {cores}, {cpu.threads or 'unknown'} threads, {sets}"


def flags(cpuinfo: str) -> frozenset[str]:
    """The feature words of the first processor in /proc/cpuinfo."""
    row = next((line for line in cpuinfo.splitlines() if line.split(":")[0].strip() in ("flags", "Features")), ":")
    return frozenset(row.partition(":")[2].split())


def _linux(system: System) -> Cpu:
    text = system.read("/proc/cpuinfo") or ""
    blocks = [_fields(block) for block in text.split("\n\n") if block.strip()][:_MOST_PROCESSORS]
    found = flags(text)
    names = _X86 if "fpu" in found else _ARM
    performance, efficiency = _core_kinds(system, blocks)
    return Cpu(
        name=_name(blocks),
        performance_cores=performance,
        efficiency_cores=efficiency,
        threads=system.threads(),
        instruction_sets=tuple(dict.fromkeys(names[word] for word in names if word in found)),
    )


def _fields(block: str) -> dict[str, str]:
    rows = (line.partition(":") for line in block.splitlines())
    return {name.strip(): value.strip() for name, _, value in rows}


def _name(blocks: list[dict[str, str]]) -> str | None:
    first = next((block["model name"] for block in blocks if block.get("model name")), None)
    if first:
        return " ".join(first.split())
    parts = {int(block["CPU part"], 16) for block in blocks if block.get("CPU implementer") == "0x41" and "CPU part" in block}
    names = [_ARM_PARTS[part] for part in sorted(parts, reverse=True) if part in _ARM_PARTS]
    return f"ARM {' + '.join(names)}" if names else None


def _core_kinds(system: System, blocks: list[dict[str, str]]) -> tuple[int | None, int | None]:
    """Performance and efficiency cores. Hybrid x86 names them in sysfs; ARM gives each core a capacity of 1024 at most."""
    fast, slow = system.read("/sys/devices/cpu_core/cpus"), system.read("/sys/devices/cpu_atom/cpus")
    cores = {(block.get("physical id"), block["core id"]): block for block in blocks if "core id" in block}
    if fast and slow:
        efficient = _list(slow)
        slow_cores = {key for key, block in cores.items() if int(block["processor"]) in efficient}
        return len(cores) - len(slow_cores), len(slow_cores)
    capacities = [
        int(text) for path in system.glob("/sys/devices/system/cpu/cpu[0-9]*/cpu_capacity") if (text := system.read(path))
    ]
    if capacities and min(capacities) < max(capacities):
        performance = sum(capacity * 2 >= max(capacities) for capacity in capacities)
        return performance, len(capacities) - performance
    return (len(cores) or system.cores(), 0) if blocks else (system.cores(), None)


def _list(text: str) -> set[int]:
    """The numbers of a kernel list such as "0-7,16"."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _windows_name(system: System) -> str | None:
    try:
        text = system.run(_WINDOWS_NAME) or ""
    except ProbeError:
        return None
    line = next((line for line in text.splitlines() if "REG_SZ" in line), "")
    return line.partition("REG_SZ")[2].strip() or None
