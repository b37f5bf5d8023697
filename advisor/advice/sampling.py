"""Sampling that a model's publisher recommends. Pure look-ups in `data/sampling.toml`, where each value has its source."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from advisor.advice.commands.launch import Sampling


def recommended_sampling(model_id: str) -> Sampling:
    """What the card of a catalogue model recommends; nothing where no card was read, so that programs keep their defaults."""
    starts: Mapping[str, Mapping[str, Any]] = _table()["starts"]
    fitting = max((start for start in starts if model_id.startswith(start)), key=len, default=None)
    if fitting is None:
        return Sampling()
    return Sampling(**{name: value for name, value in starts[fitting].items() if name != "source"})


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("advisor.advice").joinpath("data", "sampling.toml").read_text("utf-8"))
