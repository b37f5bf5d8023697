"""The `advisor` command as contracts for other programs have it: JSON fields, exit codes, one line on stderr."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from advisor.machines.profile import MachineProfile
from advisor.memory.builds import PINNED_BUILD
from tests.command import ROOT, advisor, needs_ctrl_c
from tests.models.real_files import SMOLLM2_FILE_BYTES, smollm2

ANSWER = ("schema", "model", "machine", "settings", "grade", "devices", "pools", "verdict", "reasons", "speed", "assumptions")
MODEL = ("id", "name", "architecture", "quantization", "file_bytes", "parameters", "active_parameters")
SETTINGS = ("runtime", "build", "context", "slots", "unified_kv", "batch", "ubatch", "type_k", "type_v", "flash_attention")
SETTINGS += ("swa_full", "gpu_layers", "cpu_moe_layers", "tensor_split", "logits", "depth")
DEVICE = ("name", "kind", "pool", "capacity_bytes", "in_use_bytes", "weights_bytes", "kv_cache_bytes", "recurrent_state_bytes")
DEVICE += ("compute_bytes", "output_bytes", "projector_bytes", "draft_bytes", "overhead_bytes", "total_bytes", "headroom_bytes")
POOL = ("id", "kind", "capacity_bytes", "gpu_limit_bytes", "in_use_bytes", "total_bytes", "headroom_bytes")


def answer(*arguments: str) -> dict:
    ran = advisor("estimate", *arguments, "--json")
    assert (ran.code, ran.err) == (0, "")
    return json.loads(ran.out)


def test_an_answer_has_the_promised_fields() -> None:
    found = answer("llama-3.1-8b", "--machine", "rtx-4090")
    assert set(found) >= set(ANSWER)
    assert set(found["model"]) >= set(MODEL)
    assert set(found["settings"]) >= set(SETTINGS)
    assert all(set(device) >= set(DEVICE) for device in found["devices"])
    assert all(set(pool) >= set(POOL) for pool in found["pools"])
    assert (found["schema"], found["grade"]) == (1, "formula")
    assert found["speed"]["grade"] == "typical"
    for name in ("generate_tps", "prompt_tps", "time_to_first_token_s"):
        assert found["speed"][name]["low"] < found["speed"][name]["expected"] < found["speed"][name]["high"]
    assert found["machine"] == {"id": "rtx-4090", "name": "NVIDIA GeForce RTX 4090"}
    assert [device["kind"] for device in found["devices"]] == ["gpu", "host"]
    assert found["verdict"] == "fits"


def test_defaults_are_echoed() -> None:
    assert answer("llama-3.1-8b")["settings"] == {
        "runtime": "llama-server",
        "build": PINNED_BUILD,
        "context": 8192,
        "slots": 4,
        "unified_kv": True,
        "batch": 2048,
        "ubatch": 512,
        "type_k": "f16",
        "type_v": "f16",
        "flash_attention": "auto",
        "swa_full": False,
        "gpu_layers": "all",
        "cpu_moe_layers": 0,
        "tensor_split": None,
        "logits": "slots",
        "depth": 0,
    }


def test_every_option_reaches_the_settings() -> None:
    found = answer(
        *("mixtral-8x7b", "--quant", "q5_k_m", "--runtime", "llama-cli", "--context", "5000", "--slots", "2", "--split-kv"),
        *("--batch", "1024", "--ubatch", "256", "--type-k", "Q8_0", "--type-v", "q4_0", "--flash-attention", "on"),
        *("--swa-full", "--gpu-layers", "20", "--cpu-moe-layers", "3", "--tensor-split", "3,1", "--gpus", "2"),
        *("--logits", "ubatch", "--depth", "100", "--build", "b9010", "--grade", "formula"),
    )
    assert found["model"]["quantization"] == "Q5_K_M"
    settings = found["settings"]
    assert settings.pop("build") == "b9010"
    assert settings == {
        "runtime": "llama-cli",
        "context": 5120,
        "slots": 2,
        "unified_kv": False,
        "batch": 1024,
        "ubatch": 256,
        "type_k": "q8_0",
        "type_v": "q4_0",
        "flash_attention": "on",
        "swa_full": True,
        "gpu_layers": 20,
        "cpu_moe_layers": 3,
        "tensor_split": [3.0, 1.0],
        "logits": "ubatch",
        "depth": 100,
    }
    assert [device["name"] for device in found["devices"]] == ["GPU 0", "GPU 1", "Host"]


def test_without_a_machine_and_layers_all_is_on_the_host() -> None:
    found = answer("llama-3.1-8b", "--gpu-layers", "0")
    assert [device["kind"] for device in found["devices"]] == ["host"]
    assert (found["machine"], found["verdict"], found["settings"]["gpu_layers"]) == (None, None, 0)


def test_a_real_file() -> None:
    found = answer(str(smollm2()))
    assert (found["model"]["quantization"], found["model"]["file_bytes"]) == ("Q4_1", SMOLLM2_FILE_BYTES)
    assert found["devices"][0]["weights_bytes"] > 80_000_000


def test_detect_prints_a_profile_that_can_be_read_back(tmp_path: Path) -> None:
    ran = advisor("detect", "--json")
    assert (ran.code, ran.err) == (0, "")
    profile = MachineProfile.model_validate_json(ran.out)
    assert profile.origin == "detected"
    (tmp_path / "here.json").write_text(ran.out)
    found = answer("gemma-3-270m", "--machine", str(tmp_path / "here.json"))
    assert found["machine"]["name"] == profile.name


WRONG = [
    (["estimate"], '"model" is missing'),
    (["estimate", "no-such-model-anywhere"], "there is no model"),
    (["estimate", "llama-3.1-8b", "--quant", "Q9_X"], "Q9_X"),
    (["estimate", "llama-3.1-8b", "--machine", "abacus"], "abacus"),
    (["estimate", "llama-3.1-8b", "--context", "0"], "--context"),
    (["estimate", "llama-3.1-8b", "--context", "-5"], "--context"),
    (["estimate", "llama-3.1-8b", "--context", "many"], "--context"),
    (["estimate", "llama-3.1-8b", "--context", "9" * 4000], "--context"),
    (["estimate", "llama-3.1-8b", "--slots", "0"], "--slots"),
    (["estimate", "llama-3.1-8b", "--gpu-layers", "most"], "--gpu-layers"),
    (["estimate", "llama-3.1-8b", "--gpu-layers", "-1"], "--gpu-layers"),
    (["estimate", "llama-3.1-8b", "--type-k", "q3_0"], "--type-k"),
    (["estimate", "llama-3.1-8b", "--type-v", "q8_0", "--flash-attention", "off"], "flash attention"),
    (["estimate", "llama-3.1-8b", "--tensor-split", "a,b"], "--tensor-split"),
    (["estimate", "llama-3.1-8b", "--tensor-split", "0,0", "--gpus", "2"], "tensor split"),
    (["estimate", "llama-3.1-8b", "--tensor-split", "1,1,1", "--gpus", "2"], "split"),
    (["estimate", "llama-3.1-8b", "--memory-gib", "nan"], "--memory-gib"),
    (["estimate", "llama-3.1-8b", "--memory-gib", "inf"], "--memory-gib"),
    (["estimate", "llama-3.1-8b", "--memory-gib", "0"], "--memory-gib"),
    (["estimate", "llama-3.1-8b", "--build", "yesterday"], "yesterday"),
    (["estimate", "llama-3.1-8b", "--runtime", "torch"], "--runtime"),
    (["estimate", "llama-3.1-8b", "--nonsense"], "--nonsense"),
    (["estimate", "llama-3.1-8b", "extra"], "extra"),
    (["estimate", "llama-3.1-8b", "--requests", "-"], "--requests"),
    (["estimate", "--requests", "."], "cannot be read"),
    (["fit", "--machine", "rtx-4090", "--purpose", "world domination"], "--purpose"),
    (["nonsense"], "nonsense"),
    (["estimate", "llama-3.1-8b", "--runtime", "vllm", "--quant", "Q4_K_M"], "choose bf16"),
    (["estimate", "llama-3.1-8b", "--runtime", "mlx", "--quant", "Q4_K_M"], "choose mlx-4bit"),
    (["estimate", "llama-3.1-8b", "--runtime", "mlx", "--machine", "rtx-4090"], "needs a Mac"),
]
MISSING = [
    (["estimate", "./no-such.gguf"], "is not there"),
    (["estimate", "ollama:llama3"], "Ollama"),
    (["estimate", "llama-3.1-8b", "--machine", "no-such.toml"], "there is no file"),
    (["estimate", "llama-3.1-8b", "--mmproj", "no-such.gguf"], "there is no projector file"),
    (["estimate", "llama-3.1-8b", "--mmproj", "auto"], "no projector lies beside"),
    (["estimate", "--requests", "no-such.jsonl"], "there is no file"),
]


@pytest.mark.parametrize(("arguments", "part", "code"), [(*case, 2) for case in WRONG] + [(*case, 3) for case in MISSING])
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], part: str, code: int) -> None:
    ran = advisor(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("advisor: ")
    assert ran.err.count("\n") == 1
    assert part in ran.err
    assert len(ran.err) < 1000


def test_a_group_of_commands_alone_prints_its_help() -> None:
    ran = advisor("report")
    assert (ran.code, ran.err) == (0, "")
    assert all(f"\n  {command} " in ran.out for command in ("list", "show", "export", "import", "delete"))


def test_a_name_of_bytes_that_are_no_text_gets_one_line() -> None:
    done = subprocess.run(
        [sys.executable.encode(), b"-m", b"advisor", b"estimate", b"./\xff\xfe.gguf"],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"not text in UTF-8" in done.stderr


def test_help_names_every_option_of_the_contract() -> None:
    shown = advisor("estimate", "--help").out
    for option in (
        *SETTINGS,
        "quant",
        "machine",
        "mmproj",
        "draft",
        "grade",
        "json",
        "requests",
        "gpus",
        "memory_gib",
        "ram_gib",
    ):
        if option not in ("unified_kv",):
            assert f"--{option.replace('_', '-')}" in shown
    assert all(option in shown for option in ("--unified-kv", "--split-kv", "--unified ", "--bandwidth-gb-s"))


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "advisor", "estimate", "--requests", "-"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdin
    assert run.stdout
    assert run.stderr
    run.stdin.write(b'{"model": "gemma-3-270m"}\n')
    run.stdin.flush()
    assert json.loads(run.stdout.readline())["schema"] == 1
    run.stdout.close()
    run.stdin.write(b'{"model": "gemma-3-270m"}\n' * 3)
    run.stdin.close()
    assert (run.wait(timeout=60), run.stderr.read()) == (0, b"")


def test_each_answer_comes_before_the_next_question() -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "advisor", "estimate", "--requests", "-"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert run.stdin
    assert run.stdout
    for context in (4096, 8192):
        run.stdin.write(json.dumps({"model": "gemma-3-270m", "context": context}).encode() + b"\n")
        run.stdin.flush()
        assert json.loads(run.stdout.readline())["settings"]["context"] == context
    run.stdin.close()
    assert run.wait(timeout=60) == 0


@needs_ctrl_c
def test_ctrl_c_ends_with_one_line() -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "advisor", "estimate", "--requests", "-"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdin
    assert run.stdout
    assert run.stderr
    run.stdin.write(b'{"model": "gemma-3-270m"}\n')
    run.stdin.flush()
    run.stdout.readline()
    time.sleep(0.2)
    run.send_signal(signal.SIGINT)
    assert (run.wait(timeout=60), run.stderr.read()) == (130, b"advisor: stopped\n")


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
@pytest.mark.parametrize(
    ("redirected", "code"),
    [("--requests - <&-", 3), ("gemma-3-270m >&-", 3), ("gemma-3-270m > /dev/full", 3), ("gemma-3-270m 2>&- >/dev/null", 0)],
)
def test_closed_and_full_streams(redirected: str, code: int) -> None:
    if "/dev/full" in redirected and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    command = f"{sys.executable} -m advisor estimate {redirected}"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == (1 if code else 0)


def test_a_hub_that_does_not_answer_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # the discard port: nobody listens
    ran = advisor("estimate", "nobody/no-such-repository")
    assert (ran.code, ran.out) == (3, "")
    assert "cannot be reached" in ran.err
    assert ran.err.count("\n") == 1
