"""A model of the hub: search or paste, choose a file by its size and verdict. Nothing is asked of the hub before a click."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import streamlit as st

from advisor.errors import HeadroomError, HubAccessError, HubError, QuestionError
from advisor.estimate import estimate_for
from advisor.machines.profile import MachineProfile
from advisor.models.metadata import ModelMetadata
from advisor.models.resolve import resolve_model
from advisor.models.sources.hub_address import HubAddress, endpoint, hub_address, page_of
from advisor.models.sources.hub_files import HubModel, Repository, choose
from advisor.question import Question
from advisor.settings import settings
from advisor.ui.hub_download import download_button
from advisor.ui.inert import inert
from advisor.ui.state import Opened, seed
from advisor.units import format_size
from advisor.words import sentence

if TYPE_CHECKING:
    from advisor.models.sources.hub import SearchHit

T = TypeVar("T")
_ASKED = "hub:asked"
_HITS = "hub:hits"
_WRONG = "hub:wrong"
_MOST_HITS = 20
_FOLDED = 90
_MOST_JUDGED = 200


@dataclass(frozen=True)
class OfHub:
    """The model of this run and the text that names it in a question, or what is to be said instead."""

    model: ModelMetadata | None
    text: str
    complaint: str | None


def hub_picker(opened: Opened[Question], machine: MachineProfile | None) -> OfHub:
    """Draw the search and the files; the model of the chosen file."""
    asked = opened.question.model
    address = _address(asked)
    with st.form("hub:form", border=False):
        text = st.text_input(
            "Search the hub, or paste an address",
            key=seed(opened, "hub:text", asked if address else ""),
            placeholder="qwen3 8b, or owner/repo",
            max_chars=500,
        ).strip()
        clicked = st.form_submit_button("Search", icon=":material/search:", width="stretch")
    if clicked:
        _ask(text)
    if wrong := st.session_state.get(_WRONG):
        return _refused(wrong, text or asked)
    hits = st.session_state.get(_HITS)
    if hits is not None and hits[0] == text:
        address = _of_hits(hits[1], text)
    elif text:
        address = _address(text)
    if address is None:
        return OfHub(None, asked, _next_step(hits, text))
    if not _allowed(address):
        return OfHub(None, f"{address}", f"Click Search to read {address} from {_host()}.")
    return _chosen(opened, address, machine)


def _next_step(hits: "tuple[str, Sequence[SearchHit]] | None", text: str) -> str:
    if hits is None or hits[0] != text:
        return f"Search for a model, or paste its address; it is then read from {_host()}."
    if hits[1]:
        return "Choose one of the repositories that were found."
    return f'Nothing on the hub with GGUF files is called "{text}". Try fewer words, or paste an address.'


def _host() -> str:
    return endpoint().partition("://")[2]


def _address(text: str) -> HubAddress | None:
    try:
        return hub_address(text)
    except QuestionError:
        return None


def _ask(text: str) -> None:
    """What a click on the button asks the hub: the files of a repository, or repositories by words."""
    for name in (_HITS, _WRONG):
        st.session_state.pop(name, None)
    if not text:
        return
    try:
        address = hub_address(text)
        if address is not None:
            _allow(address)
            return
        from advisor.models.sources.hub import the_hub

        with st.spinner("Asking the hub …"):
            st.session_state[_HITS] = (text, the_hub().search(text, limit=_MOST_HITS))
    except HeadroomError as error:
        st.session_state[_WRONG] = error


def _allow(address: HubAddress) -> None:
    st.session_state[_ASKED] = {*st.session_state.get(_ASKED, ()), (address.repo, address.revision)}


def _allowed(address: HubAddress) -> bool:
    return (address.repo, address.revision) in st.session_state.get(_ASKED, ())


def was_asked(text: str) -> bool:
    """Whether the visitor has asked for the repository that `text` names."""
    address = _address(text)
    return address is not None and _allowed(address)


def _of_hits(hits: "Sequence[SearchHit]", text: str) -> HubAddress | None:
    """The repository that was chosen of those found; to choose is to ask for it."""
    if not hits:
        return None
    names = {hit.repo: hit for hit in hits}
    repo = st.selectbox(
        f"{len(hits)} found" if len(hits) < _MOST_HITS else f"The {_MOST_HITS} most downloaded",
        list(names),
        index=None,
        key=f"hub:repo:{text}",
        format_func=lambda name: f"{name}{' (terms to accept)' if names[name].gated else ''}",
        placeholder="Choose a repository",
    )
    address = _address(repo) if repo else None
    if address is not None:
        _allow(address)
    return address


def _chosen(opened: Opened[Question], address: HubAddress, machine: MachineProfile | None) -> OfHub:
    from advisor.models.sources.hub import the_hub

    try:
        with st.spinner("Reading the list of files …"):
            found = the_hub().repository(address.repo, address.revision)
        if found.kind != "gguf":
            return OfHub(resolve_model(f"{address}"), f"{address}", None)
        return _of_files(opened, address, found, machine)
    except HeadroomError as error:
        return _refused(error, f"{address}")


def _of_files(opened: Opened[Question], address: HubAddress, found: Repository, machine: MachineProfile | None) -> OfHub:
    """The file chosen of a repository, each with its size and, from one header, its verdict on the machine."""
    texts = _texts(found)
    files = {text: model for model, text in texts.items() if not model.missing}
    if not files:
        raise QuestionError(f'no model of "{found.repo}" is whole; choose another repository')
    key = f"hub:file:{found.repo}@{found.revision}"
    usual = texts[_usual(found, address)]
    if st.session_state.get(key) not in files:
        st.session_state[key] = usual if usual in files else next(iter(files))
    with st.spinner("Reading the header …"):
        model = resolve_model(st.session_state[key])
        verdicts = _verdicts(opened.question, files, model, st.session_state[key], machine)
    text = st.selectbox(
        "File",
        list(files),
        key=seed(opened, key, st.session_state[key]),
        format_func=lambda text: _label(files[text], verdicts.get(text)),
        help="Size as the hub says it; verdicts are for the machine above, from the header of one file.",
    )
    if text != model.id:
        model = resolve_model(text)
    said = [f"Vision or audio projector beside it: {format_size(file.size)}." for file in found.projectors[:1]]
    if found.gated:
        said.append("Its owner asks for terms to be accepted before the file can be downloaded.")
    for line in said:
        st.caption(inert(line))
    if not settings().hosted:
        download_button(text, files[text].size)
    return OfHub(model, text, None)


def _usual(found: Repository, address: HubAddress) -> HubModel:
    """What the address names, else what llama.cpp would take, else the largest file."""
    try:
        return choose(found, address.tag, address.file)
    except QuestionError:
        if address.tag or address.file:
            raise
        return found.models[-1]


def _texts(found: Repository) -> dict[HubModel, str]:
    """What names each file in a question: by its quantization where no other file has it, else by its path."""
    count = Counter(model.quantization for model in found.models)

    def text(model: HubModel) -> str:
        if found.revision != "main":
            return f"hf://{found.repo}@{found.revision}/{model.parts[0].path}"
        alone = model.quantization and count[model.quantization] == 1
        return f"{found.repo}:{model.quantization}" if alone else f"{found.repo}/{model.parts[0].path}"

    return {model: text(model) for model in found.models}


def _verdicts(
    question: Question, files: dict[str, HubModel], model: ModelMetadata, own: str, machine: MachineProfile | None
) -> dict[str, str]:
    """Whether each file fits the machine, at the context asked for. Files whose quantization is not known have none, nor have
    those beyond the first `_MOST_JUDGED`: a repository may have ten thousand."""
    from advisor.models.sources.hub_models import in_quantization

    if machine is None:
        return {}
    plain = Question(model="any", context=question.context)
    found: dict[str, str] = {}
    for text, file in islice(files.items(), _MOST_JUDGED):
        try:
            sized = model if text == own else in_quantization(model, file.quantization or "", file.size)
            verdict = estimate_for(plain, sized, machine).verdict
        except HeadroomError:
            continue
        if verdict is not None:
            found[text] = verdict.verdict
    return found


def _label(model: HubModel, verdict: str | None) -> str:
    name = model.quantization or model.stem[-_FOLDED:]
    return " · ".join(part for part in (name, format_size(model.size) if model.size else None, verdict) if part)


def _refused(error: HeadroomError, text: str) -> OfHub:
    """What the hub did not give: said on the page; here the way on."""
    address = _address(text)
    if isinstance(error, HubAccessError) and address is not None:
        st.link_button("Open its page", page_of(address.repo), icon=":material/open_in_new:", width="stretch")
    if isinstance(error, HubError):
        st.button("Try again", icon=":material/refresh:", width="stretch", on_click=_forget_refusal, args=(address,))
    return OfHub(None, text, sentence(error))


def _forget_refusal(address: HubAddress | None) -> None:
    st.session_state.pop(_WRONG, None)
    if address is not None:
        _allow(address)
