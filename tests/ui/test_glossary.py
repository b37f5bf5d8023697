"""The words for beginners: short, and their numbers are those of our own data."""

import re

import pytest

from advisor.machines.library import library
from advisor.ui.glossary import QUESTIONS, WORDS
from advisor.units import gib


def bandwidths(maker):
    folder = [library().get(id_) for id_ in library().ids]
    found = [gpu for machine in folder if machine.kind != "cpu" for gpu in machine.gpus if gpu.name.startswith(maker)]
    return [gpu.bandwidth_gb_s for gpu in found if gpu.bandwidth_gb_s]


@pytest.mark.parametrize("text", [*WORDS.values(), *QUESTIONS.values()])
def test_an_answer_is_read_in_seconds(text):
    assert 10 <= len(text.split()) <= 85
    assert text.endswith((".", "."))


def test_bandwidths_are_those_of_the_profiles():
    card, mac = re.findall(r"at (\d+) to ([\d,]+)", QUESTIONS["GPU or CPU?"])[:2]
    low, high = (float(number.replace(",", "")) for number in card)
    rtx = [
        rate for maker in ("NVIDIA GeForce RTX 3", "NVIDIA GeForce RTX 4", "NVIDIA GeForce RTX 5") for rate in bandwidths(maker)
    ]
    assert low == pytest.approx(min(rtx), rel=0.05)
    assert high == pytest.approx(max(rtx), rel=0.05)
    low, high = (float(number.replace(",", "")) for number in mac)
    assert low == pytest.approx(min(bandwidths("Apple")), rel=0.05)
    assert high == pytest.approx(max(bandwidths("Apple")), rel=0.05)


def test_sizes_are_billions_of_weights_times_bits():
    said = re.search(
        r"At ([\d.]+) bits a weight, 7B take about (\d+) GiB and 13B about ([\d.]+) GiB",
        QUESTIONS["Why does a 13B need more than a 7B?"],
    )
    bits, seven, thirteen = map(float, said.groups())
    assert seven == pytest.approx(gib(int(7e9 * bits / 8)), abs=0.1)
    assert thirteen == pytest.approx(gib(int(13e9 * bits / 8)), abs=0.1)
