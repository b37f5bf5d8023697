"""On a hosted site the hub leads nobody into the network that the site stands in: its redirects must go to public addresses."""

import socket
from collections.abc import Iterator

import pytest

from advisor.errors import HubAnswerError
from advisor.models.sources import public_address
from advisor.models.sources.hub import HubAccess
from advisor.settings import settings
from tests.models.real_files import smollm2
from tests.models.sources.hub_server import Hub
from tests.models.sources.test_hub import SMOL, SMOL_FILE, read


@pytest.fixture(autouse=True)
def _hosted(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    hub.repositories[SMOL] = {SMOL_FILE: smollm2(), "README.md": b"# SmolLM2"}
    monkeypatch.setenv("ADVISOR_HOSTED", "1")
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_the_endpoint_itself_is_the_operators_choice(hub: Hub, access: HubAccess) -> None:
    hub.redirect = False
    assert read(access, SMOL).header_bytes > 0


def test_a_redirect_inside_is_not_followed(hub: Hub, access: HubAccess) -> None:
    """The server of these tests leads to another port of 127.0.0.1, as a hostile hub would lead to a service of the host."""
    hub.redirect = True
    with pytest.raises(HubAnswerError, match="public"):
        read(access, SMOL)
    assert [request for request in hub.asked("resolve", "cdn") if request.range] == []


def test_a_name_that_changes_its_address_is_caught_at_the_answer(
    hub: Hub, access: HubAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked up once it is public, looked up again it is 127.0.0.1."""
    hub.redirect = True
    public = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]

    class LookUp:
        SOCK_STREAM = socket.SOCK_STREAM

        @staticmethod
        def getaddrinfo(*_asked: object, **_more: object) -> object:
            return public

    monkeypatch.setattr(public_address, "socket", LookUp)
    with pytest.raises(HubAnswerError, match="private network"):
        read(access, SMOL)
