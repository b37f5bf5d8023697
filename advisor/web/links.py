"""Addresses of this server as visitors know them, and who may see its figures."""

import ipaddress

from starlette.requests import HTTPConnection

from advisor.settings import settings


def base_of(request: HTTPConnection) -> str:
    """The address that visitors type: ADVISOR_BASE_URL, else the one that this request was sent to."""
    return settings().base_url or f"{request.url.scheme}://{request.url.netloc}"


def link_of(id_: str, base: str) -> str:
    """The link of a shared report."""
    return f"{base}/r/{id_}"


def is_operator(address: str) -> bool:
    """Whether whoever asks from `address` runs this server: on it, or on a trusted proxy."""
    try:
        asking = ipaddress.ip_address(address)
    except ValueError:
        return False
    networks = (ipaddress.ip_network(text, strict=False) for text in settings().trusted_proxies)
    return asking.is_loopback or any(asking in network for network in networks)
