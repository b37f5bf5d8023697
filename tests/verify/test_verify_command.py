"""`advisor verify` as another program runs it."""

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest

from advisor.verify.measurement import Measurement
from tests.command import ROOT, advisor, needs_ctrl_c
from tests.models.real_files import smollm2
from tests.waiting import until


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """What is measured here is kept elsewhere."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.engine
@pytest.mark.slow
def test_a_run_as_json_and_its_progress_beside_it():
    ran = advisor("verify", str(smollm2()), "--context", "512", "--seconds", "5", "--json")
    assert ran.code == 0, ran.err
    found = Measurement.parse(ran.out)
    assert (found.verdict, found.model.id) == ("confirmed", smollm2().name), "no folder goes out"
    assert list(json.loads(ran.out))[:8] == [
        "schema",
        "machine",
        "model",
        "settings",
        "plan",
        "forecast",
        "measurement",
        "verdict",
    ]
    # A small model is loaded before anybody looks; the phases that take time are all said.
    assert "Warming up" in ran.err
    assert "Generating" in ran.err


@pytest.mark.engine
@needs_ctrl_c
def test_ctrl_c_ends_the_run_and_its_worker(tmp_path):
    command = [sys.executable, "-m", "advisor", "verify", str(smollm2()), "--seconds", "60"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    for line in process.stderr:
        if "Warming" in line:
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    assert workers
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    assert (process.wait(60), said.splitlines()[-1]) == (130, "advisor: stopped")
    process.stderr.close()
    until(lambda: not any(worker.is_running() for worker in workers))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing-like-it"], 2, "nothing-like-it"),
        (["/not/there.gguf"], 3, "is not there"),
        (["llama-3.1-8b", "--backend", "vulkan"], 2, 'there is no backend "vulkan"'),
        (["llama-3.1-8b", "--backend", "http://127.0.0.1:9"], 3, "nothing answers at http://127.0.0.1:9"),
        (["llama-3.1-8b", "--seconds", "1"], 2, "--seconds"),
        (["llama-3.1-8b", "--runtime", "vllm"], 2, "is not run here"),
        ([], 2, '"model" is missing'),
    ],
)
def test_a_wrong_question_is_one_line(arguments, code, said):
    ran = advisor("verify", *arguments)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_forgetting():
    ran = advisor("verify", "--forget")
    assert (ran.code, ran.out) == (0, "0 runs of this machine forgotten; forecasts are typical ones again.\n")
