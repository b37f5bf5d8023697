"""Loads a file on virtual GPUs as if they were real: memory is reserved, weights are read and thrown away. Run as a program.

python real_load_probe.py QUESTION      # a PlanQuestion as JSON; prints the compute buffers, GPUs first, the host last
"""

import ctypes
import json
import sys
from typing import Any

from advisor.engine import virtual_gpus
from advisor.engine.ggml_structs import BufferInterface, BufferType, Pointer
from advisor.engine.planning import Engine, walk_breakdown
from advisor.engine.questions import PlanQuestion


def nothing(*_: Any) -> None:
    """What the GPU's memory does with what is written to it."""


class Loaded(virtual_gpus.VirtualGpus):
    """Virtual GPUs that take weights, beside a host whose memory is real."""

    def _allocator(self, buffer_type: int) -> int:
        if buffer_type == self.library.cpu_buffer_type:
            address: int = BufferType.from_address(buffer_type).iface.alloc_buffer
            return address
        size = ctypes.c_size_t
        interface = BufferInterface()
        interface.free_buffer = self._callback(None, Pointer)(nothing)
        interface.get_base = self._callback(Pointer, Pointer)(lambda _: 1 << 20)
        interface.clear = self._callback(None, Pointer, ctypes.c_uint8)(nothing)
        interface.set_tensor = self._callback(None, Pointer, Pointer, Pointer, size, size)(nothing)
        self._alive.append(interface)

        def allocate(_: int, n_bytes: int) -> int:
            made: int = self.library.buffer_init(buffer_type, interface, None, n_bytes)
            return made

        return self._callback(Pointer, Pointer, size)(allocate)


def main(text: str) -> int:
    """0 where the model loaded."""
    question = PlanQuestion.from_json(json.loads(text))
    import advisor.engine.planning as planning

    planning.VirtualGpus = Loaded  # type: ignore[misc]
    engine = Engine()
    gpus = engine.gpus.take(question.backend, question.gpus)
    with engine._model_parameters(question, gpus) as parameters:
        parameters.no_alloc = False
        model = engine._llama.llama_model_load_from_file(question.file.encode(), parameters)
    context = engine._llama.llama_init_from_model(model, engine._context_parameters(question))
    held = dict(walk_breakdown(engine.library, context))
    buffers = [*(gpu.buffer_type for gpu in gpus), engine.library.cpu_buffer_type]
    sys.stdout.write(json.dumps([held[buffer][2] for buffer in buffers]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
