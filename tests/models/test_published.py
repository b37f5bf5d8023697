"""How publishers make their files, pinned by sizes that they published (bytes, from the repositories named beside them)."""

from datetime import date

import pytest

from advisor.models.library import catalogue
from advisor.models.published import Recipe, band_of_publishers, published_bytes, recipe_of
from advisor.models.quantization import Era

EXACT = [
    # Rules of 2023: Q2_K had ffn_gate and ffn_up in q3_K.
    ("codellama-7b", "TheBloke/CodeLlama-7B-Instruct-GGUF", "Q2_K", 2_826_016_448),
    ("codellama-13b", "TheBloke/CodeLlama-13B-Instruct-GGUF", "Q2_K", 5_429_442_816),
    # Rules before 2026: attn_qkv had its own.
    ("phi-3.5-mini", "bartowski/Phi-3.5-mini-instruct-GGUF", "Q2_K", 1_416_204_576),
    ("phi-4", "microsoft/phi-4-gguf", "Q4_K_S", 8_440_762_560),
    # The tied output was stored once more.
    ("qwen2.5-coder-1.5b", "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "Q4_K_M", 1_117_320_768),
    # The checkpoint stores the tied output, which only some leave out.
    ("qwen3-0.6b", "Qwen/Qwen3-0.6B-GGUF", "Q8_0", 639_446_688),
    ("qwen3-0.6b", "unsloth/Qwen3-0.6B-GGUF", "Q4_K_M", 396_705_472),
    # Gemma's tied embedding has been treated as an output from the second day on.
    ("gemma-7b", "bartowski/codegemma-7b-GGUF", "Q2_K", 3_481_446_784),
    ("gemma-7b", "bartowski/codegemma-7b-GGUF", "Q3_K_M", 4_369_328_512),
    # Trained for its quantization: no projections where keys and values are another block's.
    ("gemma-4-e4b", "google/gemma-4-E4B-it-qat-q4_0-gguf", "Q4_0", 5_154_941_280),
    # One attn_kv_b; one ssm_in.
    ("deepseek-coder-v2-lite", "bartowski/DeepSeek-Coder-V2-Lite-Instruct-GGUF", "Q2_K", 6_430_464_768),
    ("qwen3-next-80b-a3b", "Qwen/Qwen3-Next-80B-A3B-Instruct-GGUF", "Q4_K_M", 48_410_988_384),
    # Nothing special.
    ("llama-3.1-8b", "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF", "Q4_K_M", 4_920_739_232),
    ("qwen3-14b", "Qwen/Qwen3-14B-GGUF", "Q4_K_M", 9_001_752_960),
    ("gpt-oss-20b", "unsloth/gpt-oss-20b-GGUF", "Q2_K", 11_468_317_888),
]


@pytest.mark.parametrize(("model_id", "repository", "name", "published"), EXACT, ids=[row[1] + row[2] for row in EXACT])
def test_files_are_predicted_as_they_were_published(model_id: str, repository: str, name: str, published: int) -> None:
    model = catalogue().find(model_id)
    predicted = published_bytes(model, name, recipe_of(model, repository))
    assert predicted == pytest.approx(published, rel=5e-4)


@pytest.mark.parametrize(
    ("model_id", "repository", "name", "printed", "half"),
    [
        # In MiB and GiB, as a catalogue of Jan printed the hub's sizes (janhq/model-catalog).
        ("qwen3-0.6b", "ggml-org/Qwen3-0.6B-GGUF", "Q8_0", 767.5 * 2**20, 0.05 * 2**20),
        ("codegemma-2b", "google/codegemma-2b-GGUF", "F16", 4.1 * 2**30, 0.05 * 2**30),
        ("phi-4", "microsoft/phi-4-gguf", "IQ3_XXS", 5.7 * 2**30, 0.05 * 2**30),
        ("falcon-h1-3b", "tiiuae/Falcon-H1-3B-Instruct-GGUF", "IQ1_M", 773.2 * 2**20, 0.05 * 2**20),
        ("qwen3-embedding-0.6b", "Qwen/Qwen3-Embedding-0.6B-GGUF", "Q8_0", 609.5 * 2**20, 0.05 * 2**20),
    ],
)
def test_rounded_sizes_are_met(model_id: str, repository: str, name: str, printed: float, half: float) -> None:
    model = catalogue().find(model_id)
    assert published_bytes(model, name, recipe_of(model, repository)) == pytest.approx(printed, abs=half)


def test_a_tied_output_is_stored_only_where_the_checkpoint_holds_it() -> None:
    """Qwen3 0.6B's checkpoint has 155,582,464 weights more than the model, Qwen3 4B's none."""
    doubled, single = catalogue().find("qwen3-0.6b"), catalogue().find("qwen3-4b")
    stored = (("tied_embeddings", False),)
    assert recipe_of(doubled, "somebody/Qwen3-0.6B-GGUF").tensors == stored
    assert recipe_of(doubled, "Qwen/Qwen3-0.6B-GGUF").tensors == ()
    assert recipe_of(doubled).tensors == ()
    assert recipe_of(single, "somebody/Qwen3-4B-GGUF").tensors == ()


def test_only_floats_that_llama_quantize_made_have_a_smaller_output() -> None:
    model = catalogue().find("codegemma-2b")
    converted = published_bytes(model, "F16", recipe_of(model, "bartowski/codegemma-2b-GGUF"))
    quantized = published_bytes(model, "F16", recipe_of(model, "google/codegemma-2b-GGUF"))
    embedding = 256_000 * 2048
    assert converted - quantized == embedding * 2 - embedding * 210 // 256  # q6_K: 210 bytes for 256 weights
    assert published_bytes(model, "F32", recipe_of(model, "google/codegemma-2b-GGUF")) > 4 * model.parameters


@pytest.mark.parametrize(
    ("repository", "imatrix"),
    [
        ("bartowski/x-GGUF", True),
        ("mradermacher/Llama-3.1-8B-Instruct-i1-GGUF", True),
        ("somebody/Llama-3.1-8B-imatrix-GGUF", True),
        ("mradermacher/Llama-3.1-8B-Instruct-GGUF", None),
        ("Qwen/Qwen3-8B-GGUF", None),
        ("microsoft/phi-4-gguf", False),
        ("lmstudio-community/gemma-3-12b-it-GGUF", True),
        ("lmstudio-community/gemma-3-12B-it-qat-GGUF", None),
        (None, None),
    ],
)
def test_an_importance_matrix_is_told_by_publisher_or_name(repository: str | None, imatrix: bool | None) -> None:
    assert recipe_of(catalogue().find("llama-3.1-8b"), repository).imatrix is imatrix


def test_the_day_that_a_file_was_made_goes_before_the_day_of_release() -> None:
    model = catalogue().find("phi-3.5-mini")
    assert recipe_of(model).era.qkv_own_rule
    assert not recipe_of(model, made=date(2026, 5, 1)).era.qkv_own_rule
    assert recipe_of(catalogue().find("deepseek-r1-671b"), made=date(2025, 5, 1)).tensors == ()


@pytest.mark.parametrize(
    ("model_id", "repository", "own"),
    [
        ("qwen3.5-27b", "bartowski/x", True),
        ("qwen3-14b", "bartowski/x", False),
        ("qwen3-30b-a3b", "bartowski/x", True),
        ("gemma-3n-e2b", "unsloth/x", True),
        ("gemma-3-12b", "unsloth/x", False),
        ("qwen3.5-27b", "unsloth/x", True),
        ("llama-3.1-8b", "byteshape/x", True),
        ("qwen3.5-27b", "Qwen/x", False),
    ],
)
def test_whose_plain_names_stand_for_a_mix_of_their_own(model_id: str, repository: str, own: bool) -> None:
    assert (recipe_of(catalogue().find(model_id), repository).own is not None) == own


def test_the_band_covers_every_usual_publisher() -> None:
    model = catalogue().find("phi-4")
    today = published_bytes(model, "IQ4_XS", Recipe(Era()))
    low, high = band_of_publishers(model, "IQ4_XS")
    for repository in ("bartowski/phi-4-GGUF", "microsoft/phi-4-gguf", "unsloth/phi-4-GGUF"):
        assert low <= published_bytes(model, "IQ4_XS", recipe_of(model, repository)) / today - 1 <= high
    assert low < -0.03  # bartowski's, with an importance matrix and the rules of 2024


def test_the_band_is_narrow_where_all_make_the_same_file() -> None:
    assert band_of_publishers(catalogue().find("llama-3.1-8b"), "Q4_K_M") == pytest.approx((-0.001, 0.001))


def test_the_band_of_a_model_that_publishers_mix_themselves_is_wide() -> None:
    low, high = band_of_publishers(catalogue().find("qwen3.5-35b-a3b"), "Q4_K_M")
    # unsloth 22,016,023,168 and bartowski's up to 7 % more than the plain mix.
    assert low < -0.05
    assert high > 0.1


def test_a_published_size_goes_before_the_usual_ratio() -> None:
    """Unsloth's first dynamic files of R1 (January 2025) are far from what its later ones are."""
    model = catalogue().find("deepseek-r1-671b")
    file = model.quantized("UD-IQ1_S")
    assert file.file_bytes == 131_000_000_000
    assert file.weight_table.total_bytes == pytest.approx(131e9, rel=0.001)
    low, high = band_of_publishers(model, "UD-IQ1_S")
    assert -0.005 < low < 0 < high < 0.005
