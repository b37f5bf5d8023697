"""Loads one file in the engine without allocating its weights and prints all it logs. Run as a program: the engine may abort.

python engine_probe.py FILE.gguf CONTEXT
"""

import ctypes
import sys

from llama_cpp import llama_cpp as engine


def main(path: str, context: str) -> int:
    """0 where the file loaded and a context of that many tokens was made."""

    @engine.llama_log_callback
    def log(_level: int, text: bytes, _data: ctypes.c_void_p) -> None:
        sys.stdout.write(text.decode(errors="replace"))

    engine.llama_log_set(log, ctypes.c_void_p(0))
    engine.llama_backend_init()
    no_devices = (ctypes.c_void_p * 1)(None)
    asked = engine.llama_model_default_params()
    asked.no_alloc, asked.load_mode, asked.use_extra_bufts, asked.n_gpu_layers = True, 0, False, 0
    asked.devices = ctypes.addressof(no_devices)
    model = engine.llama_model_load_from_file(path.encode(), asked)
    if not model:
        return 1
    wanted = engine.llama_context_default_params()
    wanted.n_ctx, wanted.n_outputs_max, wanted.swa_full = int(context), 1, False
    return 0 if engine.llama_init_from_model(model, wanted) else 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
