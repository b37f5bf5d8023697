"""A small MLX model in the layout of a Hugging Face folder, with random weights: no package carries one. Run as a program.

python mlx_model.py FOLDER [BITS]      # a llama of 4 layers, quantized where BITS are given
"""

import json
import sys
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map
from mlx_lm.utils import _get_classes, quantize_model, save_model

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def main(folder: Path, bits: int | None) -> int:
    """0 where the folder was written."""
    mx.set_default_device(mx.cpu)
    model_class, arguments = _get_classes(CONFIG)
    model = model_class(arguments.from_dict(CONFIG))
    model.update(tree_map(lambda value: value.astype(mx.bfloat16), model.parameters()))
    config = dict(CONFIG)
    if bits:
        model, config = quantize_model(model, config, 64, bits)
    mx.eval(model.parameters())
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, model)
    (folder / "config.json").write_text(json.dumps(config))
    print(sum(value.nbytes for _, value in tree_flatten(model.parameters())))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None))
