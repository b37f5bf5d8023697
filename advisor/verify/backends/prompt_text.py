"""The texts that are given to models: a realistic one, and fillers of about any length that no cache has seen."""

import random
from functools import cache
from pathlib import Path

_WORDS_PER_TOKEN = 0.75
"""English words a token, roughly; the real count comes from the tokenizer or from the server."""


@cache
def realistic_prompt() -> str:
    """Notes of a page with a question at the end: what people paste into a chat. Our own text."""
    return Path(__file__).with_name("realistic_prompt.txt").read_text(encoding="utf-8")


def filler(tokens: int) -> str:
    """About as many tokens of common words in random order: a prompt whose beginning no server has cached."""
    words = sorted({word.strip(".,:?").lower() for word in realistic_prompt().split()})
    # Not a secret: it only has to differ from the prompt before.
    return " ".join(random.choice(words) for _ in range(max(1, round(tokens * _WORDS_PER_TOKEN))))  # noqa: S311
