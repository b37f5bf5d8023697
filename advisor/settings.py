"""How this process serves: for the person at this machine, or hosted for visitors from elsewhere. Read from the environment.

`settings()` is the one place that says so; pages, the API and everything that reads this machine's disk ask it.

    ADVISOR_HOSTED            1: nothing of this machine is shown, read or run for a visitor (`advisor serve --hosted`)
    ADVISOR_DATABASE_URL      where reports are kept; without it an SQLite file in the user's data folder
    ADVISOR_BASE_URL          the address that visitors type, for the links of shared reports: https://headroom.example
    ADVISOR_ALLOWED_HOSTS     names that the Host header may have, with commas between; the name in ADVISOR_BASE_URL is one
    ADVISOR_TRUSTED_PROXIES   addresses or networks whose X-Forwarded-For is believed, with commas between
    ADVISOR_RATE_PER_MINUTE   requests that one address may make in a minute (API and report pages), hosted only
    ADVISOR_SESSIONS_PER_ADDRESS  pages that one address may have open at once, hosted only
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from advisor.errors import QuestionError

HOSTED = "ADVISOR_HOSTED"
_MOST = 1_000_000


@dataclass(frozen=True)
class Settings:
    """What was set; None or empty where nothing was."""

    hosted: bool = False
    database_url: str | None = None
    base_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    rate_per_minute: int = 120
    sessions_per_address: int = 60


@cache
def settings() -> Settings:
    """The settings of this process. Raises QuestionError where a variable holds what it cannot."""
    return from_environment(os.environ)


def only_at_home(sentence: str) -> None:
    """Where hosted: raises QuestionError with `sentence`. Called wherever this machine or its disk would be looked at."""
    if settings().hosted:
        raise QuestionError(sentence)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings that `environment` says."""
    base_url = _base_url(environment.get("ADVISOR_BASE_URL", ""))
    hosts = _listed(environment.get("ADVISOR_ALLOWED_HOSTS", ""))
    if base_url:
        hosts = tuple(dict.fromkeys((*hosts, urlsplit(base_url).hostname or "")))
    return Settings(
        hosted=environment.get(HOSTED, "").strip().lower() in ("1", "true", "yes"),
        database_url=environment.get("ADVISOR_DATABASE_URL", "").strip() or None,
        base_url=base_url,
        allowed_hosts=hosts,
        trusted_proxies=_networks(environment.get("ADVISOR_TRUSTED_PROXIES", "")),
        rate_per_minute=_count(environment, "ADVISOR_RATE_PER_MINUTE", Settings.rate_per_minute),
        sessions_per_address=_count(environment, "ADVISOR_SESSIONS_PER_ADDRESS", Settings.sessions_per_address),
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _base_url(text: str) -> str | None:
    text = text.strip().rstrip("/")
    if not text:
        return None
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise QuestionError(f'ADVISOR_BASE_URL "{text[:80]}" is not an address; write it as https://headroom.example')
    return text


def _networks(text: str) -> tuple[str, ...]:
    """Addresses and networks in the form that uvicorn takes."""
    found = []
    for part in _listed(text):
        try:
            found.append(str(ipaddress.ip_network(part, strict=False) if "/" in part else ipaddress.ip_address(part)))
        except ValueError:
            raise QuestionError(
                f'ADVISOR_TRUSTED_PROXIES holds "{part[:60]}", which is no address or network; write 10.0.0.5 or 10.0.0.0/24'
            ) from None
    return tuple(found)


def _count(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, "").strip()
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= _MOST):
        raise QuestionError(f'{name} "{text[:20]}" is not right: it must be a whole number from 1 to {_MOST}')
    return int(text)
