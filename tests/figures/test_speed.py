"""The figure of speed against depth: its band holds its line, and its texts say the numbers."""

from advisor.figures.speed import key_of, speed_by_depth
from advisor.speed.forecast import Range, SpeedAtDepth
from advisor.words import speeds_text

POINTS = (
    SpeedAtDepth(0, Range(90.0, 100.0, 120.0), None),
    SpeedAtDepth(8192, Range(45.0, 50.0, 60.0), None),
)


def test_the_band_is_drawn_around_the_line() -> None:
    high, low, line = speed_by_depth(POINTS, 0)["data"]
    assert (high["y"], line["y"], low["y"]) == ([120.0, 60.0], [100.0, 50.0], [90.0, 45.0])
    assert low["fill"] == "tonexty"
    assert line["customdata"][1] == "50 tokens/s (45 to 60) at 8k"


def test_a_depth_that_was_asked_about_is_marked() -> None:
    assert speed_by_depth(POINTS, 0)["layout"]["shapes"] == []
    assert speed_by_depth(POINTS, 4096)["layout"]["shapes"][0]["x0"] == 4096


def test_the_colours_are_named() -> None:
    assert [name for name, _, _ in key_of()] == ["Expected", "80 % of cases"]


def test_the_text_says_what_the_line_shows() -> None:
    assert speeds_text(POINTS) == "Generation speed against tokens in the context: 100 tokens/s at 0, 50 tokens/s at 8k."
