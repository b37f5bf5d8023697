"""Many visitors at once: 200 sessions that ask, change a slider and look at reports, on one hosted process of two cores.

Each session is a websocket that speaks Streamlit's own messages, as the browser does. A visitor acts once in 8 s on average,
after pauses of random length (exponential): of ten actions seven move the slider, one asks about another model and machine, and
two open a report, from which the next action leads back to the model. All visitors together take about 2 ms of processor time
for an answer, printed too, beside the server's. The wait is from a message to the end of
the run that it asks for, as the visitor's connection sees it. Prints waits, refused sessions, memory, and the server's own
processor time for a rerun, which other programs on the machine do not spoil. `--assert` ends with 1 where a limit is not kept:
95 % of reruns under 250 ms, nobody refused, under 400 MiB.

Run as `python -m benchmarks.load [--sessions N] [--seconds S] [--think S] [--assert]` from the root of the checkout.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
LIMIT_MS, LIMIT_MIB = 250, 400
MODELS = ("llama-3.1-8b", "qwen3-14b", "gpt-oss-20b", "qwen3-30b-a3b", "gemma-3-12b", "llama-3.3-70b")
MACHINES = ("rtx-4090", "rtx-3060-12gb", "m4-max-40", "rx-7900-xtx", "m2-8")
SLIDER = "run:context"
REPORTS = 40
_PATIENCE_S = 60


@dataclass
class Waits:
    """Milliseconds by kind of rerun, and what went wrong."""

    first: list[float] = field(default_factory=list)
    by_kind: dict[str, list[float]] = field(default_factory=lambda: {"ask": [], "slider": [], "report": []})
    refused: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def reruns(self) -> list[float]:
        """All but the first answer of a session."""
        return [wait for waits in self.by_kind.values() for wait in waits]


class Visitor:
    """One session."""

    def __init__(self, address: str, connection: ClientConnection, chance: random.Random) -> None:
        self._address, self._connection, self._chance = address, connection, chance
        self._slider: tuple[str, list[str]] | None = None
        self._hashes: dict[str, str] = {}

    async def open(self, page: str, query: str) -> None:
        """Ask by an address, as a link does."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = page
        message.rerun_script.page_script_hash = self._hashes.get(page, "")
        await self._run(message)

    async def move_slider(self) -> None:
        """Choose another context on the Model page."""
        assert self._slider is not None, "the page has no slider"
        message = BackMsg()
        widget = message.rerun_script.widget_states.widgets.add()
        widget.id, options = self._slider
        widget.string_array_value.data.append(self._chance.choice(options))
        message.rerun_script.query_string = ""
        message.rerun_script.page_script_hash = self._hashes.get("model", "")
        await self._run(message)

    async def _run(self, message: BackMsg) -> None:
        message.rerun_script.context_info.url = self._address
        await self._connection.send(message.SerializeToString())
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                data = await self._connection.recv()
                assert isinstance(data, bytes)
                if self._read(ForwardMsg.FromString(data)):
                    return

    def _read(self, message: ForwardMsg) -> bool:
        """Keep what later messages need; True at the end of a run."""
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self._hashes |= {page.url_pathname: page.page_script_hash for page in message.navigation.app_pages}
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "slider":
            slider = message.delta.new_element.slider
            if slider.id.endswith(SLIDER):
                self._slider = (slider.id, list(slider.options))
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
            raise RuntimeError(message.delta.new_element.exception.message)
        return kind == "script_finished" and message.script_finished in (
            ForwardMsg.FINISHED_SUCCESSFULLY,
            ForwardMsg.FINISHED_EARLY_FOR_RERUN,
        )


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """A hosted Headroom on two cores with some reports; its address and process id."""
    url = f"sqlite:///{folder / 'reports.sqlite'}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    more = {"ADVISOR_DATABASE_URL": url, "ADVISOR_RATE_PER_MINUTE": "1000000", "ADVISOR_SESSIONS_PER_ADDRESS": "100000"}
    command = [sys.executable, "-m", "advisor", "serve", "--hosted", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT), **more}
        )
    try:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(process.pid, sorted(os.sched_getaffinity(0))[:2])
        while f"127.0.0.1:{port}" not in (folder / "log").read_text():
            if process.poll() is not None:
                sys.exit((folder / "log").read_text())
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(20)


def some_reports(folder: Path) -> list[str]:
    """Ids of reports that were put into the server's store before it starts."""
    from advisor.reports.store import open_store
    from tests.reports.examples import measured

    kept = open_store(f"sqlite:///{folder / 'reports.sqlite'}")
    ids = [kept.add(measured(tps=100.0 + index), listed=True).id for index in range(REPORTS)]
    kept.engine.dispose()
    return ids


async def session(address: str, number: int, ids: list[str], options: argparse.Namespace, waits: Waits) -> None:
    """One visitor: asks, changes the slider, looks at a report and comes back, with pauses, until the time is over."""
    chance = random.Random(number)
    await asyncio.sleep(number * options.think / options.sessions * 2)
    host = urlsplit(address).netloc
    try:
        async with connect(
            f"ws://{host}/_stcore/stream",
            origin=address,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=2**26,
            compression=None,
            open_timeout=_PATIENCE_S,
        ) as connection:
            visitor = Visitor(address, connection, chance)
            await _visit(visitor, chance, ids, options, waits)
    except (WebSocketException, OSError, TimeoutError, RuntimeError) as error:
        waits.refused += 1
        waits.failed.append(f"{type(error).__name__}: {error}"[:120])


async def _visit(visitor: Visitor, chance: random.Random, ids: list[str], options: argparse.Namespace, waits: Waits) -> None:
    until = time.monotonic() + options.seconds
    question = f"model={chance.choice(MODELS)}&machine={chance.choice(MACHINES)}&ram_gib=64"
    waits.first.append(await _timed(visitor.open("model", question)))
    at_model = True
    while time.monotonic() < until:
        await asyncio.sleep(chance.expovariate(1 / options.think))
        kind = chance.choices(("slider", "ask", "report"), (7, 1, 2))[0]
        if kind == "report":
            wait = await _timed(visitor.open("report", f"id={chance.choice(ids)}"))
            at_model = False
        elif kind == "ask" or not at_model:
            kind = "ask"
            question = f"model={chance.choice(MODELS)}&machine={chance.choice(MACHINES)}&ram_gib=64"
            wait = await _timed(visitor.open("model", question))
            at_model = True
        else:
            wait = await _timed(visitor.move_slider())
        waits.by_kind[kind].append(wait)


async def _timed(running: object) -> float:
    began = time.perf_counter()
    await running  # type: ignore[misc]
    return 1000 * (time.perf_counter() - began)


async def everybody(address: str, ids: list[str], options: argparse.Namespace) -> Waits:
    """All sessions together."""
    waits = Waits()
    await asyncio.gather(*(session(address, number, ids, options, waits) for number in range(options.sessions)))
    return waits


def summary(waits: list[float]) -> str:
    """Median, 95th percentile and number."""
    if not waits:
        return "none"
    return f"median {statistics.median(waits):6.0f} ms   95 % under {_p95(waits):6.0f} ms   {len(waits):6} reruns"


def _p95(waits: list[float]) -> float:
    return sorted(waits)[int(0.95 * (len(waits) - 1))]


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, default=8, help="mean pause of a visitor between two actions, in seconds")
    parser.add_argument("--assert", dest="strict", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ids = some_reports(folder)
        with server(folder) as (address, pid):
            time.sleep(12)  # what the first visitor would wait for is imported by then
            process = psutil.Process(pid)
            before, began, own = process.cpu_times(), time.monotonic(), time.process_time()
            waits = asyncio.run(everybody(address, ids, options))
            took, after, own = time.monotonic() - began, process.cpu_times(), time.process_time() - own
            memory = process.memory_info().rss / 2**20
            said = (folder / "log").read_text()
    cpu = (after.user + after.system) - (before.user + before.system)
    answers = len(waits.reruns) + len(waits.first)
    print(f"{options.sessions} sessions, one action in {options.think:g} s each, for {took:.0f} s")
    print(f"{'first answer':14} {summary(waits.first)}")
    for kind, found in waits.by_kind.items():
        print(f"{kind:14} {summary(found)}")
    print(f"{'all reruns':14} {summary(waits.reruns)}")
    print(f"refused {waits.refused}; memory {memory:.0f} MiB; {answers / took:.1f} answers a second")
    each = 1000 / max(answers, 1)
    print(f"processor time of the server: {each * cpu:.1f} ms an answer, {cpu / took:.2f} cores busy")
    print(f"processor time of all visitors: {each * own:.1f} ms an answer")
    for line in sorted(set(waits.failed))[:5]:
        print(f"  {line}")
    if "Error" in said:
        print(said[-1500:])
    kept = bool(waits.reruns) and _p95(waits.reruns) < LIMIT_MS and not waits.refused and memory < LIMIT_MIB
    print(json.dumps({"p95_ms": round(_p95(waits.reruns)) if waits.reruns else None, "kept": kept}))
    return int(options.strict and not kept)


if __name__ == "__main__":
    sys.exit(main())
