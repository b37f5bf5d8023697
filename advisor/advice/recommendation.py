"""One recommendation in words: what to run, why, and why not the others. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.advice.options import Option
from advisor.advice.purposes import PURPOSES, Wishes
from advisor.advice.quality import Purpose, quantization_loss
from advisor.advice.ranking import Weighed, best_of_each
from advisor.machines.profile import MachineProfile
from advisor.units import GIB, format_number, format_size

MOST_ALTERNATIVES = 8
SMALL_MEMORY = 16 * GIB
"""Up to this, system memory runs out easily beside a browser, and the warning of swapping is given."""
EQUAL_POINTS = 1.0
"""Scores closer than this are called equal."""


@dataclass(frozen=True)
class Alternative:
    """Another model, in the file that suits it best, and why it is not the choice."""

    option: Option
    why_not: str
    lacking: float = 0.0


@dataclass(frozen=True)
class Recommendation:
    """What to run on a machine for a purpose."""

    choice: Option
    why: tuple[str, ...]
    advice: tuple[str, ...]
    """What to see to before and while it runs."""
    alternatives: tuple[Alternative, ...]
    sure: bool = True
    """False where nothing passes what the purpose asks, and this is only the nearest to it."""


def recommend(weighed: Sequence[Weighed], machine: MachineProfile, purpose: Purpose) -> Recommendation | None:
    """The first of `weighed` (`ranking.weighed_files`), with reasons; None where nothing runs at all."""
    models = best_of_each(weighed)
    if not models:
        return None
    choice, others = models[0], models[1:]
    alternatives = tuple(
        Alternative(other.option, why_not(other, choice, machine, purpose), other.lacking)
        for other in others[:MOST_ALTERNATIVES]
    )
    return Recommendation(
        choice.option, why(choice, models, purpose), to_see_to(choice.option, machine), alternatives, choice.advised
    )


def why(choice: Weighed, models: Sequence[Weighed], purpose: Purpose) -> tuple[str, ...]:
    """What speaks for the choice: its score, its memory, its speed, its file."""
    option, wishes = choice.option, PURPOSES[purpose]
    said = []
    if not choice.advised:
        said.append(_unsure(choice, wishes))
    if (score := _score_said(option, len(models), purpose)) is not None:
        said.append(score)
    said.append(f"{_on_several(option)}{option.verdict.reasons[0]}")
    if (speed := speed_said(choice, wishes)) is not None:
        said.append(speed)
    if (loss := loss_said(option)) is not None:
        said.append(loss)
    return tuple(said)


def _score_said(option: Option, models: int, purpose: Purpose) -> str | None:
    quality = option.quality
    if quality is None or quality.score is None:
        return None
    score = f"score {quality.score:.0f} ({quality.low:.0f} to {quality.high:.0f}; 50 is the mean of all), {quality.basis}."
    if models == 1:
        return f"For {purpose} it has {score}"
    return f"Of {models} models weighed here it is expected to answer best for {purpose} at a speed that suits it: {score}"


def _on_several(option: Option) -> str:
    """How many cards it lies on and what it takes of them together, before the one that has least left; else nothing."""
    cards = [pool.total_bytes for pool in option.plan.pools if pool.kind == "vram" and pool.total_bytes]
    return f"It lies on {len(cards)} GPUs, {format_size(sum(cards))} in all. " if len(cards) > 1 else ""


def _unsure(choice: Weighed, wishes: Wishes) -> str:
    if choice.option.verdict.verdict == "tight":
        return "Nothing fits here with a safe margin; this is the best of what fits only just."
    if choice.tps is not None and choice.tps < wishes.least_tps:
        return f"Nothing here reaches the {wishes.least_tps:g} tokens/s that this use asks for; this is the best of the slow."
    return "Nothing here has a published benchmark that we know of; this is the best by size and date."


def speed_said(one: Weighed, wishes: Wishes) -> str | None:
    """Its speed beside what the purpose wishes; None where nobody knows it."""
    speed = one.option.speed
    rate = speed.generate_tps if speed else None
    if speed is None or rate is None:
        return None
    between = f"{format_number(rate.low)} to {format_number(rate.high)}{speed.mark}"
    said = f"About {format_number(rate.expected)} tokens/s ({between})"
    enough = (
        "as fast as this use wishes" if rate.expected >= wishes.wished_tps else f"where {wishes.wished_tps:g} would be wished"
    )
    wait = speed.time_to_first_token_s
    tail = (
        ""
        if wait is None
        else f"; the first word comes about {format_number(wait.expected)} s after a prompt of {wishes.prompt_tokens:,} tokens"
    )
    return f"{said}, {enough}{tail}."


def loss_said(option: Option) -> str | None:
    """What its quantization loses, in words; None for the quantization that it was released in."""
    if option.quantization == option.model.native_quantization:
        return f"{option.quantization} is how it was released: nothing is lost."
    loss = quantization_loss(option.quantization, option.model.parameters)
    if loss is None or loss.kld == 0:
        return None
    more = (loss.perplexity_ratio - 1) * 100
    return (
        f"{option.quantization} ({format_size(option.file_bytes)}) raises perplexity by about {format_number(more)} % "
        f"({format_number((loss.perplexity_ratio_low - 1) * 100)} to {format_number((loss.perplexity_ratio_high - 1) * 100)})."
    )


def why_not(one: Weighed, choice: Weighed, machine: MachineProfile, purpose: Purpose) -> str:
    """Why `one` is not the choice, in a sentence."""
    return _barred(one, machine, PURPOSES[purpose]) or _outdone(one, choice)


def _barred(one: Weighed, machine: MachineProfile, wishes: Wishes) -> str | None:
    """Why it is not advised at all; None where it is."""
    option = one.option
    if option.verdict.verdict == "tight":
        return f"It only just fits. {option.verdict.reasons[0]}"
    if option.quality is None or option.quality.score is None:
        return "No published benchmark of it is known to us, so nothing measured speaks for it."
    if one.tps is not None and one.tps < wishes.least_tps:
        return (
            f"At {format_number(one.tps)} tokens/s it is slower than the {wishes.least_tps:g} that this use asks for at least."
        )
    if option.verdict.verdict == "partial" and machine.kind != "discrete":
        return "A part of it would run on the processor, from the same memory: slower, and nothing gained."
    return None


def _outdone(one: Weighed, choice: Weighed) -> str:
    """What the choice has that it lacks."""
    ours, best = one.option.quality, choice.option.quality
    assert ours is not None, "weighed options are rated"
    assert best is not None, "weighed options are rated"
    lead = best.expected - ours.expected
    if abs(lead) <= EQUAL_POINTS:
        return f"About as good, but {'slower' if one.lacking > choice.lacking else 'less sure'}: {_pace(one)}."
    if lead > 0:
        return f"Its answers are expected to be weaker: {ours.expected:.0f} against {best.expected:.0f}."
    if one.lacking > choice.lacking:
        return (
            f"It answers better ({ours.expected:.0f} against {best.expected:.0f}), but is too slow for this use: {_pace(one)}."
        )
    return f"Its score ({ours.expected:.0f}) is less sure: {ours.low:.0f} to {ours.high:.0f}."


def _pace(one: Weighed) -> str:
    speed = one.option.speed
    if speed is None or speed.generate_tps is None:
        return "its speed is not known"
    wait = speed.time_to_first_token_s
    tail = "" if wait is None else f", {format_number(wait.expected)} s until the first word"
    return f"{format_number(speed.generate_tps.expected)} tokens/s{tail}"


def to_see_to(option: Option, machine: MachineProfile) -> tuple[str, ...]:
    """What to do before and while it runs, where there is anything."""
    said = []
    if option.verdict.verdict == "tight" and machine.raise_gpu_limit and machine.raise_gpu_limit in option.verdict.reasons[0]:
        said.append(
            f"Before it, until the next restart: {machine.raise_gpu_limit}. It leaves less to the system, which can freeze "
            "when it has too little; close other programs first."
        )
    elif option.verdict.verdict == "tight":
        said.append("Memory is the limit: close other programs, browsers first, before it is loaded.")
    cores = machine.cpu.performance_cores
    if option.verdict.verdict == "partial" and cores:
        said.append(f"The processor computes a part: {cores} threads, one for each performance core, are fastest.")
    capacity = machine.memory.capacity_bytes
    if machine.kind != "discrete" and capacity is not None and capacity <= SMALL_MEMORY:
        said.append(
            "If the system begins to swap, stop the model: swapping makes it many times slower and can freeze the machine."
        )
    return tuple(said)
