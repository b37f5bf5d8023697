"""The knobs of a run: context, cache types, layers on the GPU, slots. What a runtime decides by itself stays unset."""

from typing import Any

import streamlit as st

from advisor.estimate import LLAMA_RUNTIMES, asked_runtime
from advisor.machines.profile import MachineProfile
from advisor.memory.other_runtimes import KV_BITS, OTHER_RUNTIMES, SETTINGS_OF, can_run
from advisor.memory.settings import RunSettings, Runtime
from advisor.models.metadata import ModelMetadata
from advisor.question import Question
from advisor.ui.glossary import WORDS
from advisor.ui.state import Opened, seed
from advisor.words import tokens

CONTROLLED = {
    "context",
    "type_k",
    "type_v",
    "gpu_layers",
    "cpu_moe_layers",
    "runtime",
    "flash_attention",
    "slots",
    "ubatch",
    "swa_full",
}
"""Fields of a question that these knobs decide; all others stay as the address has them."""
_USUAL_TYPES = ("f16", "q8_0", "q4_0")
_PROGRAMS = {"ollama": "Ollama", "lm-studio": "LM Studio", "mlx": "MLX (mlx_lm)", "vllm": "vLLM"}
"""Names of programs, where they are not their commands."""
_PRESET = "preset"
_WINDOW = {_PRESET: "as the program does", "full": "full size", "window": "window only"}
_MOST_CONTEXT = 2**20
_MOST_SLOTS, _MOST_UBATCH = 256, 2**20


def program(opened: Opened[Question], machine: MachineProfile) -> Runtime:
    """Draw the choice of the program that runs the model: those that can, and one that was asked for though it cannot."""
    key = seed(opened, "run:runtime", asked_runtime(opened.question))
    kept = st.session_state[key]
    others = [name for name in OTHER_RUNTIMES if name == kept or can_run(name, machine)]
    names: list[Runtime] = [*LLAMA_RUNTIMES, *others]
    return st.selectbox(
        "Program",
        names,
        format_func=lambda name: _PROGRAMS.get(name, name),
        key=key,
        help="What runs the model. Each has quantizations and settings of its own; listed are those that run on the machine.",
    )


def run_controls(
    opened: Opened[Question], model: ModelMetadata, machine: MachineProfile, runtime: Runtime | None = None
) -> dict[str, Any]:
    """Draw the knobs that `runtime` has, by default llama.cpp's; the fields of the question that they set."""
    fields: dict[str, Any] = {"context": _context(opened, model)}
    if runtime in OTHER_RUNTIMES:
        return fields | _of_other(opened, runtime)
    fields |= _cache_types(opened, _USUAL_TYPES)
    if machine.gpus:
        fields |= _layers(opened, model)
    with st.expander("More settings"):
        fields |= _more(opened, runtime)
    return fields


def _context(opened: Opened[Question], model: ModelMetadata) -> int:
    trained = model.hyperparameters.context_length or 32768
    most = min(trained, _MOST_CONTEXT)
    steps = [2**power for power in range(9, 21) if 2**power <= most]
    asked = opened.question.context or min(8192, most)
    key = seed(opened, "run:context", asked)
    kept = int(st.session_state[key])
    # What an address asks for stays, even beyond what the model was trained for; another model starts within its own.
    stays = opened.fresh or (kept == asked and opened.question.model in (model.id, model.source))
    options = sorted({*steps, most, asked} if stays else {*steps, most})
    if kept not in options:
        st.session_state[key] = min(options, key=lambda size: abs(size - kept))
    beyond = f" {tokens(kept)} is beyond that." if kept > trained else ""
    return int(
        st.select_slider(
            "Context",
            options,
            format_func=tokens,
            key=key,
            help=f"{WORDS['context']} Trained for {tokens(trained)} tokens.{beyond}",
        )
    )


def _of_other(opened: Opened[Question], runtime: Runtime) -> dict[str, Any]:
    """The knobs of a program that is not built on llama.cpp."""
    fields: dict[str, Any] = {}
    if "type_k" in SETTINGS_OF[runtime]:
        fields |= _cache_types(opened, tuple(kind for kind in KV_BITS if kind != "f16"))
    if "slots" in SETTINGS_OF[runtime]:
        key = seed(opened, "run:slots", opened.question.slots)
        said = "Sequences that are in memory at the same time, each as long as the context."
        slots = st.number_input("Sequences at a time", 1, _MOST_SLOTS, step=1, value=None, key=key, placeholder="1", help=said)
        if slots is not None:
            fields["slots"] = int(slots)
    return fields


def kept_fields(question: Question, runtime: Runtime) -> dict[str, Any]:
    """What of `question` no knob decides and `runtime` has: it stays as the address has it."""
    left_out = set(CONTROLLED)
    if runtime in OTHER_RUNTIMES:
        left_out |= (set(RunSettings.model_fields) | {"mmproj", "draft"}) - set(SETTINGS_OF[runtime])
    return question.model_dump(exclude=left_out, exclude_none=True)


def _cache_types(opened: Opened[Question], usual: tuple[str, ...]) -> dict[str, Any]:
    """One type for keys and values; where an address asked for two, they stay two until one is chosen."""
    asked = opened.question
    plain = usual[0]
    k, v = asked.type_k or plain, asked.type_v or plain
    both = k if k == v else f"{k} / {v}"
    key = seed(opened, f"run:kv:{plain}" if plain != "f16" else "run:kv", both if both in usual or plain == "f16" else plain)
    options = list(dict.fromkeys((*usual, st.session_state[key])))
    kv = st.segmented_control(
        "KV cache",
        options,
        key=key,
        required=True,
        help=WORDS["kv_cache"],
    )
    if kv == plain and asked.type_k is None and asked.type_v is None:
        return {}
    first, _, second = (kv or plain).partition(" / ")
    return {"type_k": first, "type_v": second or first}


def _layers(opened: Opened[Question], model: ModelMetadata) -> dict[str, Any]:
    asked = opened.question
    fields: dict[str, Any] = {}
    names = {"auto": "Automatic", "all": "All", "some": "Some"}
    offload = st.segmented_control(
        "Layers on the GPU",
        list(names),
        format_func=names.__getitem__,
        key=seed(opened, "run:offload", "some" if isinstance(asked.gpu_layers, int) else asked.gpu_layers or "auto"),
        required=True,
        help=WORDS["offload"],
    )
    most = model.hyperparameters.block_count + 1
    if offload == "some":
        key = seed(opened, "run:layers", asked.gpu_layers if isinstance(asked.gpu_layers, int) else most)
        st.session_state[key] = min(int(st.session_state[key]), most)
        fields["gpu_layers"] = int(
            st.slider("How many", 0, most, key=key, help=f"{most} in all: its blocks and the output layer.")
        )
    elif offload == "all":
        fields["gpu_layers"] = "all"
    # Automatic placement moves experts by itself; a number of blocks beside it is for those who asked for one.
    if model.hyperparameters.expert_count and most > 1 and (offload != "auto" or asked.cpu_moe_layers):
        key = seed(opened, "run:experts", asked.cpu_moe_layers or 0)
        st.session_state[key] = min(int(st.session_state[key]), most - 1)
        experts = int(
            st.slider(
                "Experts in system memory", 0, most - 1, key=key, help=f"Of how many blocks (--n-cpu-moe). {WORDS['moe']}"
            )
        )
        if experts:
            fields["cpu_moe_layers"] = experts
    return fields


def _more(opened: Opened[Question], runtime: Runtime | None) -> dict[str, Any]:
    asked = opened.question
    fields: dict[str, Any] = {}
    if runtime is None:
        planned = asked.runtime if asked.runtime in LLAMA_RUNTIMES else LLAMA_RUNTIMES[0]
        fields["runtime"] = st.selectbox("Program", LLAMA_RUNTIMES, key=seed(opened, "run:runtime", planned))
    flash = st.selectbox(
        "Flash attention",
        (_PRESET, "auto", "on", "off"),
        format_func=lambda word: "as the program does" if word == _PRESET else word,
        key=seed(opened, "run:flash", asked.flash_attention or _PRESET),
    )
    if flash != _PRESET:
        fields["flash_attention"] = flash
    limits = (
        ("slots", "Slots", _MOST_SLOTS, "Requests answered at the same time."),
        ("ubatch", "Physical batch", _MOST_UBATCH, None),
    )
    for name, label, most, said in limits:
        key = seed(opened, f"run:{name}", getattr(asked, name))
        number = st.number_input(label, 1, most, step=1, value=None, key=key, placeholder="as the program does", help=said)
        if number is not None:
            fields[name] = int(number)
    window = st.selectbox(
        "Sliding-window cache",
        tuple(_WINDOW),
        format_func=_WINDOW.__getitem__,
        key=seed(opened, "run:swa", _PRESET if asked.swa_full is None else "full" if asked.swa_full else "window"),
        help="Of models with a sliding window: whether all of the context is kept in the cache or only the window.",
    )
    if window != _PRESET:
        fields["swa_full"] = window == "full"
    return fields
