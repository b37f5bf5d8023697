"""What a process holds in memory now."""

import contextlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from advisor.units import KIB

_STATUS = re.compile(r"^(RssAnon|RssFile|RssShmem):\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds in memory."""

    anonymous_bytes: int
    file_bytes: int

    def less(self, start: "Held") -> "Held":
        """What was added since `start`."""
        return Held(max(0, self.anonymous_bytes - start.anonymous_bytes), max(0, self.file_bytes - start.file_bytes))


def held_by(pid: int) -> Held | None:
    """Resident memory of one process; None where it is gone. Only Linux tells the pages of files apart."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            sizes = {name: int(size) * KIB for name, size in _STATUS.findall(text)}
            if sizes:
                return Held(sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0), sizes.get("RssFile", 0))
    with contextlib.suppress(psutil.Error):
        return Held(psutil.Process(pid).memory_info().rss, 0)
    return None
