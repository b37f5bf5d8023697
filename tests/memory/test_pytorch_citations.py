"""What the rules for PyTorch say of transformers is in its files. vLLM and bitsandbytes are not installed for tests."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from advisor.memory import pytorch

pytestmark = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")

RULES = [Path(pytorch.__file__), Path(pytorch.__file__).with_name("other_plans.py")]
CITED = re.compile(r"(?<![\w/])((?:(?:models/\w+|utils|integrations|quantizers)/)?\w+\.py)")
SAYS = {
    "cache_utils.py": (
        "class DynamicLayer(",
        "self.keys = torch.cat([self.keys, key_states], dim=-2)",
        "class DynamicSlidingWindowLayer(DynamicLayer)",
        "self.keys = full_key_states[:, :, -self.sliding_window + 1 :, :]",
    ),
    "integrations/bitsandbytes.py": ("def replace_with_bnb_linear(", "type(module) is nn.Linear"),
    "models/qwen3_moe/modeling_qwen3_moe.py": (
        "class Qwen3MoeExperts(nn.Module)",
        "self.gate_up_proj = nn.Parameter(",
        "class Qwen3MoeTopKRouter(nn.Module)",
        "self.weight = nn.Parameter(torch.zeros(self.num_experts",
    ),
    "quantizers/base.py": ("def get_keys_to_not_convert(model)", "get_output_embeddings()"),
    "quantizers/quantizer_mxfp4.py": ("class Mxfp4HfQuantizer(HfQuantizer)",),
    "utils/quantization_config.py": ("class BitsAndBytesConfig(", "bnb_4bit_use_double_quant=False"),
}
OTHERS = re.compile(r"(?:vllm|online|nn)/[\w/]+\.py|(?:awq|gptq)\.py")
"""Files of vLLM and bitsandbytes."""


def test_every_citation_is_looked_at() -> None:
    texts = (OTHERS.sub("", path.read_text("utf-8")) for path in RULES)
    assert {file for text in texts for file in CITED.findall(text)} == set(SAYS)


@pytest.mark.parametrize(("file", "words"), SAYS.items(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_file_says_so(file: str, words: tuple[str, ...]) -> None:
    found = find_spec("transformers")
    assert found is not None
    assert found.submodule_search_locations
    text = (Path(found.submodule_search_locations[0]) / file).read_text("utf-8")
    assert [word for word in words if word not in text] == []
