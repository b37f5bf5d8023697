"""What is to be run: a model of this disk, the program, and its settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from advisor.errors import HeadroomError
from advisor.machines.here import HERE
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import resolve_model
from advisor.models.sources.files import FoundModel
from advisor.models.sources.here import models_here
from advisor.question import VerifyQuestion
from advisor.ui.run_controls import CONTROLLED, run_controls
from advisor.ui.state import Opened, seed
from advisor.verification import LLAMA_CPP, MLX
from advisor.words import sentence

USUAL_MODEL = "smollm2-135m"
_SERVER = "server"
_BACKENDS = {LLAMA_CPP: "llama.cpp", MLX: "MLX", _SERVER: "Server"}
_USUAL_ADDRESS = "http://127.0.0.1:8080"
_LOOK_S = 1.0
_LEAST_SECONDS, _USUAL_SECONDS, _MOST_SECONDS = 10, 90, 600


@dataclass(frozen=True)
class Choice:
    """The question of this run of the page, or what is wrong with it."""

    question: VerifyQuestion
    complaint: str | None = None


def verify_choice(opened: Opened[VerifyQuestion]) -> Choice:
    """Draw the choice; the question that it makes."""
    asked = opened.question
    served = asked.backend.startswith(("http://", "https://"))
    backend = st.segmented_control(
        "Run by",
        list(_BACKENDS),
        format_func=_BACKENDS.__getitem__,
        key=seed(opened, "verify:backend", _SERVER if served else asked.backend if asked.backend in _BACKENDS else LLAMA_CPP),
        required=True,
        help="By Headroom itself with llama.cpp or MLX, or by a server that is running already.",
    )
    fields: dict[str, Any] = {"backend": backend}
    if backend == _SERVER:
        key = seed(opened, "verify:address", asked.backend if served else _USUAL_ADDRESS)
        fields["backend"] = st.text_input(
            "Its address", key=key, help="llama-server, Ollama, LM Studio, vLLM and others."
        ).strip()
    model = _model(opened, backend or LLAMA_CPP)
    fields["model"] = model
    complaint = None
    if model != asked.model:
        fields["quant"] = None
    found: ModelMetadata | None = None
    try:
        found = resolve_model(model, asked.quant if model == asked.model else None) if model else None
    except HeadroomError as error:
        # A server may know by a name of its own what is not known here.
        complaint = None if backend == _SERVER else sentence(error)
    if found is not None and backend != _SERVER:
        fields |= run_controls(opened, found, HERE.now().profile)
    fields["seconds"] = float(
        st.slider(
            "At most, in seconds",
            _LEAST_SECONDS,
            _MOST_SECONDS,
            key=seed(opened, "verify:seconds", int(min(max(asked.seconds, _LEAST_SECONDS), _MOST_SECONDS))),
            step=10,
            help=f"How long it may measure; {_USUAL_SECONDS} is usual.",
        )
    )
    return _choice(asked, fields, complaint, controlled=found is not None)


def _choice(asked: VerifyQuestion, fields: dict[str, Any], complaint: str | None, *, controlled: bool) -> Choice:
    left_out = {*(CONTROLLED if controlled else ()), "machine", "gpus", "memory_gib", "ram_gib", "bandwidth_gb_s", "unified"}
    kept = asked.model_dump(exclude=left_out, exclude_none=True)
    if not fields["model"]:
        return Choice(asked, "Choose a model, or write the path of its file.")
    try:
        return Choice(VerifyQuestion.parse(kept | fields | {"grade": "formula"}), complaint)
    except HeadroomError as error:
        return Choice(asked, complaint or sentence(error))


def _model(opened: Opened[VerifyQuestion], backend: str) -> str:
    """One of the models of this disk, or whatever is typed: a path, or a name that a server knows."""
    wanted = "mlx" if backend == MLX else "gguf"
    found = {} if backend == _SERVER else {one.text: one.name for one in _here() if one.format == wanted}
    key = seed(opened, "verify:model", opened.question.model)
    kept = st.session_state[key]
    options = list(dict.fromkeys((*filter(None, (kept, opened.question.model)), *found)))
    chosen = st.selectbox(
        "Model",
        options,
        format_func=lambda text: found.get(text) or _short(text),
        key=key,
        accept_new_options=True,
        help="Models that were found on this computer; or type the path of a .gguf file, or of a folder with an MLX model.",
    )
    return (chosen or "").strip()


@st.cache_resource(ttl=60, show_spinner=False)
def _here() -> tuple[FoundModel, ...]:
    return models_here(seconds=_LOOK_S).models


def _short(text: str) -> str:
    """A path by its file's name: the end of a long one is what tells files apart."""
    return Path(text).name if "/" in text or "\\" in text else text
