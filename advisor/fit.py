"""What can this machine run? One question in, ranked options out; the landing page and `advisor fit` show them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from advisor.advice.options import Option, SettingsFor, best_in_part, best_whole, ranked, with_speed
from advisor.advice.purposes import PURPOSES
from advisor.advice.quality import QualityKey
from advisor.advice.ranking import weigh
from advisor.calibrated import best_calibrations
from advisor.estimate import SCHEMA, device_json, model_json, pool_json, speed_json
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import DETECTED, resolve_machine
from advisor.memory.presets import resolve as resolve_settings
from advisor.memory.settings import RunSettings
from advisor.models.library import catalogue
from advisor.models.metadata import ModelMetadata
from advisor.question import FitQuestion
from advisor.words import VERDICTS, called, headline, missing_bytes


@dataclass(frozen=True)
class Fit:
    """All models of the catalogue on one machine, best first."""

    machine: MachineProfile
    options: tuple[Option, ...]
    assumptions: tuple[str, ...]
    complete: bool = True
    """False where models that do not fit whole have not been laid out in part."""
    question: FitQuestion = field(default_factory=FitQuestion)

    @property
    def headline(self) -> str:
        """The answer in a sentence."""
        if not self.options and self.question.min_tps:
            return f"No model is expected to write {self.question.min_tps:g} tokens/s on {called(self.machine)}"
        return headline(self.machine, self.options)

    @cached_property
    def by_advice(self) -> tuple[Option, ...]:
        """The options in the order of `recommend`, which weighs speed too: the better verdict first, and in each what is worth
        more. Of what does not run, that which lacks least comes first."""
        least = self.question.min_tps
        wishes = PURPOSES[self.question.purpose]
        wishes = wishes if least is None else replace(wishes, least_tps=least)
        runs = [option for option in self.options if option.verdict.verdict != "no"]
        weighed = weigh(runs, self.machine, wishes, self.question.purpose, best_calibrations(self.machine))
        place = {one.option.model.id: index for index, one in enumerate(weighed)}
        words = tuple(VERDICTS)

        def key(option: Option) -> tuple[int, int]:
            last = missing_bytes(option.plan) if option.verdict.verdict == "no" else place[option.model.id]
            return words.index(option.verdict.verdict), last

        return tuple(sorted(self.options, key=key))

    def asked(self, question: FitQuestion) -> "Fit":
        """The same for another purpose and least speed: nothing is laid out anew. Only for a fit without a least speed."""
        least = question.min_tps
        options = self.options if least is None else [option for option in self.options if _fast_enough(option, least)]
        return replace(self, options=ranked(options, question.purpose), question=question)

    def to_json(self) -> dict[str, Any]:
        """The answer of `advisor fit --json`, schema 1."""
        return {
            "schema": SCHEMA,
            "machine": {"id": self.machine.id, "name": self.machine.name},
            "context": self.question.context,
            "purpose": self.question.purpose,
            "options": [option_json(option) for option in self.options],
            "assumptions": list(self.assumptions),
        }


def fit_machine(question: FitQuestion) -> Fit:
    """What the machine of `question` can run; this machine where it names none. Raises QuestionError with one sentence."""
    machine, assumptions = resolve_machine(**question.machine_fields())
    if machine is None:
        machine, assumptions = resolve_machine(**{**question.machine_fields(), "machine": DETECTED})
    assert machine is not None
    return fit_for(question, machine, assumptions)


def fit_for(question: FitQuestion, machine: MachineProfile, assumptions: tuple[str, ...] = (), *, in_part: bool = True) -> Fit:
    """As `fit_machine`, for a machine that is already at hand.

    Laying a model out with part of it in system memory takes many times longer than whole, so a page asks without `in_part`
    first: models that do not fit whole are then "no".
    """
    options = laid_out_whole(question, machine)
    if in_part:
        settings_for = _settings_for(question, machine)
        options = [best_in_part(option, machine, settings_for) for option in options]
    calibrated = best_calibrations(machine)
    every = tuple(with_speed(option, machine, calibrated) for option in options)
    return Fit(machine, every, assumptions, complete=in_part or not machine.gpus).asked(question)


def laid_out_whole(question: FitQuestion, machine: MachineProfile) -> list[Option]:
    """Each model of the catalogue in its best file that fits whole, without its speed: most of the work of a `Fit`."""
    settings_for = _settings_for(question, machine)
    return [best_whole(model, machine, settings_for) for model in catalogue().models if model.generates]


def _settings_for(question: FitQuestion, machine: MachineProfile) -> SettingsFor:
    overrides = {} if question.context is None else {"context": question.context}

    def settings_for(model: ModelMetadata) -> RunSettings:
        return resolve_settings(overrides, model, has_gpu=bool(machine.gpus), machine=machine)

    return settings_for


def led_by(choice: Option, options: Sequence[Option]) -> tuple[Option, ...]:
    """`options` with the one that is advised first, in the file and with the settings that are advised."""
    return (choice, *(option for option in options if option.model.id != choice.model.id))


def _fast_enough(option: Option, least: float) -> bool:
    """True where the forecast reaches the least speed; a speed that nobody knows does not count as reached."""
    return option.speed is not None and option.speed.generate_tps is not None and option.speed.generate_tps.expected >= least


def option_json(option: Option) -> dict[str, Any]:
    """One option, as `fit` and `recommend` answer it."""
    metadata = option.model.quantized(option.quantization)
    return {
        "rank": option.rank,
        "model": model_json(metadata),
        "quantization": option.quantization,
        "settings": option.plan.settings.model_dump(mode="json"),
        "devices": [device_json(device) for device in option.plan.devices],
        "pools": [pool_json(pool) for pool in option.plan.pools],
        "verdict": option.verdict.verdict,
        "reasons": list(option.verdict.reasons),
        "speed": speed_json(option.speed),
        "quality": quality_json(option.quality),
    }


def quality_json(quality: QualityKey | None) -> dict[str, Any]:
    """The `quality` part of an option: numbers only where benchmarks of the model are known; the basis says what decides."""
    if quality is None or quality.score is None:
        return {"score": None, "low": None, "high": None, "basis": quality and quality.basis}
    numbers = {"score": quality.score, "low": quality.low, "high": quality.high}
    return {**{name: round(value, 1) for name, value in numbers.items()}, "basis": quality.basis}
