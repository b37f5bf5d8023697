"""Runs that end badly, and in between: what they leave, and that nothing of them is left."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest

from advisor.errors import QuestionError
from advisor.verify.held import Held, held_by
from advisor.verify.job import Job
from advisor.verify.progress import Ended
from advisor.verify.protocol import RunError, RunRequest
from advisor.verify.sampler import Reading
from advisor.verify.turns import queue, turn
from advisor.verify.watchdog import Limits
from tests.waiting import until, wall_clock

FAKE = Path(__file__).with_name("fake_worker.py")
GIB = 2**30
PLENTY = Reading(available_bytes=8 * GIB, capacity_bytes=16 * GIB, swap_bytes=0, pressure=0.0, gpu_bytes=None)
REQUEST = RunRequest("llama-cpp", "model.gguf")


class Scripted:
    """A machine whose readings are given, the last one for ever."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)
        self.pids: list[int] = []

    def reading(self) -> Reading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def held(self, pid: int) -> Held | None:
        self.pids.append(pid)
        return held_by(pid)


def job(how: str, tmp_path: Path, machine: Scripted | None = None, **more) -> Job:
    """A run of the fake worker that behaves in this way."""
    command = (sys.executable, str(FAKE), how)
    return Job("a model", lambda _: REQUEST, machine=machine or Scripted(PLENTY), command=command, folder=tmp_path, **more)


def reaches(run: Job, stage: str, seconds: float = 60.0) -> None:
    until(lambda: run.progress.stage == stage, seconds)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def all_gone(pids: Iterable[int]) -> None:
    """Back once these processes have ended, fails where one goes on."""
    for pid in pids:
        until(lambda pid=pid: not alive(pid), 30)


def test_a_good_run_leaves_its_result_its_samples_and_nothing_else(tmp_path):
    machine = Scripted(PLENTY)
    ended = job("good", tmp_path, machine).start().wait(60)
    assert (ended.stage, ended.failures) == ("done", ())
    assert [trial.rate for trial in ended.result.prompt] == [512.0, 256.0]
    # The fake writes 64 MiB after its baseline; the interpreter itself does not count.
    assert 60 << 20 < ended.process_peak_bytes < 80 << 20
    assert {sample.stage for sample in ended.samples} >= {"loading"}
    assert [sample.t_s for sample in ended.samples] == sorted(sample.t_s for sample in ended.samples)
    assert not any(alive(pid) for pid in set(machine.pids))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("how", "kind", "said"),
    [
        ("kill", "killed", "was killed from outside (SIGKILL)"),
        ("crash", "crash", "crashed (SIGSEGV)"),
        ("no memory", "out of memory", "needed more memory"),
        ("refuses", "wrong file", "unknown model architecture"),
        ("nonsense", "crash", "exit code 3"),
    ],
)
def test_a_bad_end_is_a_result_with_the_last_lines_of_the_log(how, kind, said, tmp_path):
    machine = Scripted(PLENTY)
    ended = job(how, tmp_path, machine).start().wait(60)
    last = ended.failures[-1]
    assert (ended.stage, ended.result, last.kind) == ("failed", None, kind)
    assert said in last.message
    assert "load_tensors: a line of the log" in last.log
    all_gone(machine.pids)


def test_a_crash_in_the_cpus_own_layout_is_tried_again_without_it(tmp_path):
    """The AMX trap: the first llama_decode dies, and a fresh process without extra buffers works."""
    ended = job("crash once", tmp_path).start().wait(60)
    assert ended.stage == "done"
    assert ended.request.extra_bufts is False
    assert [failure.kind for failure in ended.failures] == ["crash"]


def test_a_crash_is_tried_again_once_only(tmp_path):
    ended = job("crash", tmp_path).start().wait(60)
    assert [failure.kind for failure in ended.failures] == ["crash", "crash"]


def test_kill_9_of_the_worker_ends_the_run_with_a_reason(tmp_path):
    machine = Scripted(PLENTY)
    run = job("hang", tmp_path, machine).start()
    reaches(run, "loading")
    os.kill(machine.pids[-1], signal.SIGKILL)
    ended = run.wait(60)
    assert ended.failures[0].kind == "killed"


@wall_clock
def test_cancel_ends_everything_within_two_seconds(tmp_path):
    machine = Scripted(PLENTY)
    run = job("forks", tmp_path, machine).start()
    reaches(run, "loading")
    worker = psutil.Process(machine.pids[-1])
    until(worker.children)
    children = [child.pid for child in worker.children()]
    start = time.monotonic()
    run.cancel()
    ended = run.wait(2)
    assert time.monotonic() - start < 2
    assert (ended.stage, ended.failures) == ("cancelled", ())
    all_gone((*machine.pids, *children))


def test_cancel_in_the_queue(tmp_path):
    first, second = job("hang", tmp_path), job("hang", tmp_path)
    first.start()
    reaches(first, "loading")
    second.start()
    until(lambda: second.progress.ahead)
    assert second.progress.ahead == ("a model",)
    assert queue(tmp_path) == ("a model", "a model")
    second.cancel()
    assert second.wait(60).stage == "cancelled"
    first.cancel()
    assert first.wait(60).stage == "cancelled"
    assert queue(tmp_path) == ()


def test_one_run_at_a_time_in_the_order_in_which_they_came(tmp_path):
    first, second = job("good", tmp_path), job("good", tmp_path)
    first.start()
    reaches(first, "loading")
    second.start()
    one, two = first.wait(60), second.wait(60)
    assert two.started_at >= one.started_at + one.seconds - 0.3


@pytest.mark.parametrize("how", ["good", "kill"])
def test_what_a_run_made_for_itself_goes_before_the_next_ones_turn(how, tmp_path):
    """Files of slices have the same names in every run."""
    seen = []

    def prepare(run: Job) -> RunRequest:
        run.held.callback(lambda: seen.append(queue(tmp_path)))
        return REQUEST

    command = (sys.executable, str(FAKE), how)
    run = Job("a model", prepare, machine=Scripted(PLENTY), command=command, folder=tmp_path).start()
    run.wait(60)
    assert seen == [("a model",)]
    assert queue(tmp_path) == ()


def test_a_crash_of_slices_in_the_cpus_own_layout_is_tried_again_too(tmp_path):
    command = (sys.executable, str(FAKE), "crash once")
    request = RunRequest("slices", "folder")
    ended = Job("a slice", lambda _: request, machine=Scripted(PLENTY), command=command, folder=tmp_path).start().wait(60)
    assert (ended.stage, ended.request.extra_bufts) == ("done", False)


def test_a_turn_ends_with_its_process_and_what_it_left_is_cleared_away(tmp_path):
    """A holder that was killed must not block the machine for ever."""
    old = tmp_path / f"{1:020d}-0-long%20gone.turn"
    old.touch()
    code = "import sys, time\nfrom pathlib import Path\nfrom advisor.verify.turns import turn\n"
    code += (
        "with turn('other', waiting=lambda _: None, folder=Path(sys.argv[1])):\n print('held', flush=True)\n time.sleep(600)"
    )
    root = Path(__file__).resolve().parents[2]
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root)
    assert other.stdout.readline() == "held\n"
    assert queue(tmp_path) == ("other",)
    other.kill()
    other.wait()
    other.stdout.close()
    waited: list[tuple[str, ...]] = []
    with turn("mine", waiting=waited.append, folder=tmp_path):
        assert queue(tmp_path) == ("mine",)
    assert not old.exists()


def test_the_watchdog_ends_a_run_before_memory_is_gone(tmp_path):
    low = Reading(available_bytes=GIB // 3, capacity_bytes=16 * GIB, swap_bytes=0, pressure=0.0, gpu_bytes=None)
    machine = Scripted(PLENTY, PLENTY, PLENTY, low)
    ended = job("hang", tmp_path, machine, limits=Limits(GIB // 2)).start().wait(60)
    assert ended.failures[0].kind == "watchdog"
    assert "341 MiB of memory were left" in ended.failures[0].message
    all_gone(machine.pids)


def test_a_worker_that_says_nothing_is_ended(tmp_path):
    machine = Scripted(PLENTY)
    ended = job("hang", tmp_path, machine, silent_s=1.0).start().wait(60)
    assert ended.failures[0].kind == "time"
    all_gone(machine.pids)


def test_the_time_left_counts_down_between_what_the_worker_says(tmp_path):
    run = job("hang", tmp_path).start()
    reaches(run, "loading")
    began = time.monotonic()
    first = run.progress.left_s
    time.sleep(0.3)
    assert run.progress.left_s <= first - 0.29
    assert run.progress.left_s >= first - (time.monotonic() - began) - 0.01
    run.cancel()
    run.wait(60)


def test_a_dead_parent_takes_the_worker_with_it(tmp_path):
    """kill -9 of the program: nobody is left to end the worker, so it ends by itself."""
    code = (
        "import sys, time\nfrom pathlib import Path\nsys.path.insert(0, sys.argv[2])\n"
        "from tests.verify.test_job import job, Scripted, PLENTY, reaches\n"
        "machine = Scripted(PLENTY)\nrun = job('hang', Path(sys.argv[1]), machine).start()\nreaches(run, 'loading')\n"
        "print(machine.pids[-1], flush=True)\ntime.sleep(600)"
    )
    root = Path(__file__).resolve().parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), str(root)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    all_gone([pid])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RunError("disk", "the disk is full"), "disk"),
        (QuestionError("no such model"), "refused"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (OSError(errno.EACCES, "Permission denied"), "crash"),
        (TypeError("a fault of ours"), "crash"),
    ],
)
def test_what_goes_wrong_before_the_worker_is_a_result_too(error, kind, tmp_path):
    def prepare(_: Job) -> RunRequest:
        raise error

    ended = Job("a model", prepare, machine=Scripted(PLENTY), folder=tmp_path).start().wait(60)
    assert (ended.stage, ended.failures[0].kind, ended.samples) == ("failed", kind, ())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_run_ends_also_where_what_follows_it_breaks(tmp_path):
    """Whoever waited for it waited for ever."""

    def broken(_: Ended) -> None:
        raise TypeError("a fault of ours")

    command = (sys.executable, str(FAKE), "good")
    run = Job("a model", lambda _: REQUEST, machine=Scripted(PLENTY), command=command, folder=tmp_path, on_end=broken)
    assert run.start().wait(60).stage == run.progress.stage == "done"


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    """A full disk or a file in the way: the run fails with a sentence, before anything is started."""
    (tmp_path / "file").write_text("")
    ended = Job("a model", lambda _: REQUEST, machine=Scripted(PLENTY), folder=tmp_path / "file").start().wait(60)
    assert ended.failures[0].kind == "missing part"
    assert "make room or make it writable" in ended.failures[0].message
