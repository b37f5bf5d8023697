"""The engine plans on imagined GPUs alone: this computer's own are touched for no machine, the detected one included."""

import json
import subprocess
import sys

import pytest

from advisor.engine.layout import question_for
from advisor.machines.resolve import resolve_machine
from advisor.memory.planner import arrange
from advisor.memory.presets import resolve
from tests.engine.known import NEEDS_ENGINE, model

pytestmark = NEEDS_ENGINE

PROBE = """
import ctypes, json, sys
from advisor.engine.planning import Engine
from advisor.engine.questions import PlanQuestion

engine = Engine()
load, seen = engine._llama.llama_model_load_from_file, []

def spy(path, parameters):
    listed = (ctypes.c_void_p * 17).from_address(parameters.devices)
    seen.append([listed[i] for i in range(next(i for i in range(17) if not listed[i]))])
    return load(path, parameters)

engine._llama.llama_model_load_from_file = spy
for line in sys.stdin:
    question = PlanQuestion.from_json(json.loads(line))
    engine.plan(question)
    own = [gpu.device for gpu in engine.gpus.take(question.backend, question.gpus)]
    print(json.dumps({"asked": question.gpus, "given": len(seen[-1]), "imagined": seen[-1] == own}))
"""


@pytest.mark.parametrize("name", ["detected", "rtx-4090", "m4-max-40"])
def test_only_imagined_gpus_are_named_to_the_engine(name: str) -> None:
    """llama.cpp looks for GPUs by itself only where it is given no list (src/llama.cpp, llama_prepare_model_devices)."""
    asked = model("qwen3-0.6b")
    machine, _ = resolve_machine(name)
    lines = []
    for layers in (0, 99):
        settings = resolve({"context": 2048, "gpu_layers": layers}, asked, has_gpu=True, machine=machine)
        lines.append(json.dumps(question_for(arrange(asked, machine, settings)).to_json()))
    ran = subprocess.run(
        [sys.executable, "-c", PROBE], input="\n".join(lines), capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(answers) == 2
    assert all(answer["imagined"] and answer["given"] == answer["asked"] for answer in answers)
    assert name == "detected" or answers[1]["asked"] == 1
