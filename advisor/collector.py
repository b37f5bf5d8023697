"""Python's cycle collector, set for what this program does."""

import gc


def collect_less_often() -> None:
    """Plans are made of very many small objects without cycles; looking for cycles as often as usual takes half of the time."""
    gc.set_threshold(100_000, 5, 1000)
