"""Verification by slices: a few layers of random weights in place of a model that need not be here."""

from dataclasses import replace

from advisor.engine.layout import question_for
from advisor.errors import QuestionError
from advisor.estimate import LLAMA_RUNTIMES, estimate_for, settings_for
from advisor.machines.bandwidth import last_level_cache
from advisor.machines.detect.system import System
from advisor.machines.profile import MachineProfile
from advisor.memory.planner import arrange
from advisor.models.resolve import resolve_model
from advisor.question import Question, VerifyQuestion
from advisor.units import format_size
from advisor.verification import LLAMA_CPP, check_engine, inference_threads, named, plan_json
from advisor.verify.calibration import calibration_for, place_of
from advisor.verify.check import DISK_MARGIN, Check
from advisor.verify.conclusion import Looked
from advisor.verify.plain_layout import needs_plain_layout
from advisor.verify.protocol import RunRequest
from advisor.verify.sampler import ThisMachine
from advisor.verify.slice_folder import free_disk_bytes
from advisor.verify.slices import slices_of

SLICE_CONTEXT, SLICE_SECONDS = 2048, 45.0
TOO_LARGE = "The whole model does not fit here now, and what does not fit is far slower than its slices say."


def look_at_slices(question: VerifyQuestion, asked: Question, machine: MachineProfile) -> Looked:
    """The forecast for the whole model, and two slices of it. Raises QuestionError where they say nothing or are too large."""
    if asked.runtime not in LLAMA_RUNTIMES or question.backend != LLAMA_CPP:
        raise QuestionError("slices are measured by llama.cpp; leave the backend out", field="slice")
    model = resolve_model(asked.model, asked.quant)
    asked = asked.model_copy(update={"context": min(asked.context or SLICE_CONTEXT, SLICE_CONTEXT)})
    result = estimate_for(asked, model, machine)
    place = place_of(result.plan)
    if place == "split":
        raise QuestionError(
            f"{model.name} would lie partly on the GPU and partly in system memory, which no slice of it stands for; choose "
            "fewer bits, or --gpu-layers 0",
            field="slice",
        )
    reading = ThisMachine().reading()
    slices = slices_of(model, cache_bytes=last_level_cache(System()), free_bytes=reading.available_bytes)
    disk = free_disk_bytes()
    if disk is not None and disk < slices.n_bytes + DISK_MARGIN:
        raise QuestionError(
            f"two slices of {model.name} take {format_size(slices.n_bytes)} of disk, and {format_size(disk)} are free; make "
            "room on the disk",
            field="slice",
        )
    arrangement = arrange(model, machine, settings_for(asked, model, machine))
    laid_out = question_for(arrangement, file=model.source)
    layers = slices.weights.layers[2] + 1 if place == "gpu" else 0
    laid_out = replace(laid_out, gpu_layers=layers, tensor_split=(), host_experts=(), load_mtp=False)
    check_engine()
    request = RunRequest(
        "slices",
        "",
        budget_s=min(question.seconds, SLICE_SECONDS),
        threads=question.threads or inference_threads(machine),
        question=laid_out.to_json(),
        slices=slices.weights,
        extra_bufts=not needs_plain_layout(machine),
    )
    said = [f"Two slices take {format_size(slices.n_bytes)} of memory and disk for a minute; nothing is downloaded."]
    if result.verdict is not None and result.verdict.verdict == "no":
        said.append(TOO_LARGE)
    return Looked(
        machine=machine,
        model=named(model),
        request=request,
        check=Check("go", tuple(said), slices.n_bytes, slices.n_bytes, reading.available_bytes),
        metadata=model,
        memory_plan=result.plan,
        plan=plan_json(result),
        calibration=calibration_for(result.plan, machine),
        slices=slices,
        notes=tuple(said[1:]),
    )
