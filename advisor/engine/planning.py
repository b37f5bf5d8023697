"""The engine itself, inside a worker: loads models without allocating them, makes contexts, reads what each would hold.

The first import of this module opens the engine's libraries. It may end the process: llama.cpp aborts on a failed assertion.
"""

import ctypes
import importlib.util
import re
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from advisor.engine.ggml_structs import MAX_BACKENDS, Address, Library, Pointer, Scheduler, TensorOverride
from advisor.engine.log_lines import MIB, PlanLog, QuantizeLog, agrees
from advisor.engine.questions import Failure, PlanFigures, PlanQuestion, QuantizeFigures, QuantizeQuestion
from advisor.engine.virtual_gpus import VirtualGpu, VirtualGpus

KEPT_MODELS = 2
"""Loaded models that stay for the next question; a header of DeepSeek R1 takes about 10 MiB."""
_DEBUG, _ERROR = 1, 4
_FUNCTIONS = re.compile(r"^(?:\w+: )+")
"""The names of functions that messages begin with."""
EXPERTS = r"blk\.({})\.ffn_(up|down|gate|gate_up)_(ch|)exps"
"""LLM_FFN_EXPS_REGEX with llm_ffn_block_regex, common/common.h:1198-1204; one pattern for all blocks, which is tried faster."""


class NoAnswerError(Exception):
    """The engine gave no figures; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class Engine:
    """llama.cpp with its virtual GPUs and the models it has loaded."""

    def __init__(self) -> None:
        self._llama: Any = import_engine()
        self.library = Library(self._llama._lib, Path(str(self._llama.__file__)).parent / "lib")  # noqa: SLF001
        self.gpus = VirtualGpus(self.library)
        self._models: OrderedDict[tuple[Any, ...], tuple[Address, dict[int, str]]] = OrderedDict()
        self._heard: list[bytes] = []
        self._errors: list[bytes] = []
        self._output_allocated = 0
        self._log = self._llama.llama_log_callback(self._hear)
        self._llama.llama_log_set(self._log, Pointer(0))
        self._llama.llama_backend_init()

    # --- planning -----------------------------------------------------------------------------------

    def plan(self, question: PlanQuestion) -> PlanFigures:
        """What the model of `question` takes with its settings. Raises NoAnswerError."""
        gpus = self.gpus.take(question.backend, question.gpus)
        model, layers = self._model(question, gpus)
        log = PlanLog(layers=layers)
        with self._listening():
            self.gpus.allocated.clear()
            context = self._llama.llama_init_from_model(model, self._context_parameters(question))
            if not context:
                raise self._refusal("it makes no context with these settings")
            try:
                for line in self._lines():
                    log.read(line)
                by_log = question.by_log or self.library.memory_breakdown is None
                held = None if by_log else self._breakdown(context, gpus)
                compute = self._compute(context, gpus)
                graph = self._graph(context)
            finally:
                self._llama.llama_free(context)
        return self._figures(question, gpus, held, compute, graph, log)

    def _model(self, question: PlanQuestion, gpus: tuple[VirtualGpu, ...]) -> tuple[Address, dict[int, str]]:
        """The loaded model and the devices of its layers; of an earlier question, where only other settings were asked for."""
        placed = (question.backend, question.gpus, question.gpu_layers, question.tensor_split, question.host_experts)
        key = (question.file, *placed, question.load_mtp)
        if key in self._models:
            self._models.move_to_end(key)
            return self._models[key]
        while len(self._models) >= KEPT_MODELS:
            self._llama.llama_model_free(self._models.popitem(last=False)[1][0])
        log = PlanLog()
        with self._listening(), self._model_parameters(question, gpus) as parameters:
            model = self._llama.llama_model_load_from_file(question.file.encode(), parameters)
            if not model:
                raise self._refusal("it does not load this model")
            for line in self._lines():
                log.read(line)
        self._models[key] = (model, log.layers)
        return self._models[key]

    @contextmanager
    def _model_parameters(self, question: PlanQuestion, gpus: tuple[VirtualGpu, ...]) -> Iterator[Any]:
        """Parameters that allocate nothing and depend on no CPU: real devices and repacked copies stay out."""
        devices = (Pointer * (len(gpus) + 1))(*(gpu.device for gpu in gpus), None)
        pattern = EXPERTS.format("|".join(map(str, question.host_experts))).encode()
        overrides = (TensorOverride * 2)(TensorOverride(pattern, self.library.cpu_buffer_type), TensorOverride(None, None))
        split = (ctypes.c_float * 128)(*question.tensor_split)
        parameters = self._llama.llama_model_default_params()
        parameters.no_alloc, parameters.load_mode, parameters.use_extra_bufts = True, 0, False
        parameters.n_gpu_layers, parameters.load_mtp = question.gpu_layers, question.load_mtp
        parameters.devices = ctypes.addressof(devices)
        if question.tensor_split:
            parameters.tensor_split = ctypes.cast(split, ctypes.POINTER(ctypes.c_float))
        if question.host_experts:
            parameters.tensor_buft_overrides = ctypes.addressof(overrides)
        yield parameters

    def _context_parameters(self, question: PlanQuestion) -> Any:
        parameters = self._llama.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = question.context, question.batch, question.ubatch
        parameters.n_seq_max, parameters.n_outputs_max = question.slots, question.outputs
        parameters.type_k, parameters.type_v = question.type_k, question.type_v
        parameters.flash_attn_type = question.flash_attention
        parameters.swa_full, parameters.kv_unified = question.swa_full, question.unified_kv
        return parameters

    def _breakdown(self, context: Address, gpus: tuple[VirtualGpu, ...]) -> list[tuple[int, int, int]]:
        """(weights, caches and states, compute) by device, the host last."""
        held = dict(walk_breakdown(self.library, context))
        by_device = [held.pop(gpu.buffer_type, (0, 0, 0)) for gpu in gpus]
        by_device.append(held.pop(self.library.cpu_buffer_type, (0, 0, 0)))
        if held:
            raise NoAnswerError(Failure("unread", "the engine used memory of a kind that was not offered to it"))
        return by_device

    def _compute(self, context: Address, gpus: tuple[VirtualGpu, ...]) -> list[int] | None:
        """Compute buffers by device, the host last, as a real load reserves them; None where the scheduler is out of reach.

        What the engine itself reports of a plan without memory is too much where several GPUs hold all layers:
        ggml_backend_sched_reserve_size begins with a reset, which forgets on which device norms were put (graph_get_cb,
        src/llama-context.cpp:2636-2660), and counts one more copy between devices. The last graph that it lays out when a
        context is made is the same one without that, so its size is asked for again.
        """
        if self.library.scheduler is None:
            return None
        scheduler = Scheduler.from_address(self.library.scheduler(context))
        buffers = [*(gpu.buffer_type for gpu in gpus), self.library.cpu_buffer_type]
        found = list(scheduler.bufts[: scheduler.n_backends]) if 0 < scheduler.n_backends <= MAX_BACKENDS else []
        if set(found) != set(buffers):
            raise NoAnswerError(Failure("unread", "the engine's scheduler has other devices than were offered to it"))
        sizes = (ctypes.c_size_t * MAX_BACKENDS)()
        graph = ctypes.addressof(scheduler) + Scheduler.graph.offset
        self.library.reserve_sizes(scheduler.galloc, graph, scheduler.node_backend_ids, scheduler.leaf_backend_ids, sizes)
        # Backends that share a buffer type share its buffer.
        by_buffer = dict(zip(found, sizes, strict=False))
        return [by_buffer[buffer] for buffer in buffers]

    def _graph(self, context: Address) -> tuple[int, int] | None:
        """Entries of the scheduler's table that the last graph took, and of the whole table."""
        if self.library.scheduler is None:
            return None
        table = Scheduler.from_address(self.library.scheduler(context)).hash_set
        words = (ctypes.c_uint32 * (-(-table.size // 32))).from_address(table.used)  # ggml_bitset_t
        return sum(word.bit_count() for word in words), table.size

    def _figures(
        self,
        question: PlanQuestion,
        gpus: tuple[VirtualGpu, ...],
        held: list[tuple[int, int, int]] | None,
        compute: list[int] | None,
        graph: tuple[int, int] | None,
        log: PlanLog,
    ) -> PlanFigures:
        buffers = [*(gpu.buffer_type for gpu in gpus), self.library.cpu_buffer_type]
        names = {name: index for index, name in enumerate(self.gpus.names(question.backend, len(gpus)))}
        # The output buffer is the first that a context allocates; whatever else it really allocates are states.
        output = self._output_allocated
        states = [sum(size for kind, size in self.gpus.allocated if kind == buffer) for buffer in buffers]
        states[-1] -= output
        caches = dry_run = None
        if held is not None:
            caches = [context - state for (_, context, _), state in zip(held, states, strict=True)]
            dry_run = [buffer for _, _, buffer in held]
        check_figures(log, output=output, caches=caches, states=states, compute=dry_run)
        if compute is None:
            compute = [0] * len(buffers)
            for name, size in log.compute.items():
                compute[names.get(name, len(gpus))] += round(size * MIB)
        return PlanFigures(
            weights=None if held is None else tuple(weights for weights, _, _ in held),
            kv_cache=None if caches is None else tuple(caches),
            caches_mib=round(sum(size for size, _ in log.caches), 2),
            cached_layers=sum(layers for _, layers in log.caches),
            states=tuple(states),
            compute=tuple(compute),
            output=output,
            layers=tuple(names.get(log.layers[layer], len(gpus)) for layer in sorted(log.layers)),
            flash_attention=log.flash_attention,
            copies=log.copies or 1,
            graph=graph,
        )

    # --- quantizing ---------------------------------------------------------------------------------

    def quantize(self, question: QuantizeQuestion) -> QuantizeFigures:
        """The type of every tensor for each file type. Raises NoAnswerError."""
        logs = [
            self._dry_run(question, ftype, imatrix=imatrix)
            for ftype, imatrix in zip(question.ftypes, question.imatrix, strict=True)
        ]
        return QuantizeFigures(logs[0].names if logs else (), tuple(log.types for log in logs))

    def _dry_run(self, question: QuantizeQuestion, ftype: int, *, imatrix: bool) -> QuantizeLog:
        """What llama-quantize says of one file type. An importance matrix of nothing stands for any: no value is read."""
        parameters = self._llama.llama_model_quantize_default_params()
        parameters.dry_run, parameters.nthread, parameters.ftype = True, 1, ftype
        kept = (self._llama.llama_model_tensor_override * (len(question.kept) + 1))()
        for entry, (pattern, kind) in zip(kept, question.kept, strict=False):
            entry.pattern, entry.type = pattern.encode(), kind
        if question.kept:
            parameters.tt_overrides = kept
        entries = (self._llama.llama_model_imatrix_data * 2)()
        values = (ctypes.c_float * 1)(1.0)
        entries[0].name, entries[0].data, entries[0].size = b"none", values, 1
        if imatrix:
            parameters.imatrix = entries
        with self._listening():
            if self._llama.llama_model_quantize(question.file.encode(), b"never-written.gguf", ctypes.byref(parameters)):
                raise self._refusal(f"it makes no file of type {ftype} of this model")
            log = QuantizeLog.of(self._lines())
        if log.unread:
            raise NoAnswerError(Failure("unread", f'the engine printed a line that is not known: "{log.unread[0]}"'))
        return log

    # --- what it says -------------------------------------------------------------------------------

    @contextmanager
    def _listening(self) -> Iterator[None]:
        self._heard, self._errors = [], []
        yield
        self._heard = []

    def _lines(self) -> list[str]:
        """What it said since it is listened to; a message may be half a line."""
        return [line.rstrip() for line in b"".join(self._heard).decode(errors="replace").split("\n")]

    def _refusal(self, otherwise: str) -> NoAnswerError:
        told = (_FUNCTIONS.sub("", error.decode(errors="replace")).strip() for error in self._errors)
        reasons = [reason for reason in told if reason]
        return NoAnswerError(Failure("refused", reasons[0] if reasons else otherwise))

    def _hear(self, level: int, text: bytes, _: Any) -> None:
        if level == _DEBUG and not text.startswith(b"load_tensors: layer"):
            return
        self._heard.append(text)
        if level == _ERROR:
            self._errors.append(text)
        if b"output buffer size" in text:
            self._output_allocated = sum(size for _, size in self.gpus.allocated)


def check_figures(log: PlanLog, *, output: int, caches: list[int] | None, states: list[int], compute: list[int] | None) -> None:
    """The exact figures are those that the engine printed. Raises NoAnswerError if not, or if a line is unknown."""
    if log.unread:
        raise NoAnswerError(Failure("unread", f'the engine printed a line that is not known: "{log.unread[0]}"'))
    told = (
        ("output buffer", [output], [] if log.output is None else [(log.output, 0)]),
        ("caches", caches, log.caches),
        ("states", states, log.states),
        ("compute buffers", compute, [(size, 0) for size in log.compute.values()]),
    )
    for what, exact, lines in told:
        if exact is None:
            continue
        printed = sum(size for size, _ in lines)
        # A layer has a K and a V tensor, or an R, an S and a P.
        if not agrees(sum(exact), printed, lines=len(lines), tensors=3 * sum(layers for _, layers in lines)):
            reason = f"the engine's {what} take {sum(exact)} bytes by its breakdown and {printed:.2f} MiB by its log"
            raise NoAnswerError(Failure("unread", reason))


def walk_breakdown(library: Library, context: Address) -> Iterator[tuple[Address, tuple[int, int, int]]]:
    """llama_get_memory_breakdown's entries: buffer type, and bytes of (model, context, compute).

    It returns a std::map through a hidden first pointer. libstdc++'s is 48 bytes: compare, then the header of a tree (colour,
    root, leftmost, rightmost) and a count; a node is colour, parent, left, right, key and the three sizes.
    """
    assert library.memory_breakdown is not None
    header = (ctypes.c_uint64 * 6)()
    library.memory_breakdown(ctypes.addressof(header), context)
    waiting = [int(header[2])]
    while waiting:
        address = waiting.pop()
        if address:
            node = (ctypes.c_uint64 * 8).from_address(address)
            waiting += [int(node[2]), int(node[3])]
            yield int(node[4]), (int(node[5]), int(node[6]), int(node[7]))


def import_engine() -> types.ModuleType:
    """llama_cpp.llama_cpp without its package's own __init__, which imports far more (0.4 s and 25 MiB)."""
    if "llama_cpp.llama_cpp" in sys.modules:
        return sys.modules["llama_cpp.llama_cpp"]
    found = importlib.util.find_spec("llama_cpp")
    if found is None or found.submodule_search_locations is None:
        raise RuntimeError("llama-cpp-python is not installed")
    package = types.ModuleType("llama_cpp")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["llama_cpp"] = package
    from llama_cpp import llama_cpp

    return llama_cpp
