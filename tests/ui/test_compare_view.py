"""Machines in a table's head."""

import pytest

from advisor.machines.sold import all_sold
from advisor.ui.compare_view import short_name


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA L40S", "L40S"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
        ("Intel Arc A770 16 GB", "Arc A770 16 GB"),
        ("Apple M3 Max 40-core GPU, 64 GiB", "Apple M3 Max 40-core GPU, 64 GiB"),
        ("4x RTX 3090, EPYC 7402P", "4x RTX 3090, EPYC 7402P"),
        ("Radeon", "Radeon"),
    ],
)
def test_makers_are_left_out(name, short):
    assert short_name(name) == short


def test_short_names_tell_all_machines_apart():
    names = {sold.name for sold in all_sold()}
    assert len({short_name(name) for name in names}) == len(names)
