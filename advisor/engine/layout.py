"""The engine's own plan: the question of `plan_memory`, asked of llama.cpp on GPUs that are not there."""

from dataclasses import replace

from gguf.constants import GGMLQuantizationType

from advisor.engine.log_lines import agrees
from advisor.engine.planning_files import PLANNING_FILES
from advisor.engine.pool import EnginePool, engine_pool
from advisor.engine.questions import PlanFigures, PlanQuestion
from advisor.engine.self_test import check_engine
from advisor.engine.virtual_gpus import MAX_GPUS
from advisor.errors import EngineFailedError, QuestionError
from advisor.machines.profile import MachineProfile
from advisor.memory.assembly import Arrangement, Components, assemble
from advisor.memory.backends import RULES
from advisor.memory.graph_room import check_graph
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import Projector, arrange, arrange_draft
from advisor.memory.rules import rules_for
from advisor.memory.settings import CacheType, RunSettings
from advisor.models.metadata import ModelMetadata

_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}
"""enum llama_flash_attn_type, include/llama.h."""


def engine_plan(
    model: ModelMetadata,
    machine: MachineProfile | None,
    settings: RunSettings,
    *,
    gpus: int = 1,
    projector: Projector | None = None,
    draft: ModelMetadata | None = None,
    lower_context: bool = False,
    pool: EnginePool | None = None,
) -> MemoryPlan:
    """As `plan_memory`, with weights, caches, states, compute and output buffers as the engine plans them; grade "engine".

    Where layers go is decided as there. What drivers take beyond the engine, a projector, and the context with which a model
    drafts for itself stay by formula.
    Raises QuestionError for what this engine cannot answer, EngineRefusedError for what it refuses, and MissingPartError where
    the engine is missing or broke down.
    """
    check_build(settings)
    arrangement = arrange(model, machine, settings, gpus=gpus, projector=projector, draft=draft, lower_context=lower_context)
    check_graph(arrangement.layout, arrangement.placement)  # it would end the engine's process, which says nothing of why
    question = question_for(arrangement)
    pool = pool or engine_pool()
    check_engine(pool)
    figures = pool.plan(question)
    if draft is not None and not arrangement.layout.nextn:
        beside = arrange_draft(draft, arrangement.layout, arrangement.devices)
        drafting = components(pool.plan(question_for(beside)), beside).total
        arrangement = replace(arrangement, beside=replace(arrangement.beside, draft=drafting))
    plan = assemble(arrangement, components(figures, arrangement), "engine")
    return replace(plan, assumptions=plan.assumptions + _assumptions(arrangement, question, figures))


def check_build(settings: RunSettings) -> None:
    """Raise QuestionError where the settings name a build whose rules are not those of the engine that is here."""
    pinned = rules_for(None)
    if replace(rules_for(settings.build), build=pinned.build, date=pinned.date) != pinned:
        raise QuestionError(
            f"the engine plans as build {pinned.build} does, not as {settings.build}; "
            "leave --build out, or ask for --grade formula",
            field="build",
        )


def question_for(arrangement: Arrangement, *, file: str | None = None) -> PlanQuestion:
    """What to ask the engine, of `file` or else of one without weights. Raises QuestionError where it takes no more GPUs."""
    settings, placement, layout = arrangement.layout.settings, arrangement.placement, arrangement.layout
    if placement.gpus > MAX_GPUS:
        raise QuestionError(
            f"the engine takes {MAX_GPUS} GPUs at most, not {placement.gpus}; ask for fewer, or for --grade formula",
            field="gpus",
        )
    layers = (*placement.blocks, placement.output)
    return PlanQuestion(
        file=file or str(PLANNING_FILES.of_model(layout.model)),
        backend=layout.backend or "",
        gpus=placement.gpus,
        gpu_layers=placement.gpu_layers,
        # Counts of layers make the engine cut where the placement does (src/llama-model.cpp:1579-1600).
        tensor_split=tuple(float(layers.count(gpu)) for gpu in range(placement.gpus)) if placement.gpu_layers else (),
        host_experts=tuple(block for block, on_host in enumerate(placement.experts_on_host) if on_host),
        load_mtp=layout.nextn,
        context=settings.context,
        batch=settings.batch,
        ubatch=settings.ubatch,
        slots=settings.slots,
        outputs=settings.slots if settings.logits == "slots" else 0,
        type_k=_type_number(settings.type_k),
        type_v=_type_number(settings.type_v),
        flash_attention=_FLASH_ATTENTION[settings.flash_attention],
        swa_full=settings.swa_full,
        unified_kv=settings.unified_kv,
    )


def components(figures: PlanFigures, arrangement: Arrangement) -> Components:
    """The engine's figures. Where only its log could be read, weights are counted from the tensor table by the engine's own
    assignment of layers, and caches likewise, which must come to the sum that the engine printed.

    Raises EngineFailedError where they do not, or where layers lie elsewhere than they were asked to.
    """
    layout, placement = arrangement.layout, arrangement.placement
    if figures.layers != (*placement.blocks, placement.output):
        raise EngineFailedError("the engine put layers on other devices than it was asked to; ask for --grade formula")
    weights, kv_cache = figures.weights, figures.kv_cache
    if weights is None:
        weights = tuple(int(size) for size in layout.weights(placement))
    if kv_cache is None:
        kv_cache = tuple(int(size) for size in layout.cache.by_device(placement)[0])
        if not agrees(sum(kv_cache), figures.caches_mib, lines=max(figures.cached_layers, 1)):
            raise EngineFailedError("the engine printed another size of its caches than was counted; ask for --grade formula")
    return Components(weights, kv_cache, figures.states, figures.compute, figures.output)


def _assumptions(arrangement: Arrangement, question: PlanQuestion, figures: PlanFigures) -> tuple[str, ...]:
    said = []
    caveat = RULES[question.backend].caveat
    if caveat is not None and question.gpus:
        said.append(caveat)
    if arrangement.layout.settings.flash_attention == "auto" and figures.flash_attention is False:
        said.append("The engine switches flash attention off for this model on these devices.")
    if arrangement.beside.projector.any():
        said.append("The projector's memory is worked out by formula.")
    if arrangement.layout.nextn:
        said.append("The second context, with which the model drafts for itself, is worked out by formula.")
    return tuple(said)


def _type_number(kind: CacheType) -> int:
    return int(GGMLQuantizationType[kind.upper()])
