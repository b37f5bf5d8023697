"""The host: memory with the limit of its container, processor, operating system, disk of the models."""

from math import ceil

from advisor.machines.detect import processor
from advisor.machines.detect.probe import Part
from advisor.machines.detect.system import System
from advisor.machines.profile import SystemMemory
from advisor.units import format_size

_NO_LIMIT = 2**60
"""cgroup v1 writes a number near 2**63 where there is no limit."""
_CONTAINER_FILES = (("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman"))
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "libpod", "lxc")
_VIRTUAL_VENDORS = ("QEMU", "VMware", "innotek", "Xen", "Amazon EC2", "Google Compute", "Parallels", "KVM")
_VIRTUAL_PRODUCTS = ("Virtual Machine", "VirtualBox", "KVM", "HVM domU", "Standard PC")
MODEL_FOLDERS = (
    ("LLAMA_CACHE", ""),
    ("OLLAMA_MODELS", ""),
    ("HF_HOME", ""),
    (None, ".cache/llama.cpp"),
    (None, ".ollama/models"),
    (None, ".lmstudio/models"),
    (None, ".cache/huggingface"),
    (None, ""),
)


def memory(system: System) -> Part:
    """System memory: what the kernel has, and what a container or service may take of it."""
    if system.platform != "Linux":
        found = system.memory()
        return Part(memory=found, facts=(("memory", _described(found)),))
    text = system.read("/proc/meminfo")
    found = _meminfo(text) if text else system.memory()
    limited = _limited(system, found)
    if limited is None:
        return Part(memory=found, facts=(("memory", _described(found)),))
    sizes = f"{format_size(limited.capacity_bytes)} of {format_size(found.capacity_bytes)}"
    note = f"A container or service limits the memory to {sizes}."
    facts = (("memory of the host", _described(found)), ("memory limit (cgroup)", _described(limited)))
    return Part(memory=limited, notes=(note,), facts=facts)


def cpu(system: System) -> Part:
    """The processor, with the cores that this process may use."""
    found = processor.read(system)
    quota = _cpu_quota(system)
    if quota is None or (found.threads or 0) <= quota:
        return Part(cpu=found, facts=(("processor", processor.described(found)),))
    usable = max(1, ceil(quota))
    cores = found.performance_cores
    limited = found.model_copy(update={"threads": usable, "performance_cores": min(cores, usable) if cores else cores})
    note = f"A container or service limits this process to {quota:g} processors."
    return Part(
        cpu=limited,
        notes=(note,),
        facts=(("processor", processor.described(found)), ("processor limit (cgroup)", f"{quota:g}")),
    )


def surroundings(system: System) -> Part:
    """Operating system, and whether it runs in a container, a virtual machine or WSL."""
    notes: list[str] = []
    name = f"{system.platform} {system.release}"
    if system.platform == "Linux":
        release = dict(line.split("=", 1) for line in (system.read("/etc/os-release") or "").splitlines() if "=" in line)
        kernel = system.read("/proc/sys/kernel/osrelease") or system.release
        name = f"{release.get('PRETTY_NAME', 'Linux').strip(chr(34))}, Linux {kernel}".strip()
        notes = [note for note in (_wsl(kernel) or _virtual(system), _container(system)) if note]
    elif system.platform == "Darwin":
        name = f"macOS {system.macos}"
    facts = [("operating system", name), *(("surroundings", note) for note in notes)]
    return Part(os=name, notes=tuple(notes), facts=tuple(facts))


def disk(system: System) -> Part:
    """Free space where models are kept: the first folder of the known programs that exists, else the home folder."""
    for variable, below in MODEL_FOLDERS:
        base = system.home() if variable is None else system.environment(variable)
        path = f"{base}/{below}".rstrip("/") if base else None
        if path and system.exists(path):
            found = system.disk(path)
            return Part(disk=found, facts=(("disk of the models", f"{format_size(found.free_bytes)} free at {path}"),))
    return Part()


def _described(memory: SystemMemory) -> str:
    return f"{format_size(memory.capacity_bytes)}, {format_size(memory.in_use_bytes)} in use"


def _meminfo(text: str) -> SystemMemory:
    rows = {line.split(":")[0]: line.split(":")[1].split() for line in text.splitlines() if ":" in line}
    size = {name: int(cells[0]) * 1024 for name, cells in rows.items() if cells and cells[0].isdigit()}
    available = size.get("MemAvailable", size.get("MemFree", 0) + size.get("Cached", 0) + size.get("Buffers", 0))
    total = size["MemTotal"]
    return SystemMemory(capacity_bytes=total, in_use_bytes=max(0, total - available), swap_bytes=size.get("SwapTotal"))


def _cgroup_folders(system: System, controller: str) -> list[str]:
    """Folders of this process's cgroup and of those above it, innermost first: version 2, then version 1."""
    folders: list[str] = []
    for line in (system.read("/proc/self/cgroup") or "0::/").splitlines():
        number, names, path = [*line.split(":", 2), "", ""][:3]
        unified = number == "0" and names == ""
        if unified or controller in names.split(","):
            root = "/sys/fs/cgroup" if unified else f"/sys/fs/cgroup/{controller}"
            parts = [part for part in path.split("/") if part and part != ".."]
            folders += ["/".join([root, *parts[:depth]]) for depth in range(len(parts), -1, -1)]
    return folders


def _limited(system: System, host: SystemMemory) -> SystemMemory | None:
    """The tightest memory limit above this process that is below the host's memory."""
    best: SystemMemory | None = None
    for folder in _cgroup_folders(system, "memory"):
        for limit_file, used_file, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _number(system.read(f"{folder}/{limit_file}"))
            if limit is None or limit >= min(_NO_LIMIT, host.capacity_bytes or _NO_LIMIT):
                continue
            if best is not None and limit >= (best.capacity_bytes or 0):
                continue
            used = _number(system.read(f"{folder}/{used_file}")) or 0
            stat = dict(line.split()[:2] for line in (system.read(f"{folder}/memory.stat") or "").splitlines() if " " in line)
            used = max(0, used - int(stat.get(cache, 0)))  # page cache that the kernel gives back when asked
            free_on_host = (host.capacity_bytes or limit) - (host.in_use_bytes or 0)
            in_use = min(limit, max(used, limit - free_on_host))
            best = SystemMemory(capacity_bytes=limit, in_use_bytes=in_use, swap_bytes=None)
    return best


def _cpu_quota(system: System) -> float | None:
    """Processors that the cgroup grants, in parts of one; None where there is no limit."""
    quotas: list[float] = []
    for folder in _cgroup_folders(system, "cpu"):
        cells = (system.read(f"{folder}/cpu.max") or "").split()
        if len(cells) != 2:
            cells = [system.read(f"{folder}/cpu.cfs_quota_us") or "", system.read(f"{folder}/cpu.cfs_period_us") or ""]
        if all(cell.isdigit() for cell in cells) and int(cells[1]) > 0:
            quotas.append(int(cells[0]) / int(cells[1]))
    return min(quotas, default=None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def _wsl(kernel: str) -> str | None:
    if "microsoft" not in kernel.lower():
        return None
    return "This is WSL: the memory is the share that Windows gives it (half by default; .wslconfig raises it)."


def _container(system: System) -> str | None:
    for path, name in _CONTAINER_FILES:
        if system.exists(path):
            return f"This is a container ({name})."
    groups = system.read("/proc/self/cgroup") or ""
    return "This is a container." if any(word in groups for word in _CONTAINER_WORDS) else None


def _virtual(system: System) -> str | None:
    vendor = system.read("/sys/class/dmi/id/sys_vendor") or ""
    product = system.read("/sys/class/dmi/id/product_name") or ""
    if vendor.startswith(_VIRTUAL_VENDORS) or product.startswith(_VIRTUAL_PRODUCTS):
        return f"This is a virtual machine ({vendor} {product})."
    flags = processor.flags(system.read("/proc/cpuinfo") or "")
    return "This is a virtual machine." if "hypervisor" in flags else None
