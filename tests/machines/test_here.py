"""The machine is looked at once a process: quickly first, wholly in the background."""

import threading

from advisor.machines.detect import Detection
from advisor.machines.here import Here
from advisor.machines.profile import MachineProfile


def found(name: str, *, complete: bool) -> Detection:
    return Detection(MachineProfile(id="detected", name=name, kind="cpu", origin="detected"), (), complete, 0.0)


def test_now_does_not_wait_for_slow_probes_and_whole_does() -> None:
    release = threading.Event()

    def slow() -> Detection:
        release.wait(10)
        return found("whole", complete=True)

    here = Here(lambda: found("quick", complete=False), slow)
    assert here.now().profile.name == "quick"
    assert here.pending
    release.set()
    assert here.whole().profile.name == "whole"
    assert here.now().profile.name == "whole"
    assert not here.pending


def test_probes_are_asked_once_until_asked_again() -> None:
    asked: list[int] = []

    def look() -> Detection:
        asked.append(1)
        return found(f"look {len(asked)}", complete=True)

    here = Here(look, look)
    assert [here.whole().profile.name for _ in range(3)] == ["look 1"] * 3
    assert here.again().profile.name == "look 2"


def test_what_another_process_found_is_taken_over_unless_this_one_has_looked() -> None:
    def never() -> Detection:
        raise AssertionError("it was looked at again")

    here = Here(never, never)
    here.adopt(found("handed over", complete=True))
    assert here.now().profile.name == here.whole().profile.name == "handed over"
    assert not here.pending
    here = Here(lambda: found("own", complete=False), lambda: found("own", complete=True))
    here.now()
    here.adopt(found("handed over", complete=True))
    assert here.whole().profile.name == "own"


def test_of_two_looks_at_once_the_newer_is_kept() -> None:
    """The first ended after it and took its place."""
    begun, release = threading.Semaphore(0), [threading.Event() for _ in range(2)]
    asked: list[int] = []

    def look() -> Detection:
        number = len(asked)
        asked.append(number)
        begun.release()
        release[number].wait(60)
        return found(f"look {number}", complete=True)

    here = Here(look, look)
    answers: dict[str, str] = {}
    waits = threading.Thread(target=lambda: answers.update(first=here.whole().profile.name))
    waits.start()
    assert begun.acquire(timeout=60)
    again = threading.Thread(target=lambda: answers.update(again=here.again().profile.name))
    again.start()
    assert begun.acquire(timeout=60)
    release[1].set()
    again.join(60)
    release[0].set()
    waits.join(60)
    assert answers == {"first": "look 1", "again": "look 1"}
    assert here.now().profile.name == "look 1"
