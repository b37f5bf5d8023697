"""Quality against speed: which dots have their names beside them."""

from math import log10

import pytest

from advisor.figures.tradeoff import Point, tradeoff
from advisor.machines.resolve import resolve_machine
from advisor.question import RecommendQuestion
from advisor.recommend import recommend_for

WIDTH, HEIGHT, LETTER = 560, 324, 6.0


@pytest.fixture(scope="module", params=["m1-7", "4x-rtx-3090"])
def shown(request):
    machine, assumptions = resolve_machine(machine=request.param)
    result = recommend_for(RecommendQuestion(), machine, assumptions)
    choice = result.recommendation.choice.model
    first = {one.option.model.id: one for one in reversed(result.weighed)}
    points = [Point(one, "") for one in first.values()]
    return choice, tradeoff(points, choice.id, wished_tps=20, least_tps=8)


def names(figure):
    return [note for note in figure["layout"]["annotations"] if note["text"] not in ("wished", "least")]


def placed(figure, x, y):
    (left, right), (low, high) = (figure["layout"][axis]["range"] for axis in ("xaxis", "yaxis"))
    return WIDTH * (x - left) / (right - left), HEIGHT * (y - low) / (high - low)


def test_the_chosen_model_is_named_and_some_others(shown):
    choice, figure = shown
    found = [note["text"] for note in names(figure)]
    assert found[0] == choice.name
    assert 1 < len(found) <= 4


def test_no_other_name_lies_on_a_dot(shown):
    _, figure = shown
    dots = [placed(figure, log10(x), y) for trace in figure["data"] for x, y in zip(trace["x"], trace["y"], strict=True)]
    for note in names(figure)[1:]:
        x, y = placed(figure, note["x"], note["y"])
        y += note["yshift"]
        half = len(note["text"]) * LETTER / 2
        assert not [dot for dot in dots if abs(dot[0] - x) < half and abs(dot[1] - y) < 7]


def test_every_dot_is_inside_the_axes(shown):
    _, figure = shown
    low, high = figure["layout"]["yaxis"]["range"]
    assert all(low < score < high for trace in figure["data"] for score in trace["y"])
