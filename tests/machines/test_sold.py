"""Machines in the sizes they were sold in."""

import pytest

from advisor.errors import QuestionError
from advisor.machines.library import library
from advisor.machines.sold import all_sold, find_sold
from advisor.units import GIB


def test_every_size_is_a_machine_of_its_own() -> None:
    found = {sold.id: sold for sold in all_sold()}
    profile = library().get("m4-max-40")
    sizes = [size // GIB for size in profile.memory_options_bytes]
    assert [f"m4-max-40@{size}" in found for size in sizes] == [True] * len(sizes)
    assert found["m4-max-40@128"].memory_bytes == 128 * GIB
    assert found["m4-max-40@128"].name.endswith(", 128 GiB")
    assert found["m4-max-40@128"].machine.gpu_limit_bytes != found["m4-max-40@64"].machine.gpu_limit_bytes
    assert len({sold.id for sold in all_sold()}) == len(all_sold()) > len(library().ids)


@pytest.mark.parametrize(
    ("text", "id_", "gib"),
    [
        ("rtx-4090", "rtx-4090", 24),
        ("m2-8", "m2-8@8", 8),  # without a size: the smallest that was sold
        ("m4-max-40@128", "m4-max-40@128", 128),
        ("4x-rtx-3090", "4x-rtx-3090", 96),
        ("RTX 3090", "rtx-3090", 24),
    ],
)
def test_a_machine_is_found(text: str, id_: str, gib: int) -> None:
    sold = find_sold(text)
    assert (sold.id, sold.memory_bytes) == (id_, gib * GIB)


@pytest.mark.parametrize(
    ("text", "nominal", "room"),
    [
        ("rtx-6000-ada", 48, 46.8),  # a driver reports 2.5 % less
        ("m3-ultra-80@256", 256, 215.04),  # macOS lets the GPU take 84 %
        ("gb10-dgx-spark", 128, 121.69),  # MemTotal of one, which its profile has read
        ("gb10-dgx-spark@128", 128, 121.69),
        ("strix-halo-395@64", 64, 31.2),  # Linux lets the GPU take half of what it shows
        ("4x-rtx-3090", 96, 93.6),
    ],
)
def test_memory_as_sold_and_what_models_may_take_of_it(text: str, nominal: int, room: float) -> None:
    sold = find_sold(text)
    assert sold.memory_bytes == nominal * GIB
    assert sold.room_bytes is not None
    assert sold.room_bytes / GIB == pytest.approx(room, abs=0.01)


@pytest.mark.parametrize("text", ["rtx-4090x", "m4-max-40@much", "m4-max-40@-8", "m4-max-40@nan", "@", ""])
def test_what_names_none_is_said(text: str) -> None:
    with pytest.raises(QuestionError):
        find_sold(text)


def test_prices_are_of_all_cards_or_unknown() -> None:
    card = find_sold("rtx-3090").launch_price_usd
    assert card is not None
    assert find_sold("4x-rtx-3090").launch_price_usd == 4 * card
    assert find_sold("m4-max-40@128").launch_price_usd is None
    whole = find_sold("m4-10@16").launch_price
    assert whole is not None
    assert (whole.usd, whole.of, whole.date) == (599, "Mac mini", "2024-10")
    assert find_sold("m4-10@32").launch_price is None  # the price is of the one with 16 GiB
    assert find_sold("strix-halo-395@128").launch_price_usd == 1999  # of which the system shows 125 GiB
    assert find_sold("gb10-dgx-spark").launch_price_usd == 3999
    # What a card cost before its memory was changed is no price of the changed one.
    assert find_sold("rtx-4090-48gb-mod").launch_price_usd is None
