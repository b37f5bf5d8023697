"""MLX as the worker runs it: a folder in Hugging Face's layout, loaded and timed by mlx_lm; on Linux by mlx[cpu].

Sources: mlx_lm 0.32.2, generate.py (generate_step), utils.py (load_model).
"""

import contextlib
import importlib.metadata
import random
import sys
import time
from pathlib import Path
from typing import Any

from advisor.verify.backends.prompt_text import realistic_prompt
from advisor.verify.measuring import measure
from advisor.verify.protocol import Result, RunError, RunRequest, Teller, Trial

_FILLED_S = 30.0
"""The context is filled once for its memory, where that takes no longer."""


def run(request: RunRequest, tell: Teller) -> None:
    """Load, measure, tell. Raises RunError."""
    try:
        import mlx.core as mx
        import mlx_lm  # noqa: F401
    except ImportError as error:
        raise RunError(
            "missing part", f"mlx_lm cannot be used here ({error}); pip install mlx-lm, on Linux also mlx[cpu]"
        ) from None
    start = time.monotonic()
    model = Loaded(Path(request.target), request.context, mx, tell)
    result = Result(engine=f"mlx_lm {importlib.metadata.version('mlx-lm')}", load_s=time.monotonic() - start)
    left = max(20.0, request.budget_s - (time.monotonic() - start))
    prompt, generated = (min(tokens, request.context) for tokens in (request.prompt_tokens, request.generated_tokens))
    measure(model, tell, result, budget_s=left, prompt=prompt, generated=generated)
    result.memory = model.memory(result)
    tell.result(result)


class Loaded:
    """A model in this process, as `measuring.Subject`."""

    def __init__(self, folder: Path, context: int, mx: Any, tell: Teller) -> None:
        from mlx.utils import tree_flatten
        from mlx_lm.utils import load_model

        self._mx, self._context = mx, context
        tell.loading()
        tell.stage("loading")
        try:
            with contextlib.redirect_stdout(sys.stderr):
                loaded: tuple[Any, dict[str, Any]] = load_model(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise RunError("wrong file", f"mlx_lm does not load this folder: {str(error)[:300]}") from None
        self._model, config = loaded
        self._words = int(config.get("vocab_size") or config.get("text_config", {}).get("vocab_size") or 1000)
        self._tokens = self._realistic(folder)
        arrays: Any = tree_flatten(self._model.parameters())
        self.weights_bytes = sum(int(value.nbytes) for _, value in arrays)

    def prompt(self, tokens: int) -> Trial:
        """Random tokens, up to the first that comes out."""
        return self._first(self._any(tokens))[0]

    def generate(self, tokens: int) -> Trial:
        """As many tokens after a prompt of one, which is not timed."""
        steps = self._steps(self._any(1), tokens + 1)
        next(steps)
        start = time.perf_counter()
        count = sum(1 for _ in steps)
        return Trial(count, time.perf_counter() - start)

    def first_token(self, most: int) -> Trial:
        """The realistic prompt, up to its answer's first token."""
        return self._first(self._tokens[:most])[0]

    def memory(self, result: Result) -> dict[str, Any]:
        """Weights, and with a context that is filled once the caches and the most that is computed with."""
        known: dict[str, Any] = {"weights_bytes": self.weights_bytes, "basis": "the sizes of MLX's arrays"}
        rate = max((trial.rate for trial in result.prompt), default=0.0)
        if rate <= 0 or self._context / rate > _FILLED_S:
            result.notes.append("Filling the whole context would have taken too long, so its memory was not measured.")
            return known
        self._mx.clear_cache()
        self._mx.reset_peak_memory()
        _, caches = self._first(self._any(self._context - 1))
        kept = sum(int(cache.nbytes) for cache in caches)
        compute = max(0, self._mx.get_peak_memory() - self.weights_bytes - kept)
        basis = "the sizes of MLX's arrays, and its peak with the whole context filled"
        return known | {"kv_cache_bytes": kept, "compute_bytes": compute, "basis": basis}

    def _first(self, tokens: list[int]) -> tuple[Trial, list[Any]]:
        from mlx_lm.models.cache import make_prompt_cache

        caches = make_prompt_cache(self._model)
        start = time.perf_counter()
        next(self._steps(tokens, 1, caches))
        return Trial(len(tokens), time.perf_counter() - start), caches

    def _steps(self, tokens: list[int], most: int, caches: list[Any] | None = None) -> Any:
        from mlx_lm.generate import generate_step

        return generate_step(self._mx.array(tokens), self._model, max_tokens=most, prompt_cache=caches)

    def _realistic(self, folder: Path) -> list[int]:
        """The realistic prompt in the model's own tokens; random ones where its folder has no tokenizer."""
        from mlx_lm.utils import load_tokenizer

        try:
            with contextlib.redirect_stdout(sys.stderr):
                tokenizer: Any = load_tokenizer(folder)  # type: ignore[no-untyped-call]
                found = list(tokenizer.encode(realistic_prompt()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError):
            found = []
        usable = [token for token in found if 0 <= token < self._words]
        return (usable or self._any(400))[: self._context]

    def _any(self, tokens: int) -> list[int]:
        return [random.randrange(self._words) for _ in range(tokens)]  # noqa: S311
