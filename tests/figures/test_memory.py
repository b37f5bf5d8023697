import plotly.graph_objects
import pytest

from advisor.estimate import curves_for, estimate
from advisor.figures.memory import key_of, memory_by_context, pool_name, stacked_memory, stacks_side_by_side
from advisor.machines.resolve import resolve_machine
from advisor.question import Question
from advisor.units import GIB

LLAMA = {"model": "llama-3.1-8b", "quant": "Q4_K_M", "context": 8192}


def plan(**fields):
    return estimate(Question.parse(LLAMA | fields)).plan


def curves(**fields):
    question = Question.parse(LLAMA | fields)
    machine, _ = resolve_machine(**question.machine_fields())
    return curves_for(question, estimate(question).model, machine)


@pytest.mark.parametrize(
    "machine",
    [{"machine": "rtx-4090", "ram_gib": 64}, {"machine": "rtx-4090", "gpus": 2}, {"machine": "m2-8", "memory_gib": 16}, {}],
)
def test_a_bar_is_as_long_as_what_its_memory_holds(machine):
    """Also on a Mac, where pages that both sides have mapped count once."""
    laid_out = plan(**machine)
    bars = stacked_memory(laid_out)["data"]
    for row, pool in enumerate(reversed(laid_out.pools)):
        length = sum(bar["x"][row] for bar in bars)
        assert length == pytest.approx((pool.total_bytes + (pool.in_use_bytes or 0)) / GIB)


@pytest.mark.parametrize("machine", [{"machine": "rtx-4090", "ram_gib": 64}, {"machine": "m2-8", "memory_gib": 16}, {}])
def test_two_settings_stand_one_under_the_other_on_the_same_line(machine):
    a, b = plan(**machine), plan(**machine, context=32768)
    figure = stacks_side_by_side(a, b)
    names = [note["text"].partition("</b>")[0].removeprefix("<b>") for note in reversed(figure["layout"]["annotations"])]
    assert [name[:4] for name in names] == ["A · ", "B · "] * len(a.pools)
    assert [name[4:] for name in names[::2]] == [pool_name(a, pool) for pool in a.pools]
    pairs = [laid_out.pools[index] for index in range(len(a.pools)) for laid_out in (a, b)]
    for row, pool in enumerate(reversed(pairs)):
        length = sum(bar["x"][row] for bar in figure["data"])
        assert length == pytest.approx((pool.total_bytes + (pool.in_use_bytes or 0)) / GIB)
    solid = [line["x0"] for line in figure["layout"]["shapes"] if line["type"] == "line" and line["line"]["dash"] == "solid"]
    assert solid == [pytest.approx(pool.capacity_bytes / GIB) for pool in reversed(pairs) if pool.capacity_bytes]
    plotly.graph_objects.Figure(figure)


def test_two_equal_cards_are_two_bars():
    laid_out = plan(machine="rtx-4090", gpus=2)
    figure = stacked_memory(laid_out)
    assert figure["data"][0]["y"] == [0, 1, 2]
    assert [pool_name(laid_out, pool) for pool in laid_out.pools] == ["GPU 1: RTX 4090", "GPU 2: RTX 4090", "System memory"]


def test_capacity_and_the_gpus_limit_are_marked_where_they_are():
    laid_out = plan(machine="m2-8", memory_gib=16)
    figure = stacked_memory(laid_out)
    lines = [shape for shape in figure["layout"]["shapes"] if shape["type"] == "line"]
    assert [line["x0"] for line in lines] == [16.0, pytest.approx(laid_out.pools[0].gpu_limit_bytes / GIB)]
    assert key_of(figure)[-1][0] == "Most that the GPU may take (dotted)"


def test_without_a_machine_nothing_is_marked():
    figure = stacked_memory(plan())
    assert figure["layout"]["shapes"] == []
    assert "Capacity" not in [name for name, _, _ in key_of(figure)]


def test_the_axis_holds_what_does_not_fit():
    laid_out = plan(machine="m2-8", memory_gib=8, model="llama-3.3-70b")
    figure = stacked_memory(laid_out)
    assert figure["layout"]["xaxis"]["range"][1] > laid_out.pools[0].total_bytes / GIB > 8


def test_names_in_a_figure_are_escaped():
    laid_out = plan(machine="rtx-4090")
    evil = type(laid_out.devices[0])(
        **{name: getattr(laid_out.devices[0], name) for name in laid_out.devices[0].__slots__} | {"name": "<img src=x>"}
    )
    figure = stacked_memory(type(laid_out)((evil, *laid_out.devices[1:]), laid_out.pools, laid_out.settings, "formula", ()))
    assert "&lt;img" in str(figure["layout"]["annotations"])
    assert "<img" not in str(figure["layout"]["annotations"])


def test_each_quantization_has_a_line_and_a_dot_where_it_ends_to_fit():
    found = curves(machine="rtx-3060-12gb", gpu_layers="all")
    figure = memory_by_context(found.curves, found.limit_bytes, 8192)
    dots = {trace["legendgroup"]: trace for trace in figure["data"] if trace["mode"] == "markers"}
    lines = {trace["legendgroup"]: trace for trace in figure["data"] if trace["mode"] == "lines"}
    assert set(lines) == {"Q4_K_M", "Q8_0", "Q6_K", "Q2_K"}
    for curve in found.curves:
        assert dots[curve.name]["x"] == [curve.longest]
        assert dots[curve.name]["y"][0] * GIB <= found.usable_bytes
        after = [total for context, total in zip(curve.contexts, curve.total_bytes, strict=True) if context > curve.longest]
        assert not after or after[0] > found.usable_bytes


def test_the_asked_quantization_has_the_thickest_line_and_the_legend_goes_from_large_to_small():
    found = curves(machine="rtx-4090")
    figure = memory_by_context(found.curves, found.limit_bytes, 8192)
    width = {trace["legendgroup"]: trace["line"]["width"] for trace in figure["data"] if trace["mode"] == "lines"}
    assert max(width, key=width.get) == "Q4_K_M"
    *lines, (limit, _, kind) = key_of(figure)
    assert [name.partition(":")[0] for name, _, _ in lines] == ["Q8_0", "Q6_K", "Q4_K_M", "Q2_K"]
    assert (limit, kind) == ("23.4 GiB can be used (dashed)", "line")


def test_the_asked_quantization_lies_over_others_that_are_as_large():
    """The experts of gpt-oss stay as they were released, so its files are nearly of one size."""
    found = curves(machine="4x-rtx-3090", model="gpt-oss-120b", quant="MXFP4_MOE")
    lines = [trace for trace in memory_by_context(found.curves, found.limit_bytes, 8192)["data"] if trace["mode"] == "lines"]
    assert max(lines, key=lambda trace: trace["zorder"])["legendgroup"] == "MXFP4_MOE"
    assert sum(trace["zorder"] for trace in lines) == 1


def test_what_does_not_fit_has_no_dot_and_says_so():
    found = curves(machine="m2-8", memory_gib=8, model="llama-3.3-70b")
    figure = memory_by_context(found.curves, found.limit_bytes, 8192)
    assert all(trace["mode"] == "lines" for trace in figure["data"])
    assert {name.partition(": ")[2] for name, _, kind in key_of(figure) if kind == "area"} == {"does not fit"}


def test_the_asked_quantization_is_always_in_sight():
    found = curves(machine="m2-8", memory_gib=8, model="llama-3.3-70b")
    figure = memory_by_context(found.curves, found.limit_bytes, 8192)
    assert figure["layout"]["yaxis"]["range"][1] * GIB > min(found.curves[0].total_bytes)


def test_gb_counts_in_powers_of_ten():
    laid_out = plan(machine="rtx-4090")
    gib, gb = stacked_memory(laid_out), stacked_memory(laid_out, "GB")
    assert gb["data"][0]["x"][1] / gib["data"][0]["x"][1] == pytest.approx(2**30 / 10**9)
    assert gb["layout"]["xaxis"]["ticksuffix"] == " GB"
