"""One question in, one measured run out: `look` plans and checks, `start` runs, `Verification.measurement` is what came of it.

The command and the page call these and show what they return. Nothing here draws.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from advisor.engine.recipe import usable_cores
from advisor.engine.status import engine_status
from advisor.errors import MissingPartError, QuestionError
from advisor.estimate import LLAMA_RUNTIMES, Estimate, device_json, estimate, estimate_for, model_json, pool_json, settings_for
from advisor.machines.here import HERE
from advisor.machines.profile import MachineProfile
from advisor.machines.resolve import DETECTED
from advisor.memory.planner import arrange
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import resolve_model
from advisor.question import MachineAsked, Question, VerifyQuestion
from advisor.settings import settings as service
from advisor.verify.calibration import calibration_for, remember
from advisor.verify.check import check
from advisor.verify.child import COMMAND
from advisor.verify.conclusion import Looked, calibration_run, measurement_of
from advisor.verify.job import Job
from advisor.verify.measurement import MeasuredModel, Measurement, Plan
from advisor.verify.model_file import fetch, hub_address_of, local_file
from advisor.verify.plain_layout import needs_plain_layout, remember_plain_layout
from advisor.verify.progress import Ended
from advisor.verify.protocol import RunError, RunRequest
from advisor.verify.sampler import Machine, ThisMachine
from advisor.verify.slice_folder import clear_slice_files, make_slice_files
from advisor.verify.watchdog import Limits

LLAMA_CPP, MLX = "llama-cpp", "mlx"
BACKENDS = (LLAMA_CPP, MLX)
PLAIN = "The engine crashed here before with weights in the CPU's own layout (AMX, CPU_REPACK), so it ran without."
_NOT_RUN = ("mmproj", "draft", "build", "depth")
"""Parts of a question that a plan has and a run does not."""


class Verification:
    """A run that was started. `measurement` is there once its job has ended."""

    def __init__(self, looked: Looked, job: Job) -> None:
        self.looked, self.job = looked, job
        self._lock = threading.Lock()
        self._measurement: Measurement | None = None

    @property
    def measurement(self) -> Measurement | None:
        """What came of it; None while it goes on."""
        ended = self.job.ended
        with self._lock:
            if ended is not None and self._measurement is None:
                self._measurement = measurement_of(self.looked, ended)
            return self._measurement

    def wait(self) -> Measurement:
        """What came of it, once it is over."""
        self.job.wait()
        found = self.measurement
        assert found is not None
        return found


def look(question: VerifyQuestion) -> Looked:
    """The plan, the forecast and the check of `question` on this machine as it is now; nothing is loaded.

    Raises QuestionError for what cannot be run, MissingPartError where a part is missing.
    """
    _check_question(question)
    machine = _this_machine()
    if question.backend.startswith(("http://", "https://")):
        from advisor.served import look_at_server

        return look_at_server(question, machine)
    asked = plain_question(question, MLX if question.backend == MLX else question.runtime)
    if question.slice:
        from advisor.sliced import look_at_slices

        return look_at_slices(question, asked, machine)
    if asked.runtime == MLX:
        return _look_mlx(question, asked, machine)
    return _look_llama(question, asked, resolve_model(asked.model, asked.quant), machine)


def start(
    looked: Looked,
    *,
    agreed: bool = False,
    forced: bool = False,
    machine: Machine | None = None,
    limits: Limits | None = None,
    command: Sequence[str] = COMMAND,
    folder: Path | None = None,
) -> Verification:
    """Run what was looked at, after those that came before it. `agreed`: a tight plan may run; `forced`: any may.

    Raises QuestionError where it may not. Free memory is looked at again when its turn has come.
    """
    if service().hosted:
        raise QuestionError("nothing is run on the computer that serves this page; run the command at home")
    _check_allowed(looked, agreed=agreed, forced=forced)
    readings = machine or ThisMachine()

    def prepare(job: Job) -> RunRequest:
        needed, available = looked.check.host_bytes, readings.reading().available_bytes
        if not forced and available is not None and needed is not None and needed > available:
            raise RunError("refused", "other programs have taken the memory in the meantime; close some and start again")
        if looked.slices is not None:
            job.held.callback(clear_slice_files)
            return replace(looked.request, target=str(make_slice_files(looked.slices)))
        if looked.download is None:
            return looked.request
        return replace(looked.request, target=str(fetch(looked.download, looked.model.quantization, job)))

    def ended(what: Ended) -> None:
        measured = measurement_of(looked, what)
        if (run := calibration_run(looked, measured)) is not None:
            remember(run)
        if measured.run.repacked is False and measured.measurement is not None:
            remember_plain_layout(looked.machine)

    name = looked.model.name if looked.slices is None else f"a slice of {looked.model.name}"
    job = Job(name, prepare, machine=readings, limits=limits, command=command, folder=folder, on_end=ended)
    job.start()
    return Verification(looked, job)


def plain_question(question: VerifyQuestion, runtime: str) -> Question:
    """The part of `question` that a plan answers, for the machine that this is."""
    left_out = {*(VerifyQuestion.model_fields.keys() - Question.model_fields.keys()), *MachineAsked.model_fields}
    return Question.parse(question.model_dump(exclude=left_out, exclude_none=True) | {"runtime": runtime})


def looked_at(
    question: VerifyQuestion, result: Estimate, request: RunRequest, machine: MachineProfile, *, download_bytes: int = 0
) -> Looked:
    """What was predicted, ready to be compared."""
    checked = check(
        result.plan,
        result.verdict,
        available_bytes=ThisMachine().reading().available_bytes,
        download_bytes=download_bytes,
        disk_free_bytes=machine.disk.free_bytes,
    )
    return Looked(
        machine=machine,
        model=named(result.model),
        request=replace(request, budget_s=question.seconds, threads=question.threads or inference_threads(machine)),
        check=checked,
        metadata=result.model,
        memory_plan=result.plan,
        plan=plan_json(result),
        calibration=calibration_for(result.plan, machine),
    )


def named(model: ModelMetadata) -> MeasuredModel:
    """The model without the folders of its file, which name people."""
    fields = model_json(model)
    if not model.predicted:
        fields["id"] = Path(fields["id"]).name
    return MeasuredModel(**fields)


def plan_json(result: Estimate) -> Plan:
    """The plan of an estimate, as a measurement carries it."""
    return Plan.model_validate(
        {
            "grade": result.plan.grade,
            "devices": [device_json(device) for device in result.plan.devices],
            "pools": [pool_json(pool) for pool in result.plan.pools],
            "verdict": result.verdict.verdict if result.verdict else None,
            "reasons": result.verdict.reasons if result.verdict else (),
        }
    )


def inference_threads(machine: MachineProfile) -> int:
    """As many as there are performance cores that this process may use, as llama.cpp itself chooses."""
    return max(1, min(machine.cpu.performance_cores or usable_cores(), usable_cores()))


def _this_machine() -> MachineProfile:
    """This machine with what is in use now: all probes again where there are GPUs, else only its memory."""
    known = HERE.whole().profile
    if known.gpus:
        return HERE.again().profile
    now = ThisMachine().reading()
    if now.capacity_bytes is None or now.available_bytes is None:
        return known
    used = {"capacity_bytes": now.capacity_bytes, "in_use_bytes": now.capacity_bytes - now.available_bytes}
    return known.model_copy(update={"memory": known.memory.model_copy(update=used)})


# --- what is run here ------------------------------------------------------------------------------------


def _look_llama(question: VerifyQuestion, asked: Question, model: ModelMetadata, machine: MachineProfile) -> Looked:
    if asked.runtime not in LLAMA_RUNTIMES:
        raise QuestionError(
            f'the runtime "{asked.runtime}" is not run here; name the address of its server with --backend', field="backend"
        )
    file = local_file(model)
    address = hub_address_of(asked.model, model) if file is None else None
    from advisor.engine.layout import question_for

    result = estimate_for(asked, model, machine)
    settings = settings_for(asked, model, machine)
    arrangement = arrange(model, machine, settings, lower_context=asked.context is None)
    laid_out = question_for(arrangement, file=str(file or "")).to_json()
    check_engine()
    plain = needs_plain_layout(machine)
    request = RunRequest(LLAMA_CPP, str(file or ""), question=laid_out, extra_bufts=not plain)
    looked = looked_at(question, result, request, machine, download_bytes=0 if file else model.file_bytes or 0)
    return replace(looked, notes=(PLAIN,) if plain else (), download=address)


def _look_mlx(question: VerifyQuestion, asked: Question, machine: MachineProfile) -> Looked:
    folder = Path(asked.model).expanduser()
    folder = folder.parent if folder.is_file() else folder
    if not (folder / "config.json").is_file():
        raise MissingPartError(
            f'"{asked.model}" is not a folder with an MLX model on this computer; download one and name its folder'
        )
    import importlib.util

    if importlib.util.find_spec("mlx_lm") is None:
        raise MissingPartError("mlx_lm is not installed; get it with: pip install mlx-lm (on Linux also mlx[cpu])")
    asked = asked.model_copy(update={"model": str(folder), "quant": asked.quant or _mlx_quantization(folder)})
    # MLX for other processors has no rules of its own: what it allocates is what it allocates on a Mac.
    is_mac = any(gpu.vendor == "apple" for gpu in machine.gpus)
    result = estimate(asked.model_copy(update={"machine": DETECTED}) if is_mac else asked)
    context = result.plan.settings.context
    return looked_at(question, result, RunRequest(MLX, str(folder), context=context), machine)


def _mlx_quantization(folder: Path) -> str:
    """The quantization that an MLX model's config.json says; bf16 where it has none."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        bits = config.get("quantization", {}).get("bits")
    except (OSError, ValueError, AttributeError, RecursionError):
        bits = None
    return f"mlx-{bits}bit" if isinstance(bits, int) else "bf16"


def check_engine() -> None:
    """Raise MissingPartError where llama.cpp is not installed, with how to get it."""
    status = engine_status()
    if status.state != "installed":
        raise MissingPartError(f"{status.sentence.rstrip('.')}; get it with: python -m advisor.engine.build")


def _check_question(question: VerifyQuestion) -> None:
    if question.machine not in (None, DETECTED) or question.gpus or question.memory_gib or question.ram_gib or question.unified:
        raise QuestionError("only this machine can be measured; leave the machine out", field="machine")
    for name in _NOT_RUN:
        if getattr(question, name):
            raise QuestionError(f"{name} is not measured; leave it out", field=name)
    if question.backend not in BACKENDS and not question.backend.startswith(("http://", "https://")):
        raise QuestionError(
            f'there is no backend "{question.backend[:60]}"; use llama-cpp, mlx, or the address of a server', field="backend"
        )


def _check_allowed(looked: Looked, *, agreed: bool, forced: bool) -> None:
    said = looked.check.sentences[0] if looked.check.sentences else "it does not fit"
    if looked.check.answer == "refuse" and not forced:
        raise QuestionError(f"it was not started: {said} --force runs it all the same, and may freeze the machine")
    if looked.check.answer == "ask" and not (agreed or forced):
        raise QuestionError(f"it was not started: {said} --yes runs it")
