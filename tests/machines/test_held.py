"""What running models hold is taken from a new one: where drivers say it, where they do not, and in a shared memory."""

import pytest

from advisor.estimate import estimate_for
from advisor.machines import here as machines_here
from advisor.machines import loaded
from advisor.machines.detect import Detection
from advisor.machines.held import SOURCE, Held, with_held
from advisor.machines.here import Here
from advisor.machines.library import find_machine
from advisor.machines.profile import Gpu, MachineProfile, SystemMemory
from advisor.memory.devices import devices_of
from advisor.models.library import catalogue
from advisor.question import Question
from advisor.units import GIB
from tests.machines.recorded import found_on, recorded
from tests.models.sources.json_server import json_server

OLLAMA = {"models": [{"name": "gemma3:27b", "size": 18 * GIB, "size_vram": 17 * GIB, "context_length": 4096}]}


def mac(in_use: int) -> MachineProfile:
    """64 GiB, of which the GPU may take 48: programs hold `in_use`, wired memory included."""
    machine = find_machine("m4-max-40").model_copy(update={"origin": "detected", "gpu_limit_bytes": 48 * GIB})
    return machine.model_copy(update={"memory": SystemMemory(capacity_bytes=64 * GIB, in_use_bytes=in_use)})


def arc(in_use: int | None) -> MachineProfile:
    """A card whose driver may not say what is in use."""
    gpu = Gpu(name="Intel Arc A770", vendor="intel", backend="vulkan", capacity_bytes=16 * GIB, in_use_bytes=in_use)
    return MachineProfile(
        id="detected", name="Arc", kind="discrete", origin="detected", gpus=(gpu,), memory=SystemMemory(capacity_bytes=32 * GIB)
    )


def gpu_free(machine: MachineProfile) -> int:
    free = devices_of(machine, 1)[0].free_bytes
    assert free is not None
    return free


def test_a_driver_that_counts_is_believed_alone() -> None:
    machine = arc(6 * GIB)
    assert with_held(machine, Held(gpu_bytes=5 * GIB)) == machine


def test_a_card_whose_driver_is_silent_loses_what_ollama_says() -> None:
    machine = arc(None)
    held = with_held(machine, Held(gpu_bytes=5 * GIB))
    assert gpu_free(machine) - gpu_free(held) == 5 * GIB
    assert held.sources["gpus.0.in_use_bytes"] == SOURCE
    assert gpu_free(with_held(machine, Held(gpu_bytes=99 * GIB))) == 0


def test_nothing_runs_and_nothing_is_said() -> None:
    assert with_held(arc(None), Held()) == arc(None)


def test_wired_memory_of_others_is_taken_from_the_limit_of_the_gpu() -> None:
    """26 GiB in use, 17 of them wired for another model: 38 are free, and 31 of the 48 are left to the GPU."""
    before, after = devices_of(mac(26 * GIB), 1)[0], devices_of(with_held(mac(26 * GIB), Held(gpu_bytes=17 * GIB)), 1)[0]
    assert (before.in_use_bytes, after.in_use_bytes) == (26 * GIB, 26 * GIB)
    assert (before.limit_bytes, after.limit_bytes) == (48 * GIB, 31 * GIB)
    assert gpu_free(mac(26 * GIB)) - gpu_free(with_held(mac(26 * GIB), Held(gpu_bytes=17 * GIB))) == 7 * GIB


def test_mapped_weights_count_as_in_use() -> None:
    """MemAvailable counts pages of files that a running model reads for every token."""
    held = with_held(mac(10 * GIB), Held(mapped_bytes=8 * GIB))
    assert held.memory.in_use_bytes == 18 * GIB
    assert with_held(mac(60 * GIB), Held(mapped_bytes=8 * GIB)).memory.in_use_bytes == 64 * GIB
    unknown = find_machine("m4-max-40")
    assert with_held(unknown, Held(mapped_bytes=8 * GIB)).memory.in_use_bytes is None


def test_a_model_that_fits_beside_nothing_does_not_fit_beside_another() -> None:
    model = catalogue().find("qwen3-32b").quantized("Q8_0")
    question = Question(model="qwen3-32b", context=8192, gpu_layers="all")
    alone, beside = mac(26 * GIB), with_held(mac(26 * GIB), Held(gpu_bytes=17 * GIB))
    found = [estimate_for(question, model, machine).verdict for machine in (alone, beside)]
    assert [one and one.verdict for one in found] == ["fits", "no"]


def test_a_running_ollama_is_asked_when_this_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac as recorded, its driver silent, and Ollama's answer as docs.ollama.com/api/ps has it."""
    system = recorded("m2-8gb-macos26")

    def look() -> Detection:
        return found_on(system)

    monkeypatch.setattr(loaded, "_LM_STUDIO_PORT", 9)
    monkeypatch.setattr(loaded, "HELD_SECONDS", 60)  # the machine that tests may be busy
    monkeypatch.setattr(machines_here, "_HELD_S", 60)
    with json_server({"/api/ps": {"models": [{"name": "gemma3:4b", "size": 4 * GIB, "size_vram": 3 * GIB}]}}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address)
        found = Here(look, look, machines_here.HERE._held).whole().profile
    quiet = Here(look, look).whole().profile
    assert found.gpus[0].in_use_bytes == 3 * GIB
    assert quiet.gpus[0].in_use_bytes is None
    limits = [devices_of(machine, 1)[0].limit_bytes for machine in (quiet, found)]
    assert limits[0] is not None
    assert limits[1] == limits[0] - 3 * GIB


def test_a_named_machine_takes_nothing_from_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from advisor.machines.resolve import resolve_machine

    before = resolve_machine("m4-max-40", memory_gib=64)
    with json_server({"/api/ps": OLLAMA}) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.address)
        assert resolve_machine("m4-max-40", memory_gib=64) == before
