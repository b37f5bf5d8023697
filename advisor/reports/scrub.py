"""Text made fit to be shared: without what says whose machine it was, and without signs that would not be shown as they are.

What a person's machine knows of its owner sits in paths, host and user names, network addresses and serial numbers. They
come into a report through log lines, file names and sentences, so every text of a report goes through here.
"""

import contextlib
import getpass
import ipaddress
import os
import re
import socket
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_EDGE = r"(?:(?<=[\s\"'(\[{<=:,;|])|^)"
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>]+", re.IGNORECASE)
_WORD = r"[^\s@\"'<>,;:()]+"
_EMAIL = re.compile(rf"{_WORD}(?P<found>@{_WORD}\.[\w-]+)?")
"""Any word, and it is an address only where `found` follows: so each word is looked at once, however long it is. So with
`_LOCAL_NAME`."""
_FOLDER = r"[^\s\\/\"'<>|:;,]*(?: [^\s\\/\"'<>|:;,]+){0,2}[\\/]"
"""One folder of a path; people's names, and so their folders, may hold spaces."""
_FILE = r"[^\s\\/\"'<>|:;,]*"
_PATH = re.compile(_EDGE + r"(?:[A-Za-z]:[\\/]|\\\\|~[\w.-]*[\\/]|\.{0,2}/(?=[^\s/]))(?:" + _FOLDER + ")*" + _FILE)
_INNER_PATH = re.compile(
    r"/(?:home|Users|root|mnt|media|srv|var|tmp|opt|private|Volumes)/(?:" + _FOLDER + ")*" + _FILE, re.IGNORECASE
)
_UUID = re.compile(r"\b(?:GPU-|MIG-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_MAC = re.compile(r"\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b", re.IGNORECASE)
_SERIAL = re.compile(r"\bserial(?:[ _-]?(?:number|no)\b\.?\s*(?:[:=#]|is)?|\s*[:=#])\s*[\w-]+", re.IGNORECASE)
_LOCAL_NAME = re.compile(
    r"(?:\w|\b-)[\w-]*(?P<found>\.(?:local|lan|home|internal|localdomain|corp|intranet)\b)?", re.IGNORECASE
)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?(?![\w.]\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f:]*:[0-9a-f:.]*:[0-9a-f:.]*(?:%\w+)?", re.IGNORECASE)
_COMMON = frozenset(("root", "user", "admin", "administrator", "localhost", "localdomain", "ubuntu", "debian", "pi", "home"))
"""Names that belong to nobody in particular; they are words that sentences need."""


def shareable(text: str) -> str:
    """`text` in one line without control signs, paths, web, network and mail addresses, serial numbers and local names."""
    text = printable(text)
    for pattern, shown in (
        (_ADDRESS, "(address)"),
        (_EMAIL, lambda match: "(address)" if match["found"] else match[0]),
        (_UUID, "(id)"),
        (_MAC, "(address)"),
        (_PATH, "(path)"),
        (_INNER_PATH, "(path)"),
        (_SERIAL, "(number)"),
        (_LOCAL_NAME, lambda match: "(host)" if match["found"] else match[0]),
    ):
        text = pattern.sub(shown, text)
    return _IPV6.sub(_if_address, _IPV4.sub(_if_address, text))


def without_names(text: str, names: Iterable[str]) -> str:
    """`text` without these names, where they stand as words of their own."""
    for name in names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", "(name)", text)
    return text


def printable(text: str) -> str:
    """`text` in one line, composed (NFC), without control signs, marks that turn the direction of writing, and surrogates."""
    composed = unicodedata.normalize("NFC", text)
    kept = ("" if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Cn") else sign for sign in " ".join(composed.split()))
    return " ".join("".join(kept).split())


@cache
def own_names() -> tuple[str, ...]:
    """The names of this machine and of its user, longest first; they are taken out of the reports that are made here."""
    names = {socket.gethostname(), socket.gethostname().partition(".")[0], Path.home().name}
    names |= {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "COMPUTERNAME", "HOSTNAME")}
    with contextlib.suppress(OSError, KeyError):  # a user without an entry in the system's list
        names.add(getpass.getuser())
    return tuple(sorted((name for name in names if len(name) > 2 and name.lower() not in _COMMON), key=len, reverse=True))


def _if_address(match: re.Match[str]) -> str:
    """The sign for an address where the digits are one; versions of drivers look alike."""
    text = match[0]
    candidates = (text, text.partition("%")[0], text.rpartition(":")[0])
    for candidate in candidates:
        try:
            ipaddress.ip_address(candidate.strip("."))
        except ValueError:
            continue
        return "(address)"
    return text
