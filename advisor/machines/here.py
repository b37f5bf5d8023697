"""This machine, looked at once a process: at once what is quick to know, and the rest when it is there."""

import threading
from collections.abc import Callable
from dataclasses import replace

from advisor.machines.detect import Detection, detect, detect_fast
from advisor.machines.held import Held, with_held
from advisor.machines.loaded import held_now
from advisor.settings import only_at_home

_HELD_S = 2.0
"""How long programs that hold models are waited for, beyond the probes that run beside."""
_NOT_OURS = "this site does not look at its own machine; name yours, or describe it by its numbers"


class Here:
    """Detection shared by everything in one process. Thread-safe; `now` never waits for a slow probe."""

    def __init__(
        self,
        quick: Callable[[], Detection] = detect_fast,
        whole: Callable[[], Detection] = detect,
        held: Callable[[], Held] = Held,
    ) -> None:
        self._quick, self._whole, self._held = quick, whole, held
        self._lock = threading.Lock()
        self._found: Detection | None = None
        self._worker: threading.Thread | None = None

    def now(self) -> Detection:
        """What is known now: the quick probes on the first call, everything once the slow ones have answered."""
        only_at_home(_NOT_OURS)
        with self._lock:
            if self._found is None:
                self._found = self._quick()
                self._start()
            return self._found

    @property
    def pending(self) -> bool:
        """True while slow probes are still being asked."""
        return self._worker is not None and self._worker.is_alive()

    def whole(self) -> Detection:
        """All that can be known, within the two seconds that detection may take. Raises QuestionError where hosted."""
        only_at_home(_NOT_OURS)
        with self._lock:
            self._start()
            worker = self._worker
        if worker is not None:
            worker.join()
        with self._lock:
            assert self._found is not None
            return self._found

    def adopt(self, found: Detection) -> None:
        """Take over all that another process found, unless this one has looked already."""
        with self._lock:
            if self._found is None:
                self._found = found

    def again(self) -> Detection:
        """Look anew: memory in use changes, and a card may have been put in. Meanwhile others get what was found before."""
        only_at_home(_NOT_OURS)
        with self._lock:
            self._begin()
        return self.whole()

    def _start(self) -> None:
        if self._worker is None and not (self._found and self._found.complete):
            self._begin()

    def _begin(self) -> None:
        self._worker = threading.Thread(target=self._look, name="detect", daemon=True)
        self._worker.start()

    def _look(self) -> None:
        said: list[Held] = []
        asking = threading.Thread(target=lambda: said.append(self._held()), name="held", daemon=True)
        asking.start()
        found = self._whole()
        asking.join(_HELD_S)
        if said:
            found = replace(found, profile=with_held(found.profile, said[0]))
        with self._lock:
            if self._found is None or self._worker is threading.current_thread():  # an older look may end later
                self._found = found


HERE = Here(held=held_now)
"""The machine that this process runs on."""
