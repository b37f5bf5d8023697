"""What people use a model for, and what they wish of it: context, prompt length, speed. Rules of ours, each with its reason."""

from dataclasses import dataclass

from advisor.advice.quality import Purpose


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a purpose asks of a run."""

    context: int
    """Tokens kept in view."""
    prompt_tokens: int
    """Tokens of a usual prompt, for the time until the first word."""
    wished_tps: float
    """Tokens a second that leave nothing to wish for; below it, speed weighs against quality."""
    least_tps: float
    """Below this nobody is advised to use it while something faster is there."""
    patience_s: float
    """Time until the first word that leaves nothing to wish for; beyond it, waiting weighs like slowness."""


PURPOSES: dict[Purpose, Wishes] = {
    # Read while it is written. People read about 5 tokens a second (Brysbaert 2019: 238 words a minute, about 0.75 words a
    # token); somewhat more is the least, and with 20 to 29 tokens a second many are content in a public poll.
    "chat": Wishes(8192, 512, 20.0, 8.0, 5.0),
    # Several files in view; the answer is skimmed and run, not read word by word.
    "code": Wishes(32768, 4096, 30.0, 10.0, 10.0),
    # Thousands of tokens of thought come before the first word of the answer.
    "reasoning": Wishes(32768, 512, 40.0, 12.0, 5.0),
    # A long text goes in, a short one comes out: reading it decides.
    "documents": Wishes(32768, 16384, 15.0, 6.0, 30.0),
    # Many calls in a row, each with the tools' answers as its prompt. 40 and more is what most people ask for in that poll.
    "agents": Wishes(65536, 8192, 40.0, 12.0, 15.0),
}

POINTS_PER_HALVING = 4.0
"""Points of quality (10 are one standard deviation among the models with scores) that half of the wished speed, or twice the
patience, is worth.

A rule of ours: four points are about what one generation, or three times the weights, brings (`model_quality.toml`)."""
