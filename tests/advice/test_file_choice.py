"""A model's usual files beside each other, and what is said of them."""

from advisor.advice.file_choice import USUAL_FILES, file_choices
from advisor.advice.quality import quantization_loss
from advisor.models.library import catalogue
from advisor.quality_words import files_text, loss_range, loss_sentence, size_band


def test_files_are_listed_largest_first_and_lose_more_as_they_shrink() -> None:
    files = file_choices(catalogue().find("llama-3.1-8b"))
    assert [file.quantization for file in files] == list(USUAL_FILES)
    assert [file.file_bytes for file in files] == sorted((file.file_bytes for file in files), reverse=True)
    losses = [file.loss.kld for file in files if file.loss]
    assert losses == sorted(losses)
    # bartowski/Meta-Llama-3.1-8B-Instruct-GGUF: 4,920,739,232 bytes
    assert abs(next(file.file_bytes for file in files if file.quantization == "Q4_K_M") - 4_920_739_232) < 10_000


def test_the_chosen_file_is_among_them_and_the_native_one_loses_nothing() -> None:
    files = {file.quantization: file for file in file_choices(catalogue().find("gpt-oss-20b"), "Q5_0")}
    assert files["MXFP4_MOE"].loss is None
    assert files["Q5_0"].loss is not None
    assert files["Q5_0"].loss.kld > 0


def test_sentences() -> None:
    loss = quantization_loss("Q4_K_M", 8_030_261_248)
    said = loss_sentence("Q4_K_M", loss)
    assert said.startswith("Expected of Q4_K_M against 16 bits: KLD 0.014 (0.0066 to 0.031), perplexity +1.4 %")
    assert "measured on 8 models" in said
    assert loss_sentence("MXFP4_MOE", None) == "MXFP4_MOE is what the model was released in: it loses nothing."
    assert loss_sentence("BF16", quantization_loss("BF16", 10**9)) == "BF16 is the model at 16 bits: it loses nothing."
    assert loss_range(None) == "no loss"
    assert size_band("Q4_K_M", (-0.001, 0.001)) == "Published Q4_K_M files all have this size."
    assert "10.7 % smaller to 17.3 % larger" in size_band("Q4_K_M", (-0.107, 0.173))


def test_the_figure_in_words_names_every_file() -> None:
    files = file_choices(catalogue().find("llama-3.1-8b"))
    said = files_text(files, "Q4_K_M")
    assert all(f"{name}" in said for name in USUAL_FILES)
    assert "Q4_K_M (chosen): 4.58 GiB" in said
