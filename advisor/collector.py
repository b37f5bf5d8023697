"""Python's cycle collector, set for what this program does."""

import gc


def collect_less_often() -> None:
    """Plans are made of very many small objects without cycles; looking for cycles as often as usual takes half of the time."""
    gc.set_threshold(100_000, 5, 1000)


def collect_rarely() -> None:
    """As `collect_less_often`, for a process that answers questions one after the other and keeps nothing of a visitor.

    What is loaded by now is never looked at again. A tenth faster; the memory of 1,000 questions is the same.
    """
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 1000)
