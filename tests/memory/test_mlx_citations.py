"""Every line of mlx_lm that the MLX rules name is there, and says what they say it does."""

import re
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

from advisor.memory.mlx_rules import MLX_LM_VERSION

pytestmark = [
    pytest.mark.mlx,
    pytest.mark.skipif(find_spec("mlx_lm") is None, reason="mlx_lm is not installed (the extra advisor[mlx])"),
]

RULES = sorted((Path(__file__).resolve().parents[2] / "advisor" / "memory").glob("mlx*.py"))
CITED = re.compile(r"((?:models/)?[a-z_0-9]+\.py):((?:\d+(?:-\d+)?)(?:, \d+-\d+)*)")
SAYS = {
    ("convert.py", "20-77"): ("mixed_quant_predicate_builder", "low_bits = 4", "return mixed_quant_predicate"),
    ("convert.py", "38-40"): ('"down_proj" in k', "raise ValueError"),
    ("convert.py", "48-75"): ("num_layers // 8", '"v_a_proj" in path', '"lm_head" in path'),
    ("generate.py", "323"): ("prefill_step_size: int = 2048",),
    ("generate.py", "450"): ("mx.eval([c.state for c in prompt_cache])",),
    ("utils.py", "1036"): ('"affine": (64, 4)',),
    ("utils.py", "1058"): ('if not hasattr(module, "to_quantized")',),
    ("utils.py", "1057-1075"): ("def wrapped_predicate", "% group_size != 0", "return bool_or_params"),
    ("models/base.py", "64-107"): ("def quantized_scaled_dot_product_attention", "mx.quantized_matmul", "return out"),
    ("models/cache.py", "340"): ("step = 256",),
    ("models/cache.py", "347-364"): ("def update_and_fetch", "n_steps * self.step", "self.keys, self.values = new_k, new_v"),
    ("models/cache.py", "347-369"): ("mx.concatenate([self.keys, new_k]", "self.keys_and_values()"),
    ("models/deepseek_v2.py", "221-232"): ("kv_b_proj", "mx.repeat(k_pe, self.num_heads", "update_and_fetch"),
    ("models/deepseek_v3.py", "132-144"): ("kv_a_proj_with_mqa", "cache.update_and_fetch(kv_latent, k_pe)"),
    ("models/deepseek_v3.py", "146-160"): ("pe_scores = (q_pe", "self.embed_q(kv_latent, transpose=False)"),
    ("models/gpt_oss.py", "133-138"): ("self.experts(x, indices)", "mx.expand_dims(expert_weights", "y = x.sum"),
    ("models/switch_layers.py", "107-108"): ('if "bias" in self', 'self["bias"][indices]'),
    ("models/switch_layers.py", "11-23, 198-220"): ("def _gather_sort", "def _scatter_unsort", "do_sort = indices.size >= 64"),
}


def cited() -> set[tuple[str, str]]:
    return {(file, lines) for path in RULES for file, lines in CITED.findall(path.read_text("utf-8"))}


def test_every_citation_is_looked_at() -> None:
    assert cited() == set(SAYS)


@pytest.mark.parametrize(("place", "words"), SAYS.items(), ids=lambda value: ":".join(value) if len(value) == 2 else "")
def test_the_lines_say_so(place: tuple[str, str], words: tuple[str, ...]) -> None:
    found = find_spec("mlx_lm")
    assert found is not None
    assert found.submodule_search_locations
    file, lines = place
    text = (Path(found.submodule_search_locations[0]) / file).read_text("utf-8").splitlines()
    spans = [span.partition("-") for span in lines.split(", ")]
    shown = "\n".join("\n".join(text[int(first) - 1 : int(last or first)]) for first, _, last in spans)
    assert [word for word in words if word not in shown] == []


def test_the_version_is_the_one_that_the_rules_name() -> None:
    assert f"mlx-lm {version('mlx-lm')}" == MLX_LM_VERSION
