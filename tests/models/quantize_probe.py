"""Asks llama-quantize, without writing a file, for the type of every tensor. Run as a program: the engine may abort.

python quantize_probe.py FILE.gguf FTYPE[,FTYPE...] imatrix|plain

Prints all that the engine logs, after a line "ftype N" for each.
"""

import ctypes
import sys

from llama_cpp import llama_cpp as engine


def main(path: str, ftypes: str, mode: str) -> int:
    """0 where every type could be planned."""

    @engine.llama_log_callback
    def log(_level: int, text: bytes, _data: ctypes.c_void_p) -> None:
        sys.stdout.write(text.decode(errors="replace"))

    engine.llama_log_set(log, ctypes.c_void_p(0))
    engine.llama_backend_init()
    asked = engine.llama_model_quantize_default_params()
    asked.dry_run, asked.nthread = True, 1
    values = (ctypes.c_float * 1)(1.0)
    entries = (engine.llama_model_imatrix_data * 2)()  # the second one ends the list
    entries[0].name, entries[0].data, entries[0].size = b"none", values, 1
    if mode == "imatrix":
        asked.imatrix = entries
    for ftype in map(int, ftypes.split(",")):
        sys.stdout.write(f"\nftype {ftype}\n")
        asked.ftype = ftype
        if engine.llama_model_quantize(path.encode(), b"never-written.gguf", ctypes.byref(asked)):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
