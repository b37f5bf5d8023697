"""Names of quantizations as people, logs and files write them."""

from contextlib import suppress

import pytest
from gguf.constants import GGMLQuantizationType as Kind
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import QuestionError
from advisor.models.quantization_names import QUANTIZATIONS, from_ftype, parse_quantization, quantization

# llama.cpp src/llama-model-loader.cpp:33-76 (llama_ftype_name): what load logs and llama-bench print.
LABELS = {
    "all F32": "F32",
    "F16": "F16",
    "BF16": "BF16",
    "Q1_0": "Q1_0",
    "Q4_0": "Q4_0",
    "Q4_1": "Q4_1",
    "Q5_0": "Q5_0",
    "Q5_1": "Q5_1",
    "Q8_0": "Q8_0",
    "MXFP4 MoE": "MXFP4_MOE",
    "Q2_K - Medium": "Q2_K",
    "Q2_K - Small": "Q2_K_S",
    "Q3_K - Small": "Q3_K_S",
    "Q3_K - Medium": "Q3_K_M",
    "Q3_K - Large": "Q3_K_L",
    "Q4_K - Small": "Q4_K_S",
    "Q4_K - Medium": "Q4_K_M",
    "Q5_K - Small": "Q5_K_S",
    "Q5_K - Medium": "Q5_K_M",
    "Q6_K": "Q6_K",
    "TQ1_0 - 1.69 bpw ternary": "TQ1_0",
    "TQ2_0 - 2.06 bpw ternary": "TQ2_0",
    "IQ2_XXS - 2.0625 bpw": "IQ2_XXS",
    "IQ2_XS - 2.3125 bpw": "IQ2_XS",
    "IQ2_S - 2.5 bpw": "IQ2_S",
    "IQ2_M - 2.7 bpw": "IQ2_M",
    "IQ3_XS - 3.3 bpw": "IQ3_XS",
    "IQ3_XXS - 3.0625 bpw": "IQ3_XXS",
    "IQ1_S - 1.5625 bpw": "IQ1_S",
    "IQ1_M - 1.75 bpw": "IQ1_M",
    "IQ4_NL - 4.5 bpw": "IQ4_NL",
    "IQ4_XS - 4.25 bpw": "IQ4_XS",
    "IQ3_S - 3.4375 bpw": "IQ3_S",
    "IQ3_S mix - 3.66 bpw": "IQ3_M",
}
SPELLINGS = {
    "q4_k_m": "Q4_K_M",
    " Q4-K-M ": "Q4_K_M",
    "Q4_K": "Q4_K_M",
    "q3_k": "Q3_K_M",
    "Q5_K": "Q5_K_M",
    "mxfp4": "MXFP4_MOE",
    "MXFP4_MOE": "MXFP4_MOE",
    "bf16": "BF16",
    "fp16": "F16",
    "f32": "F32",
    "ud-q4_k_xl": "UD-Q4_K_XL",
    "UD_IQ1_S": "UD-IQ1_S",
    "Q3_K_XL": "Q3_K_XL",
    "MLX-Q4": "mlx-4bit",
    "MLX-4bit": "mlx-4bit",
    "mlx 8-bit": "mlx-8bit",
    "LLAMA_FTYPE_MOSTLY_IQ2_XXS": "IQ2_XXS",
    "LLAMA_FTYPE_ALL_F32": "F32",
    "MOSTLY_Q8_0": "Q8_0",
    "(guessed) Q4_0": "Q4_0",
}


@pytest.mark.parametrize(("text", "name"), [*LABELS.items(), *SPELLINGS.items()])
def test_a_name_is_understood(text: str, name: str) -> None:
    assert parse_quantization(text) == name
    assert name in QUANTIZATIONS


def test_every_name_is_its_own_spelling() -> None:
    for name in QUANTIZATIONS:
        assert parse_quantization(name) == parse_quantization(name.lower()) == parse_quantization(name.upper()) == name


@pytest.mark.parametrize(
    ("text", "near"), [("Q4_K_X", "Q4_K_M"), ("IQ4_XXS", "IQ4_XS"), ("UD-Q4_K", "UD-Q4_K_M"), ("mlx-7bit", "mlx-8bit")]
)
def test_an_unknown_name_is_told_its_neighbours(text: str, near: str) -> None:
    with pytest.raises(QuestionError) as caught:
        parse_quantization(text)
    assert text in str(caught.value)
    assert near in str(caught.value)
    assert caught.value.field == "quantization"


@pytest.mark.parametrize("text", ["", "12345", "colour", "Q" * 500])
def test_nothing_like_a_name(text: str) -> None:
    with pytest.raises(QuestionError, match="is not a quantization"):
        parse_quantization(text)


@given(st.text())
def test_any_text_is_a_name_or_a_question_error(text: str) -> None:
    with suppress(QuestionError):
        assert parse_quantization(text) in QUANTIZATIONS


def test_a_book_is_refused_at_once() -> None:
    with pytest.raises(QuestionError) as caught:
        parse_quantization("Q4_K_M " * 100_000)
    assert len(str(caught.value)) < 300


# enum llama_ftype, llama.cpp include/llama.h:117-162
@pytest.mark.parametrize(
    ("ftype", "name"),
    [(0, "F32"), (1, "F16"), (2, "Q4_0"), (7, "Q8_0"), (15, "Q4_K_M"), (22, "IQ3_XS"), (32, "BF16"), (38, "MXFP4_MOE")],
)
def test_file_type_of_a_header(ftype: int, name: str) -> None:
    assert from_ftype(ftype) == from_ftype(ftype | 1024) == name


def test_a_file_type_nobody_knows() -> None:
    assert from_ftype(4) is None
    assert from_ftype(999) is None


def test_default_types_where_the_name_says_otherwise() -> None:
    """llama.cpp src/llama-quant.cpp:906-918."""
    assert quantization("IQ2_S").default_type is Kind.IQ2_XS
    assert quantization("IQ2_M").default_type is Kind.IQ2_S
    assert quantization("IQ3_XS").default_type is quantization("IQ3_M").default_type is Kind.IQ3_S


def test_ratios_are_ordered_and_belong_to_publishers_own_mixes_only() -> None:
    for q in QUANTIZATIONS.values():
        assert q.exact != (q.name.startswith("UD-") or q.embedding_type is not None)
        for mixture in (False, True):
            low, expected, high = q.size_ratio(mixture=mixture)
            assert 0.5 < low <= expected <= high < 2
            assert q.exact == (low == high == 1)
