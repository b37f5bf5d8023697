"""What people paste for a model of the hub, as one thing: `HubAddress`. Reads text only; asks nobody."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from advisor.errors import QuestionError

DEFAULT_ENDPOINT = "https://huggingface.co"
MAIN = "main"
_HOSTS = frozenset({"huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"})
_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
# As huggingface_hub.utils.validate_repo_id: letters, digits, "-", "_", "."; no "--", no "..", at most 96 characters.
_REPOSITORY = re.compile(rf"(?P<repo>{_PART}/{_PART})(?::(?P<tag>[^\s:]{{1,200}}))?", re.ASCII)
_NAME = re.compile(_PART, re.ASCII)
_NOT_MODELS = frozenset(
    {"datasets", "spaces", "collections", "papers", "docs", "blog", "buckets", "kernels", "settings", "models", "join", "login"}
)
_VIEWS = frozenset({"blob", "resolve", "raw", "tree", "blame", "edit", "delete", "commits"})
_MOST_TEXT = 2048
_TRUE = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A model repository, and what of it was named."""

    repo: str
    """"owner/name"; of the oldest repositories the name alone ("gpt2")."""
    revision: str = MAIN
    file: str | None = None
    """Path within the repository, always with "/"."""
    tag: str | None = None
    """What stood after ":": a quantization or the name of a file."""

    def __str__(self) -> str:
        if self.file:
            return f"{self.repo}/{self.file}"
        return f"{self.repo}:{self.tag}" if self.tag else self.repo


def endpoint() -> str:
    """The hub's address: HF_ENDPOINT, else huggingface.co. Raises QuestionError where HF_ENDPOINT is no address."""
    text = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or DEFAULT_ENDPOINT
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.username
    except ValueError:
        sound = False
    if not sound:
        raise QuestionError("HF_ENDPOINT is not the address of a hub; it looks like https://huggingface.co", field="model")
    return text


def is_offline() -> bool:
    """Whether huggingface_hub's offline mode is on, by HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in _TRUE


def hub_cache_folder() -> Path:
    """Where huggingface_hub keeps files, by its own variables (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME)."""
    said = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(said or Path(os.environ.get("HF_HOME") or base / "huggingface") / "hub").expanduser()


def hub_address(text: str) -> HubAddress | None:
    """The address in `text`: a web address of the hub, or "owner/name" with or without ":QUANT" or "/file.gguf"; else None.

    Raises QuestionError for an address of the hub at which no model is, and for addresses of other hosts.
    """
    text = text.strip().strip("<>\"'")
    if len(text) > _MOST_TEXT:
        return None
    if text.lower().startswith("hf://"):
        return _of_segments(text[5:], {}, text)
    if is_hub_url(text):
        return _of_url(text)
    if re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
        host = _host(text) or "that host"
        raise QuestionError(
            f'"{text[:80]}" is an address of {host}, and models are read from {_own_host()} only', field="model"
        )
    return _of_name(text)


def is_hub_url(text: str) -> bool:
    """True for an address of the hub, with or without "https://"; of the configured endpoint only with it."""
    if "://" in text:
        return text.lower().startswith("hf://") or _host(text) in _HOSTS | {_own_host()}
    return text.lower().split("/", 1)[0] in _HOSTS and "/" in text


def _host(url: str) -> str | None:
    """Host with port, as addresses have it."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower() or None
    except ValueError:
        return None


def _own_host() -> str:
    return _host(endpoint()) or ""


def _of_url(text: str) -> HubAddress:
    if "://" in text:
        prefix = urlsplit(endpoint()).path.rstrip("/")
        parts = urlsplit(text)
        path = parts.path.removeprefix(prefix) if prefix and _host(text) == _own_host() else parts.path
    else:
        parts = urlsplit(f"https://{text}")
        path = parts.path
    return _of_segments(path.strip("/"), parse_qs(parts.query), text)


def _of_segments(path: str, query: dict[str, list[str]], text: str) -> HubAddress:
    """The model at a path such as "owner/name/blob/main/file.gguf"; `query` may name the file ("?show_file_info=...")."""
    segments = [unquote(segment) for segment in path.split("/") if segment]
    if not segments or segments[0].lower() in _NOT_MODELS or any(segment in (".", "..") for segment in segments):
        raise QuestionError(
            f'"{text[:120]}" is no model of the hub; give the address of a model\'s page or file, or "owner/name"',
            field="model",
        )
    if len(segments) == 1 or segments[1] in _VIEWS:
        repo, rest, tag = segments[0], segments[1:], ""
    else:
        name, _, tag = segments[1].partition(":")
        repo, rest = f"{segments[0]}/{name}", segments[2:]
    revision = MAIN
    if "@" in repo:
        repo, _, revision = repo.partition("@")
    if not all(_NAME.fullmatch(part) for part in repo.split("/")) or "--" in repo or ".." in repo:
        raise QuestionError(f'"{repo[:120]}" is no name of a repository; it looks like "owner/name"', field="model")
    shown = query.get("show_file_info")
    if rest and rest[0] in _VIEWS:
        revision = rest[1] if len(rest) > 1 else MAIN
        inner = rest[2:]
        if rest[0] in ("tree", "commits"):
            # A folder of a repository holds one quantization ("tree/main/Q4_K_M"), so its name is asked for.
            tag = tag or (inner[-1] if inner else "")
            inner = []
    else:
        inner = rest if rest and "." in rest[-1] else []
    file = "/".join(inner) or (shown[0] if shown else "")
    return HubAddress(repo, revision, file or None, tag or None)


def _of_name(text: str) -> HubAddress | None:
    match = _REPOSITORY.fullmatch(text)
    if match is None:
        segments = text.split("/")
        inside = len(segments) > 2 and all(segments) and text.lower().endswith((".gguf", ".json", ".safetensors"))
        if not inside or not all(_NAME.fullmatch(part) for part in segments[:2]) or "\\" in text or ".." in segments:
            return None
        return HubAddress("/".join(segments[:2]), file="/".join(segments[2:]))
    if "--" in match["repo"] or ".." in match["repo"] or match["repo"].lower().endswith((".gguf", ".json", ".safetensors")):
        return None
    return HubAddress(match["repo"], tag=match["tag"])


def page_of(repo: str) -> str:
    """Address of a repository's page."""
    return f"{endpoint()}/{quote(repo)}"
