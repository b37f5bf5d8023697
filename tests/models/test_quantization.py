"""Types and sizes of quantized models against llama.cpp's own tables, published files and real files."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from gguf.constants import GGMLQuantizationType as Kind

from advisor.errors import QuestionError
from advisor.models.block_tensors import BlockTensors
from advisor.models.file_size import error_band, header_bytes, padded
from advisor.models.gguf_header import parse_header, read_header
from advisor.models.quantization import (
    QUANTIZATIONS,
    Era,
    era_of,
    group_types,
    kept_types,
    needs_imatrix,
    quantize,
    quantize_groups,
    quantized_bytes,
    weight_table,
)
from advisor.models.tensor import Tensor
from advisor.models.tensor_shape import TensorShape
from tests.models.real_files import gemma_header, smollm2
from tests.models.shapes_of_models import expanded, grouped, hyperparameters, keys_bytes, lines, shapes

SIZES = lines("gguf_sizes.jsonl")
SNAPSHOTS = lines("quantization_snapshots.jsonl")


# llama.cpp tools/quantize/README.md:143-174, "meta-llama/Llama-3.1-8B", row "bits/weight". Without an importance matrix but for
# IQ3_XXS, which cannot be made without.
LLAMA_3_1_8B = {
    "IQ1_S": 2.0042,
    "IQ1_M": 2.1460,
    "IQ2_XXS": 2.3824,
    "IQ2_XS": 2.5882,
    "IQ2_S": 2.7403,
    "IQ2_M": 2.9294,
    "IQ3_XXS": 3.2548,
    "IQ3_XS": 3.4977,
    "IQ3_S": 3.6606,
    "IQ3_M": 3.7628,
    "IQ4_XS": 4.4597,
    "IQ4_NL": 4.6818,
    "Q2_K_S": 2.9697,
    "Q2_K": 3.1593,
    "Q3_K_S": 3.6429,
    "Q3_K_M": 3.9960,
    "Q3_K_L": 4.2979,
    "Q4_K_S": 4.6672,
    "Q4_K_M": 4.8944,
    "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036,
    "Q6_K": 6.5633,
    "Q8_0": 8.5008,
    "F16": 16.0005,
}


@pytest.mark.parametrize(("name", "bits"), LLAMA_3_1_8B.items())
def test_bits_per_weight_of_llama_3_1_8b(name: str, bits: float) -> None:
    groups = grouped(shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b"))
    assert round(int(quantized_bytes(groups, [name])[0]) * 8 / groups.parameters, 4) == bits


@pytest.mark.parametrize("row", SNAPSHOTS, ids=[row["snapshot"] for row in SNAPSHOTS])
def test_types_are_those_of_llama_cpps_snapshots(row: dict[str, Any]) -> None:
    """llama.cpp tests/snapshots/*.schema (MIT): tensors of 12 models that do not have the default type, for 32 file types."""
    model, block_count = row["model"], row["n_layer"]
    listed = [shape for shape in shapes(model) if not shape.name.startswith(f"blk.{block_count}.")]
    stored = any(line[0] == "output.weight" for line in row["types"]["Q2_K"])
    if stored and not any(
        shape.name == "output.weight" for shape in listed
    ):  # ggml-org's Qwen3 0.6B stores what the model ties
        listed.append(TensorShape("output.weight", listed[0].shape))
    hp = hyperparameters(model, block_count=block_count, head_count=row["n_head"], head_count_kv=row["n_head_kv"])
    groups = grouped(listed, hp)
    assert len(row["types"]) == 32
    for name, rows in row["types"].items():
        expected = {tensor: kind.upper() for line in rows for tensor, kind in expanded(line)}
        types, default = group_types(groups, name, imatrix=False), QUANTIZATIONS[name].default_type
        tensors = zip((name for name, _ in groups.tensors.listed), groups.group.tolist(), strict=True)
        found = {t: types[g].name for t, g in tensors if groups.facts[g].fixed is None and types[g] is not default}
        assert found == expected, name


@pytest.mark.parametrize("row", SIZES, ids=[row["file"] for row in SIZES])
def test_size_of_a_published_file(row: dict[str, Any]) -> None:
    """Every one of 83 published files to within 0.02 %, most to a few bytes; "made" is when, where older rules held."""
    assert predicted_bytes(row) == pytest.approx(row["bytes"], rel=2e-4)


def file_bytes(tensors: Sequence[Tensor], keys: int, block_count: int) -> int:
    """Bytes of a file of one part."""
    header = header_bytes(BlockTensors.of(tensors, block_count), keys)
    return padded(header) + sum(padded(tensor.n_bytes) for tensor in tensors)


def predicted_bytes(row: dict[str, Any]) -> int:
    hp = hyperparameters(row["model"])
    tensors = quantize(shapes(row["model"]), hp, row["quantization"], era=row.get("made"), kept=kept_types(hp))
    return file_bytes(tensors, keys_bytes(row["model"]), hp.block_count)


def test_most_published_sizes_are_predicted_to_a_millionth() -> None:
    errors = sorted(abs(predicted_bytes(row) / row["bytes"] - 1) for row in SIZES)
    assert errors[len(errors) // 2] < 1e-6


def test_smollm2_is_the_real_file_tensor_by_tensor() -> None:
    header = read_header(smollm2())
    predicted = quantize(header.tensors, hyperparameters("smollm2-135m"), "Q4_1")
    assert [(t.name, t.type) for t in predicted] == [(t.name, t.type) for t in header.tensors]
    assert Counter(t.type for t in predicted) == {Kind.Q4_1: 210, Kind.F32: 61, Kind.Q8_0: 1}
    table = sum(24 + len(t.name) + 8 * len(t.shape) for t in header.tensors)
    assert header.header_bytes - 32 < 24 + 1_769_483 + table <= header.header_bytes
    assert file_bytes(predicted, 1_769_483, 30) == 98_362_432


def test_gemma_3_270m_is_the_real_file_tensor_by_tensor() -> None:
    """640 wide: q4_K becomes q5_0 and q6_K q8_0 wherever rows are not a multiple of 256."""
    header = parse_header(gemma_header(), file_bytes=253_113_024)
    predicted = quantize(header.tensors, hyperparameters("gemma-3-270m"), "Q4_K_M")
    assert [(t.name, t.type) for t in predicted] == [(t.name, t.type) for t in header.tensors]
    assert Counter(t.type.name for t in predicted) == {"Q5_0": 81, "Q4_K": 27, "Q8_0": 10, "Q6_K": 9, "F32": 109}


# Tensor tables of the official Qwen2.5 Q4_K_M files of autumn 2024 (28 blocks): q6_K on these blocks of attn_v and ffn_down.
BLOCKS_BY_NAME = [0, 1, 5, 6, 7, 8, 9, 10, 13, 16, 19, 21, 24, 27]


def test_order_by_name_moves_the_larger_types_to_other_blocks() -> None:
    model = "qwen2.5-coder-1.5b with output.weight"
    listed, hp = shapes(model), hyperparameters(model)
    old, new = (quantize(listed, hp, "Q4_K_M", era=Era(order_by_name=flag)) for flag in (True, False))
    for part in ("attn_v", "ffn_down"):
        found = [b for b in range(28) for t in old if t.name == f"blk.{b}.{part}.weight" and t.type is Kind.Q6_K]
        assert found == BLOCKS_BY_NAME
    assert sum(t.n_bytes for t in old) == sum(t.n_bytes for t in new)


def test_mixtral_of_december_2023() -> None:
    """TheBloke's files, one tensor for each expert: Q4_K_M was as large as Q4_0, 26.44 GB, where today's is 28.45."""
    hp = hyperparameters("mixtral-8x7b")
    listed = [one for shape in shapes("mixtral-8x7b") for one in _one_by_one(shape)]
    assert len(listed) == 32 * (8 * 3 + 7) + 3
    early = grouped(listed, hp, era=era_of("2023-12"))
    assert quantized_bytes(early, ["Q4_0", "Q4_K_M"]).tolist() == [26_442_850_304, 26_442_850_304]
    today = grouped(shapes("mixtral-8x7b"), hp)
    assert quantized_bytes(today, ["Q4_0", "Q4_K_M"]).tolist() == [26_442_850_304, 28_447_727_616]


def _one_by_one(shape: TensorShape) -> list[TensorShape]:
    if "_exps" not in shape.name:
        return [shape]
    return [TensorShape(shape.name.replace("_exps", f".{i}"), shape.shape[:2]) for i in range(shape.shape[2])]


def test_per_layer_embedding_followed_the_default_type_before_2026() -> None:
    listed, hp = shapes("gemma-3n-e2b"), hyperparameters("gemma-3n-e2b")
    for made, kind in (("2025-06", Kind.Q4_K), (None, Kind.Q6_K)):
        types = {t.name: t.type for t in quantize(listed, hp, "Q4_K_M", era=made)}
        assert types["per_layer_token_embd.weight"] is kind
        assert types["token_embd.weight"] is Kind.Q6_K


def test_kept_experts_of_gpt_oss() -> None:
    listed, hp = shapes("gpt-oss-20b"), hyperparameters("gpt-oss-20b")
    for name in ("Q2_K", "Q8_0", "F16"):
        experts = {t.type for t in quantize(listed, hp, name, kept=kept_types(hp)) if "_exps.weight" in t.name}
        assert experts == {Kind.MXFP4}
    assert Kind.MXFP4 not in {t.type for t in quantize(listed, hp, "Q8_0")}


def test_an_override_takes_the_place_of_the_rule() -> None:
    listed, hp = shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b")
    types = {t.name: t.type for t in quantize(listed, hp, "Q4_K_M", overrides=[(r"blk\.0\.ffn_down", Kind.Q8_0)])}
    assert types["blk.0.ffn_down.weight"] is Kind.Q8_0
    assert types["blk.1.ffn_down.weight"] is Kind.Q6_K
    # the others move up by one: what is counted is what the rules decide (src/llama-quant.cpp:759-767)
    assert next(b for b in range(32) if types[f"blk.{b}.ffn_down.weight"] is Kind.Q4_K) == 5


def test_large_names_store_embedding_and_output_in_q8_0() -> None:
    listed, hp = shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b")
    large = {t.name: t.type for t in quantize(listed, hp, "Q4_K_L")}
    plain = {t.name: t.type for t in quantize(listed, hp, "Q4_K_M")}
    assert {name for name in plain if plain[name] is not large[name]} == {"token_embd.weight", "output.weight"}
    assert large["output.weight"] is large["token_embd.weight"] is Kind.Q8_0


def test_dynamic_names_are_sized_by_the_published_ratio_and_say_how_far_off() -> None:
    hp = hyperparameters("qwen3-30b-a3b")
    groups = grouped(shapes("qwen3-30b-a3b"), hp)
    base, dynamic = quantized_bytes(groups, ["Q4_K_M", "UD-Q4_K_XL"])
    assert dynamic / base == pytest.approx(0.965, abs=1e-4)
    low, high = error_band("UD-Q4_K_XL", mixture=True)
    assert low < -0.02
    assert high > 0.1
    assert not QUANTIZATIONS["UD-Q4_K_XL"].exact
    # unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF, exact bytes of the published file
    assert dynamic * (1 + low) < 17_665_334_432 < dynamic * (1 + high)


def test_importance_matrix_changes_and_requirement() -> None:
    listed, hp = shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b")
    assert needs_imatrix(quantize(listed, hp, "IQ3_XS"), "IQ3_XS")
    assert needs_imatrix(quantize(listed, hp, "Q2_K_S"), "Q2_K_S")
    assert not needs_imatrix(quantize(listed, hp, "Q2_K"), "Q2_K")
    for name, quantization in QUANTIZATIONS.items():
        if quantization.is_gguf and quantization.exact:
            assert needs_imatrix(quantize(listed, hp, name), name) == quantization.needs_imatrix, name
    types = {t.name: t.type for t in quantize(listed, hp, "Q4_0", imatrix=True)}
    assert types["blk.0.ffn_down.weight"] is Kind.Q4_1
    assert types["blk.4.ffn_down.weight"] is Kind.Q4_0


@pytest.mark.parametrize("day", ["yesterday", "2023-13", "23/12", ""])
def test_a_date_that_is_none(day: str) -> None:
    with pytest.raises(QuestionError, match="date"):
        era_of(day)


def test_mlx_has_no_gguf_types() -> None:
    with pytest.raises(QuestionError, match="mlx-4bit is not a GGUF"):
        quantize(shapes("llama-3.1-8b"), hyperparameters("llama-3.1-8b"), "MLX-Q4")


def test_padding_of_a_file() -> None:
    tensors = [Tensor("a.weight", (5,), Kind.F32), Tensor("b.weight", (256, 1), Kind.Q6_K)]
    header = 24 + 100 + (8 + 8 + 4 + 8 + 4 + 8) + (8 + 8 + 4 + 16 + 4 + 8)
    assert header_bytes(BlockTensors.of(tensors, 0), 100) == header == 212
    assert file_bytes(tensors, 100, 0) == 224 + 32 + 224
    assert [padded(size, 64) for size in (212, 20, 210)] == [256, 64, 256]


def test_totals_and_tables_of_all_quantizations_agree() -> None:
    groups = grouped(shapes("deepseek-v3.1"), hyperparameters("deepseek-v3.1"))
    names = [name for name, q in QUANTIZATIONS.items() if q.is_gguf and name != "Q1_0"]
    totals = quantized_bytes(groups, names)
    tables = [weight_table(groups, name) for name in names]
    assert all(abs(table.total_bytes / total - 1) < 1e-6 for table, total in zip(tables, totals, strict=True))


def test_one_path_for_tensors_and_totals() -> None:
    for model in ("deepseek-v3.1", "granite-4.0-h-350m", "gemma-3-270m"):
        groups = grouped(shapes(model), hyperparameters(model))
        names = [name for name, q in QUANTIZATIONS.items() if q.is_gguf and q.exact and name != "Q1_0"]
        sums = [sum(t.n_bytes for t in quantize_groups(groups, name)) for name in names]
        assert quantized_bytes(groups, names).tolist() == sums
