"""What should I run? One recommendation for a machine and a purpose, with the commands that run it: `recommend`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from advisor.advice.changes import Change, changes
from advisor.advice.commands import Command, Files, commands_for, launch_of
from advisor.advice.options import LADDER, Candidate, Option, SettingsFor, ladder
from advisor.advice.purposes import PURPOSES
from advisor.advice.ranking import Weighed, weighed_files
from advisor.advice.recommendation import Recommendation
from advisor.advice.recommendation import recommend as recommended
from advisor.advice.sampling import recommended_sampling
from advisor.advice.verdict import judge
from advisor.calibrated import best_calibrations
from advisor.estimate import SCHEMA
from advisor.fit import option_json
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import DETECTED, resolve_machine
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve as resolve_settings
from advisor.memory.settings import RunSettings
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import default_quantization, resolve_model
from advisor.question import RecommendQuestion
from advisor.recommend_others import other_commands

WITH_ALL_FILES = ("unsloth", "bartowski", "lmstudio-community", "mradermacher")
"""Publishers of GGUF files in all usual quantizations, the best known first; others have one or two files of a model."""
AS_RELEASED = ("ggml-org",)
"""Where a model that was released quantized is kept as it was released."""


@dataclass(frozen=True)
class Recommended:
    """The recommendation and what runs it; or what would have to change where the model that was asked for does not fit."""

    machine: MachineProfile
    question: RecommendQuestion
    recommendation: Recommendation | None
    commands: dict[str, Command]
    refused: Option | None
    """The model that was asked for, laid out as far as it goes, where no file of it runs."""
    changes: tuple[Change, ...]
    weighed: tuple[Weighed, ...]
    """Every file that runs, best first: the whole trade-off."""
    assumptions: tuple[str, ...]

    @property
    def least_tps(self) -> float:
        """Tokens a second below which nothing is advised."""
        return self.question.min_tps or PURPOSES[self.question.purpose].least_tps

    def to_json(self) -> dict[str, Any]:
        """The answer of `advisor recommend --json`, schema 1."""
        found = self.recommendation
        return {
            "schema": SCHEMA,
            "machine": {"id": self.machine.id, "name": self.machine.name},
            "purpose": self.question.purpose,
            "choice": option_json(found.choice) if found else None,
            "why": list(found.why) if found else [],
            "advice": list(found.advice) if found else [],
            "sure": found.sure if found else False,
            "refused": option_json(self.refused) if self.refused else None,
            "commands": {name: command.text for name, command in self.commands.items()},
            "notes": {name: list(command.notes) for name, command in self.commands.items() if command.notes},
            "alternatives": [{**option_json(each.option), "why_not": each.why_not} for each in found.alternatives]
            if found
            else [],
            "changes": [
                {
                    "kind": change.kind,
                    "text": change.said,
                    "verdict": change.verdict.verdict,
                    "quantization": change.quantization,
                    "settings": change.plan.settings.model_dump(mode="json"),
                }
                for change in self.changes
            ],
            "assumptions": list(self.assumptions),
        }


def recommend(question: RecommendQuestion) -> Recommended:
    """The recommendation for `question`; for this machine where it names none. Raises QuestionError or MissingPartError."""
    machine, assumptions = resolve_machine(**question.machine_fields())
    if machine is None:
        machine, assumptions = resolve_machine(**{**question.machine_fields(), "machine": DETECTED})
    assert machine is not None, "this machine is always known"
    return recommend_for(question, machine, assumptions)


def recommend_for(question: RecommendQuestion, machine: MachineProfile, assumptions: tuple[str, ...] = ()) -> Recommended:
    """As `recommend`, for a machine that is already at hand."""
    context = question.context or PURPOSES[question.purpose].context

    def settings_for(model: ModelMetadata) -> RunSettings:
        trained = model.hyperparameters.context_length or context
        # A context that was asked for is kept; the purpose's own gives way to what a model was trained for.
        asked = context if question.context else min(context, trained)
        return resolve_settings({"context": asked}, model, has_gpu=bool(machine.gpus), machine=machine)

    models = _asked_for(question)
    weighed = weighed_files(
        models,
        machine,
        settings_for,
        question.purpose,
        least_tps=question.min_tps,
        offered=_offered,
        calibrated=best_calibrations(machine),
    )
    found = recommended(weighed, machine, question.purpose)
    helped: tuple[Change, ...] = ()
    refused: Option | None = None
    if question.model is not None and (found is None or found.choice.verdict.verdict != "fits"):
        file = _usual_file(models[0])
        helped = _changes(models[0], file, machine, settings_for)
        refused = None if found else _laid_out(models[0], file, machine, settings_for(file))
    commands = _commands(found.choice, machine) if found else {}
    return Recommended(machine, question, found, commands, refused, helped, weighed, assumptions)


def _offered(model: Candidate) -> Sequence[str]:
    return (model.file.quantization or "",) if isinstance(model, OneFile) else ladder(model)


def _asked_for(question: RecommendQuestion) -> Sequence[Candidate]:
    if question.model is None:
        return [model for model in catalogue().models if model.generates]
    file = resolve_model(question.model, question.quant)
    if not file.predicted:
        return [OneFile(file)]
    model = catalogue().find(file.id)
    return [model] if question.quant is None and ":" not in question.model else [OneFile(file, model)]


def _usual_file(model: Candidate) -> ModelMetadata:
    """The file that was asked for, else the one that most people run."""
    return model.file if isinstance(model, OneFile) else model.quantized(default_quantization(catalogue().find(model.id)))


def _laid_out(model: Candidate, file: ModelMetadata, machine: MachineProfile, settings: RunSettings) -> Option:
    plan = plan_memory(file, machine, settings)
    return Option(model, file.quantization or "", file.file_bytes, plan, judge(plan, machine))


def _changes(model: Candidate, file: ModelMetadata, machine: MachineProfile, settings_for: SettingsFor) -> tuple[Change, ...]:
    """What would make `file` fit."""
    entry = _entry(model)
    settings = settings_for(file).model_copy(update={"gpu_layers": "all" if machine.gpus else 0})
    if entry is None or entry.native_quantization is not None:
        return changes(file, machine, settings)
    smaller = [name for name in LADDER if (entry.quantized(name).file_bytes or 0) < (file.file_bytes or 0)]
    return changes(file, machine, settings, smaller=smaller, quantized=entry.quantized)


def _commands(option: Option, machine: MachineProfile) -> dict[str, Command]:
    file = option.model.quantized(option.quantization)
    entry = _entry(option.model)
    files = Files(path=file.source) if not file.predicted else files_of(entry, option.quantization) if entry else Files()
    sees = entry is not None and "image" in entry.entry.modality
    sampling = recommended_sampling(entry.id) if entry else None
    layers = file.hyperparameters.layer_count
    launch = launch_of(option.model.id, option.quantization, layers, option.plan, machine, files, sampling, sees=sees)
    others = other_commands(entry, option.quantization, machine, option.plan.settings.context) if entry else {}
    return commands_for(launch) | others


def _entry(model: Candidate) -> CatalogueModel | None:
    return model if isinstance(model, CatalogueModel) else model.listed if isinstance(model, OneFile) else None


def files_of(model: CatalogueModel, quantization: str) -> Files:
    """Where a model's files are on the hub: official and well-known repositories before any others."""
    wanted = AS_RELEASED if quantization == model.native_quantization else WITH_ALL_FILES
    owners = {repo.split("/")[0]: repo for repo in reversed(model.entry.gguf_repos)}
    known = [owners[owner] for owner in (*wanted, model.publisher or "", *AS_RELEASED) if owner in owners]
    found = known or model.entry.gguf_repos
    return Files(gguf_repo=found[0] if found else None, weights_repo=model.entry.hf_repo)


@dataclass(frozen=True, eq=False)
class OneFile:
    """One file of one model, which is asked about as it is: a candidate with no other quantization."""

    file: ModelMetadata
    listed: CatalogueModel | None = None
    """The catalogue's model that it is a file of, where it is one."""

    @property
    def id(self) -> str:
        """As the file's."""
        return self.file.id

    @property
    def name(self) -> str:
        """As the file's."""
        return self.file.name

    @property
    def family(self) -> str:
        """The catalogue's family, where it is known."""
        return self.listed.family if self.listed else ""

    @property
    def parameters(self) -> int:
        """Weights of the file."""
        return self.file.parameters

    @property
    def active_parameters(self) -> int | None:
        """Weights that one token passes through."""
        return self.file.active_parameters

    @property
    def release_date(self) -> date | None:
        """The catalogue's, where it is known."""
        return self.listed.release_date if self.listed else None

    @property
    def publisher(self) -> str | None:
        """The catalogue's, where it is known."""
        return self.listed.publisher if self.listed else None

    @property
    def native_quantization(self) -> str | None:
        """The catalogue's, where it is known."""
        return self.listed.native_quantization if self.listed else None

    def quantized(self, quantization: str) -> ModelMetadata:
        """The file, whatever is asked for."""
        del quantization
        return self.file
