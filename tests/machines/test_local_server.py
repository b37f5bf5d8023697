"""Servers on this machine: where Ollama's is, and answers that are none."""

import pytest

from advisor.errors import LocalServerError
from advisor.machines.local_server import ask, ollama_server
from tests.models.sources.json_server import json_server


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://localhost:1", "http://localhost:1"),
        ("[::1]:5", "http://[::1]:5"),
        ("192.168.0.9:11434", None),
        ("https://ollama.example", None),
    ],
)
def test_only_this_machine_is_asked(said: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLLAMA_HOST", said)
    assert ollama_server() == expected


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"[" * 100_000, b'{"a":' + b" " * 2**25 + b"1}"])
def test_answers_that_are_none(body: bytes) -> None:
    with json_server({"/api/ps": body}) as server, pytest.raises(LocalServerError):
        ask(f"{server.address}/api/ps", seconds=2)
