"""Whose address it is."""

import ipaddress


def network_of(text: str) -> str:
    """The part of an address that one customer has: an IPv4 address, or the /64 network of an IPv6 one; else the text, cut."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
