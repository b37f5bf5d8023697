"""Which addresses of the internet are public: a hosted site follows nobody into the network that it stands in."""

import ipaddress
import socket

from advisor.errors import HubAnswerError


def is_public(address: str) -> bool:
    """Whether an IP address can be reached from anywhere: not loopback, private, link-local, shared, multicast or reserved.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, Teredo, NAT64) is as public as that one.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is None and found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""RFC 6052."""


def refuse_private(host: str, port: int | None, what: str) -> None:
    """Raises HubAnswerError where `host`, an address or a name, is not public by every address that it has."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port or 443, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        found = set()
    if not found or not all(is_public(address) for address in found):
        raise HubAnswerError(f"the hub led to {host[:80]} for {what}, which is no public address and is not followed")
