"""No test here asks the network, reads the person's token, or leaves anything in their folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from advisor.models.sources.hub import HubAccess
from advisor.models.sources.hub_cache import HubCache
from advisor.models.sources.hub_client import HubLimits
from tests.models.sources.hub_server import Hub, running_hub


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HTTPS_PROXY",
        "OLLAMA_MODELS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_STORED_TOKENS_PATH", str(tmp_path / "stored_tokens"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own-cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as one:
        yield one


@pytest.fixture
def access(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubAccess:
    """What asks `hub`, with a cache of its own and little patience."""
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    return HubAccess(limits=HubLimits(seconds=3.0, pause_s=0.0), cache=HubCache(tmp_path / "cache"))
