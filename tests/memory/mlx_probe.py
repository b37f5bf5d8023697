"""Builds models in mlx_lm and prints what they take. Run as a program: one JSON question a line in, one answer a line out.

{"config": .., "bits": 4 or null, "recipe": "mixed_3_6" or null}: bytes of the lazily built, quantized model, never evaluated.
{"config": .., "bits": null, "run": 513, "float_bytes": 2}: runs a prompt of that many tokens and two more, and says weights,
caches and the peak of the memory in use.
"""

import contextlib
import json
import sys
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map_with_path
from mlx_lm.convert import mixed_quant_predicate_builder
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import _get_classes, quantize_model

GENERATED = 2


def build(question: dict[str, Any]) -> Any:
    """The model as mlx_lm.convert makes it: floats in one dtype but for those that `cast_predicate` keeps, then quantized."""
    config = question["config"]
    model_class, arguments = _get_classes(config)
    model = model_class(arguments.from_dict(config))
    # what `sanitize` drops of a checkpoint without an output layer (models/gemma3_text.py)
    for part in (model, getattr(model, "language_model", None)):
        if config["model_type"].startswith("gemma3") and part is not None:
            part.pop("lm_head", None)
    kept = getattr(model, "cast_predicate", lambda _: True)
    dtype = mx.float32 if question.get("float_bytes") == 4 else mx.bfloat16
    model.update(tree_map_with_path(lambda name, value: value.astype(dtype) if kept(name) else value, model.parameters()))
    if question.get("bits"):
        recipe = question.get("recipe")
        chosen = mixed_quant_predicate_builder(recipe, model, 64) if recipe else None
        with contextlib.redirect_stdout(sys.stderr):
            model, _ = quantize_model(model, config, 64, question["bits"], quant_predicate=chosen)
    return model


def run(model: Any, tokens: int) -> dict[str, int]:
    """Weights, caches and peak of a run."""
    mx.eval(model.parameters())
    mx.clear_cache()
    mx.reset_peak_memory()
    cache = make_prompt_cache(model)
    for _ in generate_step(mx.arange(tokens) % 1000, model, max_tokens=GENERATED, prompt_cache=cache):
        pass
    return {"cache": sum(one.nbytes for one in cache), "peak": mx.get_peak_memory()}


def main() -> int:
    mx.set_default_device(mx.cpu)
    for line in sys.stdin:
        question = json.loads(line)
        model = build(question)
        answer = {"weights": sum(value.nbytes for _, value in tree_flatten(model.parameters()))}
        if "run" in question:
            answer |= run(model, question["run"])
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
