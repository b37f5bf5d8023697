"""Loaded by any Python with this folder on its path: connections but those to this machine are refused and written down."""

import ipaddress
import os
import socket
from pathlib import Path

_REPORT = Path(os.environ["HEADROOM_REFUSED"])


def _is_here(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "", None)


def _refuse(what, host):
    with _REPORT.open("a") as report:
        report.write(f"{what} {host}\n")
    raise ConnectionRefusedError(f"{what} to {host}: no network in this test")


class _Socket(socket.socket):
    def _check(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            _refuse("connect", address[0])

    def connect(self, address):
        self._check(address)
        return super().connect(address)

    def connect_ex(self, address):
        self._check(address)
        return super().connect_ex(address)

    def sendto(self, data, *rest):
        self._check(rest[-1])
        return super().sendto(data, *rest)


_getaddrinfo = socket.getaddrinfo


def _resolve(host, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    if not _is_here(name) and name != socket.gethostname():
        _refuse("resolve", name)
    return _getaddrinfo(host, *rest, **more)


socket.socket = _Socket
socket.getaddrinfo = _resolve
