"""The figure of errors: every number stands where its error is, in its architecture's row and its backend's lane."""

import json

import pytest

from advisor.accuracy.compare import Difference
from advisor.accuracy.published import Comparison, PublishedCase, Row, published
from advisor.figures.accuracy import COLOURS, errors_by_architecture, key_of, position


def row(error, architecture="llama", backend="cuda", model="m"):
    case = PublishedCase(
        "c",
        model,
        "Q8_0",
        4096,
        architecture,
        backend,
        "b9010",
        None,
        "a/b",
        None,
        {"formula": Comparison("b9010", False, (), {})},
    )
    return Row(case, Difference("CUDA0", "gpu", "total", 1e9, 1e9 * (1 + error), 0.0))


def points(figure, backend):
    trace = next(trace for trace in figure["data"] if trace["name"] == backend)
    return list(zip(trace["x"], trace["y"], trace["customdata"], trace["marker"]["size"], strict=True))


def test_the_axis_is_the_same_to_both_sides_and_grows_with_the_error():
    errors = [0.0, 0.0001, 0.001, 0.01, 0.1, 1.0]
    assert position(0.0) == 0.0
    assert [position(-error) for error in errors[1:]] == [-position(error) for error in errors[1:]]
    assert [position(error) for error in errors] == sorted(position(error) for error in errors)
    # a step of ten is as wide anywhere, far from 0
    assert position(1.0) - position(0.1) == pytest.approx(position(10.0) - position(1.0), abs=0.01)


def test_a_dot_stands_at_its_error_in_the_lane_of_its_backend():
    figure = errors_by_architecture([row(0.05), row(-0.02, backend="metal"), row(0.0, "gemma3")])
    [(x, _, said, _)] = points(figure, "Metal")
    assert x == pytest.approx(position(-0.02), abs=1e-4)
    assert "\N{MINUS SIGN}2.00 %" in said
    lanes = {y for trace in figure["data"] for y in trace["y"]}
    assert len(lanes) == 3
    low, high = figure["layout"]["yaxis"]["range"]
    assert all(low < lane < high for lane in lanes)
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["llama  2", "gemma3  1"]


def test_equal_errors_are_one_larger_dot_that_names_the_first_and_counts_the_others():
    figure = errors_by_architecture([row(0.0, model=f"m{index}") for index in range(5)] + [row(0.5)])
    small, large = sorted(points(figure, "CUDA"), key=lambda point: point[3])
    assert small[3] < large[3]
    assert large[0] == 0.0
    assert "and 2 more" in large[2]
    assert large[2].count("exact") == 3


def test_every_number_that_ships_is_inside_the_axes():
    rows = published().rows("compute")
    figure = errors_by_architecture(rows)
    low, high = figure["layout"]["xaxis"]["range"]
    xs = [x for trace in figure["data"] for x in trace["x"]]
    assert min(xs) > low
    assert max(xs) < high
    assert {"+100 %", "0", "\N{MINUS SIGN}10 %"} <= set(figure["layout"]["xaxis"]["ticktext"])
    json.dumps(figure, allow_nan=False)


def test_what_no_log_printed_is_drawn_at_the_end_of_the_axis():
    lone = row(0.0)
    figure = errors_by_architecture([Row(lone.case, Difference("CUDA0", "gpu", "total", 0.0, 1e9, 0.0)), lone])
    json.dumps(figure, allow_nan=False)
    assert "not printed" in str(figure["data"])


def test_names_of_models_cannot_bring_markup():
    figure = errors_by_architecture([row(0.1, model="<b>x</b>")])
    assert "<b>" not in str(figure["data"])


def test_the_legend_names_each_backend_once():
    entries = key_of([row(0.1), row(0.2), row(0.1, backend="metal")])
    assert [(name, colour) for name, colour, _ in entries] == [("CUDA", COLOURS["cuda"]), ("Metal", COLOURS["metal"])]


def test_every_backend_that_ships_has_a_colour():
    assert set(published().backends) <= set(COLOURS)
    assert len(set(COLOURS.values())) == len(COLOURS)
