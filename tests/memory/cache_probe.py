"""Makes contexts of one file in the engine, without weights, and prints the sizes of caches that it logs. Run as a program: the
engine may abort.

python cache_probe.py FILE.gguf < settings, one JSON object a line
"""

import ctypes
import json
import re
import sys

from llama_cpp import llama_cpp as engine

_SIZE = re.compile(r"size = +([\d.]+) MiB \( *\d+ cells.*\), ([KR]) \(")
_TYPES = {"f16": 1, "q8_0": 8, "q4_0": 2}


def main(path: str) -> int:
    """0 where the file loaded; a line of JSON for each line of settings: MiB of KV cache and of recurrent state."""
    found: list[tuple[str, float]] = []

    @engine.llama_log_callback
    def log(_level: int, text: bytes, _data: ctypes.c_void_p) -> None:
        if match := _SIZE.search(text.decode(errors="replace")):
            found.append((match[2], float(match[1])))

    engine.llama_log_set(log, ctypes.c_void_p(0))
    engine.llama_backend_init()
    no_devices = (ctypes.c_void_p * 1)(None)
    asked = engine.llama_model_default_params()
    asked.no_alloc, asked.load_mode, asked.use_extra_bufts, asked.n_gpu_layers = True, 0, False, 0
    asked.devices = ctypes.addressof(no_devices)
    model = engine.llama_model_load_from_file(path.encode(), asked)
    if not model:
        return 1
    for line in sys.stdin:
        settings = json.loads(line)
        wanted = engine.llama_context_default_params()
        wanted.n_ctx, wanted.n_outputs_max, wanted.swa_full = settings["context"], settings["slots"], settings["swa_full"]
        wanted.n_seq_max, wanted.kv_unified, wanted.n_ubatch = settings["slots"], settings["unified_kv"], settings["ubatch"]
        wanted.type_k, wanted.type_v = _TYPES[settings["type_k"]], _TYPES[settings["type_v"]]
        wanted.flash_attn_type = 0 if settings["flash_attention"] == "off" else -1
        found.clear()
        context = engine.llama_init_from_model(model, wanted)
        if not context:
            return 2
        engine.llama_free(context)
        sums = {kind: sum(size for name, size in found if name == kind) for kind in "KR"}
        print(json.dumps({"kv": sums["K"], "state": sums["R"]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
