"""A worker that behaves as it is told, in place of the real one: python fake_worker.py HOW. It speaks the worker's protocol."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HOW = sys.argv[1]
RESULT = {
    "engine": "fake 1",
    "load_s": 0.5,
    "prompt": [{"tokens": 512, "seconds": 1.0}, {"tokens": 512, "seconds": 2.0}],
    "generate": [{"tokens": 128, "seconds": 2.0}],
    "first_token": [{"tokens": 400, "seconds": 0.75}],
    "memory": {"weights_bytes": 1000, "kv_cache_bytes": 100, "compute_bytes": 10, "output_bytes": 1, "basis": "made up"},
    "notes": [],
    "busy": 0.0,
    "model": None,
}


def tell(event: str, **values: object) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


def stage(name: str, left_s: float | None = None) -> None:
    tell("stage", stage=name, done=0.5, left_s=left_s)


def end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def main() -> int:
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    print("load_tensors: a line of the log", file=sys.stderr, flush=True)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own = {name: int(status[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile")}
    tell("baseline", held={"anonymous_bytes": own["RssAnon"], "file_bytes": own["RssFile"]})
    stage("loading", left_s=60.0)
    if HOW == "good" or (HOW == "crash once" and not request["extra_bufts"]):
        held = bytearray(64 << 20)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(0.6)
        tell("result", result=RESULT)
        return 0
    if HOW in ("crash", "crash once"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if HOW == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if HOW == "no memory":
        print("ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 99", file=sys.stderr, flush=True)
        os.abort()
    if HOW == "refuses":
        tell("failure", kind="wrong file", message="llama.cpp refuses this: unknown model architecture")
        return 1
    if HOW == "nonsense":
        print("}{ not json", flush=True)
        print(json.dumps([1, 2]), flush=True)
        return 3
    if HOW == "forks":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(f"child {child.pid}", file=sys.stderr, flush=True)
    time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
