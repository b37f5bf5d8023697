from advisor.advice.file_choice import file_choices
from advisor.figures.quantizations import size_and_loss
from advisor.figures.style import ACCENT
from advisor.models.library import catalogue
from advisor.units import GIB


def figure():
    files = file_choices(catalogue().find("llama-3.1-8b"), "Q4_K_M")
    return files, size_and_loss(files, "Q4_K_M")


def test_every_file_has_a_bar_and_a_point_with_its_range():
    files, drawn = figure()
    bars, points = drawn["data"]
    assert bars["y"] == points["y"] == [file.quantization for file in reversed(files)]
    assert bars["x"] == [file.file_bytes / GIB for file in reversed(files)]
    for file, middle, above, below in zip(
        reversed(files), points["x"], points["error_x"]["array"], points["error_x"]["arrayminus"], strict=True
    ):
        assert middle == file.loss.kld
        assert middle + above == file.loss.kld_high
        assert abs(middle - below - file.loss.kld_low) < 1e-12


def test_only_the_chosen_file_has_the_accent():
    _, drawn = figure()
    colours = dict(zip(drawn["data"][0]["y"], drawn["data"][0]["marker"]["color"], strict=True))
    assert [name for name, colour in colours.items() if colour == ACCENT] == ["Q4_K_M"]


def test_a_file_without_a_loss_has_no_point():
    files = file_choices(catalogue().find("gpt-oss-20b"))
    points = dict(zip((file.quantization for file in reversed(files)), size_and_loss(files, None)["data"][1]["x"], strict=True))
    assert points["MXFP4_MOE"] is None
    assert points["Q4_K_M"] > 0
