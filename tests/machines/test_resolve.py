"""What people say of a machine, and what they get."""

from pathlib import Path

import pytest

from advisor.errors import MissingPartError, QuestionError
from advisor.machines import resolve
from advisor.machines.detect import Detection
from advisor.machines.here import Here
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import resolve_machine


def test_nothing_said_is_no_machine() -> None:
    assert resolve_machine() == (None, ())
    assert resolve_machine(gpus=2) == (None, ())


def test_names_and_numbers() -> None:
    named, _ = resolve_machine("rtx-4090")
    typed, said = resolve_machine(memory_gib=24, bandwidth_gb_s=1008)
    assert named and typed  # noqa: PT018
    assert named.gpus[0].capacity_bytes == typed.gpus[0].capacity_bytes
    assert named.gpus[0].bandwidth_gb_s == typed.gpus[0].bandwidth_gb_s == 1008
    assert any("numbers alone" in sentence for sentence in said)


def test_a_mac_without_its_memory_takes_the_smallest_sold() -> None:
    machine, said = resolve_machine("m2-8")
    assert machine
    assert machine.memory.capacity_bytes == 8 * 2**30
    assert any("the smallest is taken" in sentence for sentence in said)


@pytest.mark.parametrize("name", ["detected", "Detected", " DETECTED "])
def test_detected_asks_this_machine(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = MachineProfile(id="detected", name="A stand-in", kind="cpu", origin="detected")

    def look() -> Detection:
        return Detection(here, (), complete=True, seconds=0.0)

    monkeypatch.setattr(resolve, "HERE", Here(look, look))
    machine, _ = resolve_machine(name)
    assert machine
    assert machine.name == "A stand-in"


def test_a_profile_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('id = "mine"\nname = "My machine"\nkind = "cpu"\n[memory]\ncapacity_bytes = "16 GiB"\n')
    machine, _ = resolve_machine(str(file))
    assert machine
    assert machine.name == "My machine"
    with pytest.raises(MissingPartError, match="detect --json"):
        resolve_machine(str(tmp_path / "other.toml"))
    with pytest.raises(QuestionError, match="abacus"):
        resolve_machine("abacus")
