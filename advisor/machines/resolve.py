"""From what a person says of a machine to its profile. `detected` asks this machine, once a process; nothing else does."""

from pathlib import Path

from advisor.errors import MissingPartError
from advisor.machines.adjust import adjust
from advisor.machines.here import HERE
from advisor.machines.library import find_machine
from advisor.machines.profile import MachineProfile
from advisor.settings import settings

DETECTED = "detected"


def resolve_machine(
    machine: str | None = None,
    *,
    gpus: int | None = None,
    memory_gib: float | None = None,
    ram_gib: float | None = None,
    bandwidth_gb_s: float | None = None,
    unified: bool = False,
) -> tuple[MachineProfile | None, tuple[str, ...]]:
    """The machine asked about and what was assumed of it; None where neither a name nor numbers describe one.

    A number of GPUs alone describes no machine: the plan is then laid on that many GPUs without a limit.
    """
    if machine is None and not unified and memory_gib is None and ram_gib is None and bandwidth_gb_s is None:
        return None, ()
    return adjust(
        None if machine is None else machine_named(machine),
        gpus=gpus,
        memory_gib=memory_gib,
        ram_gib=ram_gib,
        bandwidth_gb_s=bandwidth_gb_s,
        unified=unified,
    )


def machine_named(name: str) -> MachineProfile:
    """The profile of an id, of a profile file, or of this machine ("detected").

    Raises MissingPartError where the file is not there, QuestionError for anything else that names no machine.
    """
    wanted = name.strip()
    if wanted.lower() == DETECTED:
        return HERE.whole().profile
    if wanted.endswith((".toml", ".json")) and not settings().hosted and not _exists(wanted):
        raise MissingPartError(f'there is no file "{wanted[:80]}"; "advisor detect --json" prints a profile to start from')
    return find_machine(wanted)


def _exists(text: str) -> bool:
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False
