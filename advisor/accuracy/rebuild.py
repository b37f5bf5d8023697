"""A load log's question answered: the model, settings and devices that a log describes, and the plan for them.

What print_info does not print (expert widths, tied embeddings, blocks without attention, shared caches) comes from the
catalogue model of the same architecture and dimensions, else from the architecture's defaults; the printed number of weights
then decides between the possible lists of tensors, and the printed file size between the possible ways to quantize them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from advisor.accuracy.cases import LoadCase
from advisor.accuracy.recipes import find_weights
from advisor.errors import HeadroomError
from advisor.machines.profile import Backend, Gpu, MachineProfile
from advisor.memory.plan import MemoryPlan
from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.memory.rules import rules_for
from advisor.memory.settings import RunSettings, Runtime
from advisor.models.hyperparameters import Hyperparameters
from advisor.models.keys import hyperparameters
from advisor.models.library import CatalogueModel, catalogue
from advisor.models.metadata import ModelMetadata
from advisor.models.quantization import kept_types, quantize
from advisor.models.tensors import TensorShape, default_options, tensor_list

_BACKENDS: dict[str, tuple[Backend, str]] = {
    "CUDA": ("cuda", "nvidia"),
    "ROCm": ("rocm", "amd"),
    "Vulkan": ("vulkan", "other"),
    "Metal": ("metal", "apple"),
    "MTL": ("metal", "apple"),
    "SYCL": ("sycl", "intel"),
}


@dataclass(frozen=True)
class Prediction:
    """The plan for a case, with what it rests on."""

    case: LoadCase
    plan: MemoryPlan
    model: ModelMetadata
    settings: RunSettings
    rules: str
    scale: float
    recipe: str | None
    """None where the log says nothing of the file's quantization, and weights are not predicted."""


class CaseError(HeadroomError, ValueError):
    """A case cannot be rebuilt: the log does not say what memory depends on."""


def predict(case: LoadCase) -> Prediction:
    """The plan for `case`. Raises CaseError where the log does not describe the model, and HeadroomError from planning."""
    keys = model_keys(case)
    hp, shapes = model_shape(case, keys)
    weights = find_weights(case, hp, shapes)
    tensors = weights.tensors if weights else quantize(shapes, hp, "F16", kept=kept_types(hp))
    model = ModelMetadata(
        id=case.id,
        name=case.name or case.id,
        hyperparameters=hp,
        tensors=tensors,
        quantization=case.quantization,
        file_bytes=None,
        predicted=True,
        source=case.source,
        keys=keys,
    )
    machine = machine_of(case)
    settings = settings_of(case, model)
    plan = plan_memory(model, machine, settings, gpus=max(1, len(case.gpus)))
    return Prediction(
        case, plan, model, settings, _rules_name(case), weights.scale if weights else 1.0, weights.recipe if weights else None
    )


def _rules_name(case: LoadCase) -> str:
    rules = rules_for(case.engine)
    return rules.build if case.engine else f"{rules.build} (the log names neither build nor date)"


# --- the model ------------------------------------------------------------------------------------


def model_keys(case: LoadCase) -> dict[str, object]:
    """GGUF keys of a case's model: those of its twin in the catalogue, and over them what the log prints. Raises CaseError."""
    if case.architecture is None or case.architecture == "unknown":
        raise CaseError(f"{case.id}: the log does not print the architecture")
    known = _catalogue_twin(case)
    if known is None and "n_layer" not in case.hparams:
        raise CaseError(f'{case.id}: the published part of the log has no "print_info: n_layer" line to say which model it is')
    keys: dict[str, object] = dict(known.keys) if known else {}
    if "n_embd_head_k" in case.hparams and not case.hparams.get("n_embd_head_k_mla"):
        # a file without these keys caches whole heads (https://github.com/ggml-org/llama.cpp/pull/12801)
        for name in ("key_length_mla", "value_length_mla"):
            keys.pop(f"{case.architecture}.attention.{name}", None)
    return keys | dict(case.keys)


def model_shape(case: LoadCase, keys: Mapping[str, object]) -> tuple[Hyperparameters, tuple[TensorShape, ...]]:
    """Hyperparameters and tensor shapes of a case's model. Raises CaseError where the log prints too few dimensions."""
    known = _catalogue_twin(case)
    try:
        hp = hyperparameters(keys)
    except HeadroomError as error:
        raise CaseError(f"{case.id}: {error}") from error
    candidates = list(_shape_lists(hp, known))
    if case.parameters is not None:
        for shapes in candidates:
            if case.parameters.holds(sum(shape.elements for shape in shapes)):
                return hp, shapes
        printed = case.parameters.middle
        candidates.sort(key=lambda shapes: abs(sum(shape.elements for shape in shapes) - printed))
    return hp, candidates[0]


def _shape_lists(hp: Hyperparameters, known: CatalogueModel | None) -> Iterator[tuple[TensorShape, ...]]:
    """Possible tensor lists, the likeliest first."""
    options = known.options if known else default_options(hp.architecture)
    # attn_kv_b was one tensor where the file has no MLA widths (https://github.com/ggml-org/llama.cpp/pull/12801)
    options = replace(options, merged_kv_b=hp.kv_lora_rank > 0 and hp.key_length_mla == 0)
    for tied in (options.tied_embeddings, not options.tied_embeddings):
        yield tensor_list(hp, replace(options, tied_embeddings=tied))


def _catalogue_twin(case: LoadCase) -> CatalogueModel | None:
    """The catalogue model of the same architecture whose printed dimensions are all the same; the best match on the others."""
    best: tuple[int, CatalogueModel] | None = None
    for model in catalogue().models:
        score = _likeness(case, model)
        if score is not None and (best is None or score > best[0]):
            best = (score, model)
    return best[1] if best else None


def _likeness(case: LoadCase, model: CatalogueModel) -> int | None:
    """How many printed keys agree; None where a dimension differs or fewer than two are printed."""
    if model.keys.get("general.architecture") != case.architecture:
        return None
    printed = _printed_dimensions(case)
    theirs = _dimensions(model.hyperparameters)
    # builds without multi-token prediction print its blocks among the layers (GLM-4.5-Air: 47)
    blocks = printed.get("layers") == model.hyperparameters.block_count
    wrong = (
        {name for name, value in printed.items() if theirs[name] != value} - {"vocab_size"} - ({"layers"} if blocks else set())
    )
    if len(printed) < 2 or wrong:
        return None
    agreeing = sum(model.keys.get(name) == value for name, value in case.keys.items())
    return agreeing + 2 * (theirs["vocab_size"] == printed.get("vocab_size"))


def _dimensions(hp: Hyperparameters) -> dict[str, object]:
    return {
        "embedding_length": hp.embedding_length,
        "layers": hp.layer_count,
        "feed_forward": max(hp.feed_forward_length, default=0),
        "vocab_size": hp.vocab_size,
        "heads": max(hp.head_count),
        "k_width": max(hp.k_width),
        "experts": hp.expert_count,
    }


def _printed_dimensions(case: LoadCase) -> dict[str, object]:
    """Dimensions in print_info's own numbers, those that were printed."""
    names = {
        "embedding_length": "n_embd",
        "layers": "n_layer",
        "vocab_size": "n_vocab",
        "heads": "n_head",
        "experts": "n_expert",
    }
    found: dict[str, object] = {}
    for name, hparam in names.items():
        if hparam in case.hparams:
            found[name] = _largest(case.hparams[hparam])
    if "n_ff" in case.hparams and _largest(case.hparams["n_ff"]) and not case.hparams.get("n_expert"):
        found["feed_forward"] = _largest(case.hparams["n_ff"])
    if "n_embd_k_gqa" in case.hparams and not case.hparams.get("n_lora_kv"):
        found["k_width"] = _largest(case.hparams["n_embd_k_gqa"])
    return found


def _largest(value: Any) -> int:
    return int(max(value) if isinstance(value, list) else value)


# --- the run --------------------------------------------------------------------------------------


def settings_of(case: LoadCase, model: ModelMetadata) -> RunSettings:
    """The run settings that the log prints; what it does not print is the runtime's default of that time."""
    run = case.run
    if "n_ctx" not in run:
        raise CaseError(f'{case.id}: the log has no "n_ctx" line, so the size of its caches is unknown')
    overrides: dict[str, Any] = {
        "runtime": runtime_of(case),
        "build": case.engine,
        "context": run.get("n_ctx"),
        "slots": run.get("n_seq_max", 1),
        "unified_kv": None if "kv_unified" not in run else str(run["kv_unified"]).lower() in ("true", "1"),
        "batch": run.get("n_batch"),
        "ubatch": run.get("n_ubatch"),
        "type_k": run.get("type_k"),
        "type_v": run.get("type_v"),
        "flash_attention": _flash_attention(run.get("flash_attn")),
        "swa_full": True if _says_full_window(case) else run.get("swa_full"),
        "gpu_layers": _gpu_layers(case),
        "logits": _logits(run),
    }
    return resolve(overrides, model, has_gpu=bool(case.gpus), machine=None)


def runtime_of(case: LoadCase) -> Runtime:
    """The program that printed the log, where its version or file names tell; llama-server otherwise."""
    printed = (case.printed_build or "").lower()
    if "ollama" in printed or (case.file_name or "").startswith("sha256-"):
        return "ollama"
    described = f"{case.id} {case.source} {case.notes}".lower().replace(" ", "").replace("-", "")
    return "lm-studio" if "lmstudio" in described else "llama-server"


def _says_full_window(case: LoadCase) -> bool:
    """True where the log's own line "using full-size SWA cache" is quoted."""
    return "full-size SWA cache" in case.notes


def _flash_attention(printed: object) -> str | None:
    """ "auto->enabled" is what came of it: on."""
    text = "" if printed is None else str(printed).lower()
    if text in ("1", "enabled", "auto->enabled", "on", "true"):
        return "on"
    return "off" if text in ("0", "disabled", "auto->disabled", "off", "false") else None


def _gpu_layers(case: LoadCase) -> int | str | None:
    if case.offloaded is None or not case.gpus:
        return None
    layers, of = case.offloaded
    return "all" if layers >= of else layers


def _logits(run: Mapping[str, Any]) -> str | None:
    """Rows of logits that were reserved, from n_outputs_max where it is printed."""
    rows = run.get("n_outputs_max")
    if rows is None:
        return None
    return "slots" if rows <= (run.get("n_seq_max") or 1) else "ubatch"


def machine_of(case: LoadCase) -> MachineProfile | None:
    """Equal GPUs of the log's backend and without a limit; None without a GPU, or with one that is not planned for."""
    gpus = []
    for name in case.gpus:
        backend = backend_of(name)
        if backend is None:
            return None
        gpus.append(Gpu(name=name, vendor=backend[1], backend=backend[0]))
    return MachineProfile(id="log", name="as in the log", kind="discrete", gpus=tuple(gpus)) if gpus else None


def backend_of(device: str) -> tuple[Backend, str] | None:
    """Backend and vendor of a device as logs name it ("ROCm1")."""
    return next((found for name, found in _BACKENDS.items() if device.startswith(name)), None)
