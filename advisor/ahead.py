"""What the first visitor would wait for, made by a second process while the server still starts: the answer for this machine.

To start keeps one core busy for as long as ranking the catalogue takes another.
"""

import multiprocessing
import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, NamedTuple

from advisor.collector import collect_rarely
from advisor.errors import HeadroomError
from advisor.settings import settings

if TYPE_CHECKING:
    from advisor.fit import Fit
    from advisor.machines.detect import Detection
    from advisor.recommend import Recommended

USUAL_CONTEXT = 8192
"""The context that the landing page asks for where nobody chose one."""
USUAL_MACHINES = ("rtx-3060-12gb", "m3-max-40")
"""Of the kinds that most will ask for: layouts depend on the kind of GPU, not on its size. The first, a modest card, is what a
hosted site shows to a visitor who has named none."""
FIRST_VISIT_S = 2.0
"""How long a visitor who comes at once takes to see the first page whole. The browser needs the cores; what others will ask for
is left until then."""
BROWSER_STARTS_S = 0.8
"""How long the browser's own start needs both of two cores: the first answer stands there sooner if nothing else is done."""
_LONGEST_S = 20.0


class First(NamedTuple):
    """The first answer, and what this machine was found to be; hosted, None."""

    fit: "Fit"
    found: "Detection | None"


class Ahead:
    """The second process. It ends by itself, and with this one."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_begin, args=(sender,), name="ahead", daemon=True)
        self._process.start()
        sender.close()

    def first(self) -> First | None:
        """Wait for the first answer; None where the process could not give it, for whatever reason."""
        found = self._next()
        return found if isinstance(found, First) else None

    def recommended(self) -> "Recommended | None":
        """Wait for what is recommended there, after `first`."""
        from advisor.recommend import Recommended

        found = self._next()
        return found if isinstance(found, Recommended) else None

    def take_over_layouts(self) -> bool:
        """Wait for the next layouts that were made on the way, this machine's first, and keep them; False where there are no
        more. Asked last: what nobody has asked for before is passed over."""
        from advisor.memory.compute import LAYOUTS

        while (found := self._next()) is not None:
            if isinstance(found, dict):
                LAYOUTS.update(found)
                return True
        return False

    def end(self) -> None:
        """Leave nothing of it behind, wherever it is: one that is through would stay in the system's list of processes."""
        self._process.kill()
        self._process.join()
        self._receiver.close()

    def _next(self) -> object:
        try:
            return self._receiver.recv() if self._receiver.poll(_LONGEST_S) else None
        except (EOFError, OSError):
            return None  # it is through, or was ended from outside


def _begin(sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C at the terminal is for the server
    with suppress(HeadroomError, OSError):
        _work(sender)


def _work(sender: Connection) -> None:
    from advisor.fit import fit_for, laid_out_whole
    from advisor.machines.here import HERE
    from advisor.machines.library import find_machine
    from advisor.memory.compute import LAYOUTS
    from advisor.question import FitQuestion, RecommendQuestion
    from advisor.recommend import recommend_for

    collect_rarely()
    question, found = FitQuestion(context=USUAL_CONTEXT), None
    machine = find_machine(USUAL_MACHINES[0])
    if not settings().hosted:
        laid_out_whole(question, HERE.now().profile)  # while slow probes are asked
        found = HERE.whole()
        machine = found.profile
    sender.send(First(fit_for(question, machine, in_part=False), found))
    until = time.monotonic() + FIRST_VISIT_S
    time.sleep(BROWSER_STARTS_S)
    sender.send(recommend_for(RecommendQuestion(context=USUAL_CONTEXT), machine))
    sender.send(LAYOUTS)
    time.sleep(max(0.0, until - time.monotonic()))
    for name in USUAL_MACHINES:
        sent = set(LAYOUTS)
        laid_out_whole(question, find_machine(name))
        sender.send({asked: layout for asked, layout in LAYOUTS.items() if asked not in sent})
        if hasattr(os, "nice"):
            os.nice(10)  # what follows is worth less than what visitors may be asking meanwhile
