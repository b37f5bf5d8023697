"""Verification of a running server: what it is, which model it runs, and what is predicted of that on this machine."""

from pathlib import Path

from advisor.errors import HeadroomError, MissingPartError, QuestionError
from advisor.estimate import estimate_for
from advisor.machines.profile import MachineProfile
from advisor.memory.settings import Runtime
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import resolve_model
from advisor.question import Question, VerifyQuestion
from advisor.verification import looked_at, named, plain_question
from advisor.verify.backends.servers import Kind, Server, identify
from advisor.verify.backends.wire import Wire
from advisor.verify.check import Check
from advisor.verify.conclusion import Looked
from advisor.verify.measurement import MeasuredModel
from advisor.verify.protocol import RunError, RunRequest

RUNTIMES: dict[Kind, Runtime] = {
    "llama-server": "llama-server",
    "ollama": "ollama",
    "lm-studio": "lm-studio",
    "vllm": "vllm",
    "openai": "llama-server",
}
"""Whose rules plan what a server holds."""
ELSEWHERE = MachineProfile(id="elsewhere", name="The computer of a server", kind="cpu", origin="typed")


def look_at_server(question: VerifyQuestion, machine: MachineProfile) -> Looked:
    """Ask the server at `question.backend` what it is; predict where it runs on this machine and its model is known here.

    Raises QuestionError where the address is wrong or the model is not clear, MissingPartError where nobody answers.
    """
    try:
        wire = Wire(question.backend)
        try:
            server = identify(wire)
            name = server.choose(question.model)
        finally:
            wire.close()
    except RunError as error:
        if error.kind in ("network", "time"):
            raise MissingPartError(str(error)) from None
        raise QuestionError(str(error), field="backend") from None
    request = RunRequest("http", wire.base, model=name, budget_s=question.seconds)
    notes = (f"{server.named} calls the model {Path(name).name[:200]}.",)
    metadata = _known(question, server)
    if metadata is None or not wire.is_local:
        plain = Path(name).name[:300]
        model = MeasuredModel(id=plain, name=plain) if metadata is None else named(metadata)
        return _unpredicted(machine if wire.is_local else ELSEWHERE, model, request, notes)
    asked = _asked(question, server)
    looked = looked_at(question, estimate_for(asked, metadata, machine), request, machine)
    # What a server has loaded already needs no more room.
    there = Check("go", (), looked.check.needs_bytes, 0, looked.check.free_bytes)
    in_memory = server.kind in ("llama-server", "vllm", "openai") or name in server.loaded
    return Looked(
        machine=machine,
        model=looked.model,
        request=request,
        check=there if in_memory else looked.check,
        metadata=metadata,
        memory_plan=looked.memory_plan,
        plan=looked.plan,
        calibration=looked.calibration,
        notes=notes,
    )


def _known(question: VerifyQuestion, server: Server) -> ModelMetadata | None:
    """The model as it is known here: by its file where the server names it and it is on this disk, else by what was asked."""
    for text, quant in ((server.model_path, None), (question.model, question.quant)):
        if text:
            try:
                return resolve_model(text, quant)
            except HeadroomError:
                continue
    return None


def _asked(question: VerifyQuestion, server: Server) -> Question:
    """The question with the server's own context and slots, where nothing else was asked for."""
    runtime = RUNTIMES[server.kind]
    own = {"context": question.context or server.context, "slots": question.slots or server.slots}
    if server.kind == "llama-server" and question.slots is None:
        # By itself llama-server takes one cache for all slots, and /props gives the context of one slot.
        own["unified_kv"] = question.unified_kv if question.unified_kv is not None else True
    known = plain_question(question, runtime).model_dump(exclude_none=True)
    return Question.parse(known | {name: value for name, value in own.items() if value is not None})


def _unpredicted(machine: MachineProfile, model: MeasuredModel, request: RunRequest, notes: tuple[str, ...]) -> Looked:
    return Looked(machine, model, request, Check("go", (), 0, 0, None), notes=notes)
