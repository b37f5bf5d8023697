"""Models already on this machine, and what is loaded now: looked for in the background, at home only, never waited for."""

import logging
import threading
import time
from dataclasses import dataclass

import streamlit as st

from advisor.machines.loaded import Loaded, loaded_now
from advisor.models.sources.files import FoundModel
from advisor.models.sources.here import models_here
from advisor.paths import pages_folder
from advisor.question import MachineAsked, Question
from advisor.settings import settings
from advisor.ui.inert import inert
from advisor.ui.state import draw_again_when_quiet
from advisor.units import format_size

_FRESH_S = 60.0
_FIRST = 5
_SOURCES = {"ollama": "Ollama", "lm-studio": "LM Studio", "hugging-face": "Hugging Face cache", "folder": "folder"}


@dataclass(frozen=True)
class Here:
    """What was found last."""

    models: tuple[FoundModel, ...] = ()
    loaded: tuple[Loaded, ...] = ()


class _Search:
    """One search for all visitors of this process; the last answer stays until the next one is there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known = Here()
        self._at: float | None = None
        self._running = False

    def known(self) -> tuple[Here, bool]:
        """What is known now, and whether a first answer is still to come. Begins a search where the last one is old."""
        with self._lock:
            old = self._at is None or time.monotonic() - self._at > _FRESH_S
            if old and not self._running:
                self._running = True
                threading.Thread(target=self._look, name="found here", daemon=True).start()
            return self._known, self._at is None

    def _look(self) -> None:
        found = Here()
        try:
            found = Here(models_here().models, loaded_now())
        except Exception:
            logging.getLogger(__name__).exception("the search for models on this machine failed")
        finally:
            with self._lock:
                self._known, self._at, self._running = found, time.monotonic(), False


_SEARCH = _Search()


def here_now() -> tuple[Here, bool]:
    """What is on this machine, as far as it is known, and whether the first search still runs; nothing of it where hosted."""
    return (Here(), False) if settings().hosted else _SEARCH.known()


def label_of(model: FoundModel) -> str:
    """A model in one line."""
    size = format_size(model.size_bytes) if model.size_bytes is not None else "size unknown"
    file = model.quantization or (None if model.format == "gguf" else model.format.replace("mlx", "MLX"))
    return " · ".join(part for part in (model.name, file, size, _SOURCES[model.source]) if part)


def already_here(asked: MachineAsked, context: int | None) -> None:
    """Draw what is loaded now, and the models on this machine as links to the page that plans them."""
    known, pending = here_now()
    if pending:
        _redraw_when_known()
    for one in known.loaded:
        st.caption(inert(f"In use now: {loaded_line(one)}."))
    models = [model for model in known.models if model.format == "gguf"]
    if not models:
        return
    st.subheader("Already on this machine", anchor=False)
    for model in models[:_FIRST]:
        _link(model, asked, context)
    if len(models) > _FIRST:
        with st.expander(f"{len(models) - _FIRST} more"):
            for model in models[_FIRST:]:
                _link(model, asked, context)


def loaded_line(one: Loaded) -> str:
    """What a program holds in memory, in words."""
    if one.memory_bytes is None:
        return f"{one.name} in {one.program}, which does not say how much it takes"
    gpu = f", {format_size(one.gpu_bytes)} of it on the GPU" if one.gpu_bytes else ""
    return f"{one.name} in {one.program}, {format_size(one.memory_bytes)}{gpu}"


def _link(model: FoundModel, asked: MachineAsked, context: int | None) -> None:
    question = Question.parse({**asked.machine_fields(), "model": model.text, "context": context})
    st.page_link(pages_folder() / "model.py", label=inert(label_of(model)), query_params=question.query_fields())


def _redraw_when_known() -> None:
    @st.fragment(run_every=0.4)
    def wait() -> None:
        if not here_now()[1]:
            draw_again_when_quiet()

    wait()
