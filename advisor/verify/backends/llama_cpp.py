"""llama.cpp as the worker runs it: the model as it was planned, timed as llama-bench times it.

Sources: tools/llama-bench/llama-bench.cpp:2168-2222 (test_prompt, test_gen).
"""

import ctypes
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from advisor.engine.ggml_structs import Library, Pointer, TensorOverride, function
from advisor.engine.planning import EXPERTS, import_engine, walk_breakdown
from advisor.engine.questions import PlanQuestion
from advisor.engine.recipe import usable_cores
from advisor.verify.backends.load_log import OUT_OF_MEMORY, LoadLog, weights_once
from advisor.verify.backends.prompt_text import realistic_prompt
from advisor.verify.measuring import measure
from advisor.verify.protocol import Result, RunError, RunRequest, Teller, Trial

_DEBUG, _CONTINUED = 1, 5
"""Levels of ggml's log; a continued line has no level of its own."""
_LEAST_BUDGET_S = 20.0
_CHECKED_S = 0.1
_REALISTIC_TOKENS = 440
"""Of the realistic prompt, with the tokenizers of SmolLM2 and Gemma 3."""


def run(request: RunRequest, tell: Teller) -> None:
    """Load, measure, tell. Raises RunError."""
    start = time.monotonic()
    try:
        engine = Loaded(request, tell)
    except (RuntimeError, OSError, AttributeError) as error:
        raise RunError("missing part", f"the engine cannot be used here: {error}") from None
    result = Result(engine=engine.version, load_s=engine.load_s, memory=engine.memory())
    left = max(_LEAST_BUDGET_S, request.budget_s - (time.monotonic() - start))
    measure(engine, tell, result, budget_s=left, prompt=engine.most(request.prompt_tokens), generated=request.generated_tokens)
    tell.result(result)


class Loaded:
    """A model and its context in this process. `clock` times it."""

    clock: Callable[[], float] = staticmethod(time.perf_counter)

    def __init__(self, request: RunRequest, tell: Teller) -> None:
        assert request.question is not None
        self.question = replace(PlanQuestion.from_json(request.question), file=request.target)
        self._threads = request.threads or usable_cores()
        self._llama: Any = import_engine()
        self._library = self.library()
        self._lines: list[str] = [""]
        self._log = self._llama.llama_log_callback(self._hear)
        self._llama.llama_log_set(self._log, Pointer(0))
        self._llama.llama_backend_init()
        self.version = f"llama.cpp in llama-cpp-python {_package_version()}"
        if self.question.gpus and not self._llama.llama_supports_gpu_offload():
            raise RunError(
                "missing part",
                "this build of the engine knows no GPU; run it with --gpu-layers 0, or build it for the GPU: "
                "CMAKE_ARGS=-DGGML_CUDA=on python -m advisor.engine.build",
            )
        tell.loading()
        tell.stage("loading", done=0.0)
        start = time.monotonic()
        self.model = self._load(request, tell)
        self.context = self._llama.llama_init_from_model(self.model, self._context_parameters())
        if not self.context:
            raise self._refused("it makes no context with these settings")
        self.load_s = time.monotonic() - start
        self._vocabulary = self._llama.llama_model_get_vocab(self.model)
        self._n_vocab = int(self._llama.llama_vocab_n_tokens(self._vocabulary))

    @staticmethod
    def library() -> Library:
        """The pinned engine's libraries. Raises RuntimeError where they are others."""
        llama: Any = import_engine()
        return Library(llama._lib, Path(str(llama.__file__)).parent / "lib")  # noqa: SLF001

    # --- loading --------------------------------------------------------------------------------------

    def _load(self, request: RunRequest, tell: Teller) -> Any:
        if not Path(request.target).is_file():
            raise RunError("wrong file", f'there is no file "{Path(request.target).name}" any more')
        with self._model_parameters(request, tell) as parameters:
            model = self._llama.llama_model_load_from_file(request.target.encode(), parameters)
        if not model:
            raise self._refused("it does not load this file")
        return model

    @contextmanager
    def _model_parameters(self, request: RunRequest, tell: Teller) -> Iterator[Any]:
        asked, told = self.question, [time.monotonic(), 0.0]

        def progress(done: float, _: Any) -> bool:
            if (now := time.monotonic()) - told[1] > _CHECKED_S:
                left = (now - told[0]) * (1 - done) / done + request.budget_s if done > 0.02 else None
                tell.stage("loading", done=done, left_s=left)
                told[1] = now
            return True

        parameters = self._llama.llama_model_default_params()
        parameters.use_extra_bufts, parameters.load_mtp = request.extra_bufts, asked.load_mtp
        parameters.n_gpu_layers = asked.gpu_layers if asked.gpus else 0
        pattern = EXPERTS.format("|".join(map(str, asked.host_experts))).encode()
        overrides = (TensorOverride * 2)(TensorOverride(pattern, self._library.cpu_buffer_type), TensorOverride(None, None))
        split, no_devices = (ctypes.c_float * 128)(*asked.tensor_split), (Pointer * 1)(None)
        called = self._llama.llama_progress_callback(progress)
        parameters.progress_callback = called
        if asked.tensor_split:
            parameters.tensor_split = ctypes.cast(split, ctypes.POINTER(ctypes.c_float))
        if asked.host_experts:
            parameters.tensor_buft_overrides = ctypes.addressof(overrides)
        if not asked.gpus:
            parameters.devices = ctypes.addressof(no_devices)
        yield parameters

    def _context_parameters(self) -> Any:
        asked, parameters = self.question, self._llama.llama_context_default_params()
        parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = asked.context, asked.batch, asked.ubatch
        parameters.n_seq_max, parameters.n_outputs_max = asked.slots, asked.outputs
        parameters.type_k, parameters.type_v = asked.type_k, asked.type_v
        parameters.flash_attn_type = asked.flash_attention
        parameters.swa_full, parameters.kv_unified = asked.swa_full, asked.unified_kv
        parameters.n_threads = parameters.n_threads_batch = self._threads
        return parameters

    def memory(self) -> dict[str, Any]:
        """What the engine says that it allocated, exactly where its breakdown can be read, else from its log."""
        log = LoadLog.of(self._lines)
        output = log.total("output")
        if self._library.memory_breakdown is None:
            weights = log.sizes.get("weights")
            return {
                "weights_bytes": None if weights is None else weights_once(weights),
                "kv_cache_bytes": log.total("kv_cache"),
                "compute_bytes": log.total("compute"),
                "output_bytes": output,
                "basis": "the engine's load log",
            }
        name = function(self._library.base, "ggml_backend_buft_name", ctypes.c_char_p, Pointer)
        held = [(name(kind).decode(), sizes) for kind, sizes in walk_breakdown(self._library, self.context)]
        return {
            "weights_bytes": weights_once({buffer: sizes[0] for buffer, sizes in held if sizes[0]}),
            "kv_cache_bytes": sum(sizes[1] for _, sizes in held),
            "compute_bytes": sum(sizes[2] for _, sizes in held),
            "output_bytes": output,
            "basis": "the engine's own breakdown of what it allocated; the output buffer from its load log",
        }

    # --- timing -----------------------------------------------------------------------------------------

    def most(self, tokens: int) -> int:
        """`tokens`, or what the context of one slot holds where that is less."""
        per_slot = self.question.context if self.question.unified_kv else self.question.context // self.question.slots
        return min(tokens, per_slot)

    def prompt(self, tokens: int) -> Trial:
        """Random tokens in batches, as llama-bench's test_prompt."""
        self._clear()
        drawn = [self._first()] + [self._any() for _ in range(tokens - 1)]
        start = self.clock()
        for begin in range(0, tokens, self.question.batch):
            self._decode(drawn[begin : begin + self.question.batch])
        self._llama.llama_synchronize(self.context)
        return Trial(tokens, self.clock() - start)

    def generate(self, tokens: int) -> Trial:
        """Random tokens one by one, as llama-bench's test_gen: which ones come out does not change the time."""
        return Trial(tokens, sum(self.each_token(tokens)))

    def each_token(self, tokens: int) -> Iterator[float]:
        """The same as seconds of each token, computed when it is asked for."""
        self._clear()
        drawn = [self._first()] + [self._any() for _ in range(tokens - 1)]
        for token in drawn:
            start = self.clock()
            self._decode([token])
            self._llama.llama_synchronize(self.context)
            yield self.clock() - start

    def first_token(self, most: int) -> Trial:
        """Text to tokens, the prompt, and the likeliest first token of the answer."""
        import numpy as np

        self._clear()
        start = self.clock()
        tokens = self._tokenize(realistic_prompt())
        tokens = tokens[: self.most(min(len(tokens), most))]
        for begin in range(0, len(tokens), self.question.batch):
            self._decode(tokens[begin : begin + self.question.batch])
        logits = np.ctypeslib.as_array(self._llama.llama_get_logits_ith(self.context, -1), shape=(self._n_vocab,))
        if not np.isfinite(logits).all():
            raise RunError("wrong file", "the model computes no numbers (NaN): the file is damaged; download it again")
        int(logits.argmax())
        return Trial(len(tokens), self.clock() - start)

    def _tokenize(self, text: str) -> list[int]:
        if self._llama.llama_vocab_type(self._vocabulary) == 0:
            # LLAMA_VOCAB_TYPE_NONE: a slice has no words, and llama_tokenize would end the process. Any tokens take as long.
            return [self._any() for _ in range(_REALISTIC_TOKENS)]
        data = text.encode()
        found = (self._llama.llama_token * (len(data) + 8))()
        count = self._llama.llama_tokenize(self._vocabulary, data, len(data), found, len(found), True, False)  # noqa: FBT003
        return list(found[: max(count, 0)]) or [self._any() for _ in range(_REALISTIC_TOKENS)]

    def _decode(self, tokens: list[int]) -> None:
        array = (self._llama.llama_token * len(tokens))(*tokens)
        code = self._llama.llama_decode(self.context, self._llama.llama_batch_get_one(array, len(tokens)))
        if code:
            raise self._refused(f"llama_decode ended with {code}")

    def _clear(self) -> None:
        self._llama.llama_memory_clear(self._llama.llama_get_memory(self.context), True)  # noqa: FBT003

    def _first(self) -> int:
        if self._llama.llama_vocab_get_add_bos(self._vocabulary):
            return int(self._llama.llama_vocab_bos(self._vocabulary))
        return self._any()

    def _any(self) -> int:
        return random.randrange(self._n_vocab)  # noqa: S311

    # --- what it says -----------------------------------------------------------------------------------

    def _hear(self, level: int, text: bytes, _: Any) -> None:
        if level == _DEBUG:
            return
        said = text.decode(errors="replace")
        first, *more = said.split("\n")
        self._lines[-1] += first
        self._lines += more
        sys.stderr.write(said)
        sys.stderr.flush()

    def _refused(self, otherwise: str) -> RunError:
        recent = [line for line in self._lines[-40:] if line.strip()]
        if any(mark in line for line in recent for mark in OUT_OF_MEMORY):
            return RunError(
                "out of memory",
                "there was not enough memory; choose a smaller file, a shorter context or fewer layers on the GPU",
            )
        errors = [line.split(": ", 1)[-1].strip() for line in recent if "error" in line.lower()]
        return RunError("wrong file", f"llama.cpp refuses this: {errors[0] if errors else otherwise}")


def _package_version() -> str:
    import importlib.metadata

    return importlib.metadata.version("llama-cpp-python")
