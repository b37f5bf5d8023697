"""Quality against speed: every file that a machine runs, weighed for a purpose. Pure.

A file's worth is its expected quality, half of its uncertainty taken off, less what its speed lacks of what the purpose
wishes. Models without any published benchmark are listed and never advised: nothing measured speaks for them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, log2

from advisor.advice.options import USUAL, Calibrated, Candidate, Option, SettingsFor, hopeless, ladder, not_calibrated
from advisor.advice.purposes import POINTS_PER_HALVING, PURPOSES, Wishes
from advisor.advice.quality import Purpose, QualityKey, quality_key
from advisor.advice.verdict import judge
from advisor.machines.profile import MachineProfile
from advisor.memory.planner import plan_memory, plan_quantizations
from advisor.speed.forecast import Calibration, forecast

IN_PART = 12
"""Models at most that are tried with a part in system memory: each takes a tenth of a second."""


Offered = Callable[[Candidate], Sequence[str]]


@dataclass(frozen=True)
class Weighed:
    """One file on one machine, with what speaks for and against it."""

    option: Option
    worth: float
    """Points; None of it is shown, it only orders."""
    lacking: float
    """Points taken off for speed."""
    advised: bool
    """False for what would be named only if nothing else were there: tight, slow, or never measured."""

    @property
    def tps(self) -> float | None:
        """Expected tokens a second; None where nobody knows."""
        rate = self.option.speed.generate_tps if self.option.speed else None
        return rate.expected if rate else None


def weighed_files(
    models: Iterable[Candidate],
    machine: MachineProfile,
    settings_for: SettingsFor,
    purpose: Purpose,
    *,
    least_tps: float | None = None,
    offered: Offered = ladder,
    calibrated: Calibrated = not_calibrated,
) -> tuple[Weighed, ...]:
    """Every file of every model that `machine` holds whole, by worth; and of the larger models with measured scores those that
    run with a part in system memory, as far as they could be worth more. `least_tps` takes the place of the purpose's;
    `offered` names the quantizations that a model is looked at in, best first.
    """
    wishes = PURPOSES[purpose]
    if least_tps is not None:
        wishes = replace(wishes, least_tps=least_tps)
    whole: list[Option] = []
    too_large: list[Candidate] = []
    for model in models:
        found = _whole(model, offered(model), machine, settings_for)
        whole += found
        if not any(_is_usual(option) for option in found):
            too_large.append(model)
    weighed = weigh(whole, machine, wishes, purpose, calibrated)
    # On unified memory a part that the GPU does not take still lies in the same memory: nothing is gained by it.
    if machine.kind != "discrete":
        return weighed
    best = weighed[0].worth if weighed and weighed[0].advised else -inf
    larger = [(worth, model) for model in too_large if (worth := _cautious(quality_key(model, USUAL, purpose))) > best]
    larger.sort(key=lambda each: -each[0])
    measured = [model for _, model in larger if quality_key(model, USUAL, purpose).score is not None]
    reachable = [model for model in measured if not hopeless(model, offered(model)[-1], machine, with_host=True)]
    in_part = [option for model in reachable[:IN_PART] if (option := _in_part(model, offered(model), machine, settings_for))]
    return tuple(sorted((*weighed, *weigh(in_part, machine, wishes, purpose, calibrated)), key=_by_worth))


def _whole(model: Candidate, names: Sequence[str], machine: MachineProfile, settings_for: SettingsFor) -> list[Option]:
    names = [name for name in names if not hopeless(model, name, machine)]
    if not names:
        return []
    files = [model.quantized(name) for name in names]
    settings = settings_for(files[0]).model_copy(update={"gpu_layers": "all" if machine.gpus else 0})
    found = []
    for file, plan in zip(files, plan_quantizations(files, machine, settings), strict=True):
        verdict = judge(plan, machine)
        if verdict.verdict in ("fits", "tight"):
            found.append(Option(model, file.quantization or "", file.file_bytes, plan, verdict))
    return found


def _is_usual(option: Option) -> bool:
    """True for a file of four bits or more that has its margin: then there is no need to leave anything on the host."""
    return option.verdict.verdict == "fits" and not option.strongly_compressed


def _in_part(model: Candidate, names: Sequence[str], machine: MachineProfile, settings_for: SettingsFor) -> Option | None:
    """The model in the best of the usual files and smaller that GPUs and system memory hold together, with their margins."""
    for name in names[names.index(USUAL) if USUAL in names else 0 :]:
        if hopeless(model, name, machine, with_host=True):
            continue
        file = model.quantized(name)
        plan = plan_memory(file, machine, settings_for(file))
        verdict = judge(plan, machine)
        if verdict.verdict == "partial" and not verdict.tight:
            return Option(model, name, file.file_bytes, plan, verdict)
    return None


def weigh(
    options: Iterable[Option],
    machine: MachineProfile,
    wishes: Wishes,
    purpose: Purpose,
    calibrated: Calibrated = not_calibrated,
) -> tuple[Weighed, ...]:
    """The options by worth, best first, those that are advised before all others."""
    found = [_weighed(option, machine, wishes, purpose, calibrated(option.plan)) for option in options]
    return tuple(sorted(found, key=_by_worth))


def _by_worth(one: Weighed) -> tuple[bool, float, str, str]:
    """Ties fall by name, so that the same question gets the same answer."""
    return not one.advised, -one.worth, one.option.model.name, one.option.quantization


def _weighed(
    option: Option, machine: MachineProfile, wishes: Wishes, purpose: Purpose, calibration: Calibration | None
) -> Weighed:
    key = quality_key(option.model, option.quantization, purpose)
    file = option.model.quantized(option.quantization)
    speed = forecast(file, option.plan, machine, prompt_tokens=wishes.prompt_tokens, calibration=calibration)
    rated = replace(option, quality=key, speed=speed)
    lacking, fast_enough = 0.0, True
    if speed is not None and speed.generate_tps is not None:
        lacking += _points(wishes.wished_tps / speed.generate_tps.expected)
        fast_enough = speed.generate_tps.expected >= wishes.least_tps
    if speed is not None and speed.time_to_first_token_s is not None:
        lacking += _points(speed.time_to_first_token_s.expected / wishes.patience_s)
    safe = option.verdict.verdict == "fits" or (option.verdict.verdict == "partial" and machine.kind == "discrete")
    advised = safe and not option.verdict.tight and fast_enough and key.score is not None
    return Weighed(rated, _cautious(key) - lacking, lacking, advised)


def _points(times: float) -> float:
    """What being so many times slower than wished takes off; nothing where it is not slower."""
    return POINTS_PER_HALVING * log2(times) if times > 1 else 0.0


def _cautious(key: QualityKey) -> float:
    return (key.expected + key.low) / 2


def best_of_each(weighed: Sequence[Weighed]) -> tuple[Weighed, ...]:
    """The first entry of each model, in the same order: the file of it that suits the purpose best."""
    first: dict[str, Weighed] = {}
    for one in weighed:
        first.setdefault(one.option.model.id, one)
    return tuple(first.values())
