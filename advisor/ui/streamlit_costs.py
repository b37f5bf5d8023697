"""What Streamlit does many times in a rerun although once would do, done once. Nothing that a page or a visitor sees changes.

Measured on the Model page, which sends 77 messages and draws 17 widgets: a third of the processor time of a rerun. Each part is
a function of Streamlit's own, replaced by one with the same result, so they hold for the version that they were read in
(`READ_IN`); under another version Streamlit stays as it is.
"""
# ruff: noqa: SLF001 - what is replaced is private

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import streamlit
from streamlit import config
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.runtime import Runtime
from streamlit.runtime.state.safe_session_state import SafeSessionState

READ_IN = "1.67.0"
_KEPT = "_headroom_waiting"


def spare() -> None:
    """Put the cheaper functions in place, for the whole process."""
    if streamlit.__version__ != READ_IN:
        logging.getLogger(__name__).info("Streamlit %s is not %s: its reruns cost more", streamlit.__version__, READ_IN)
        return
    setattr(SafeSessionState, "filtered_state", property(Values))  # noqa: B010 - mypy knows no other way to replace them
    setattr(AppSession, "_call_soon_on_event_loop", _call_soon)  # noqa: B010
    setattr(Runtime, "_enqueued_some_message", _enqueued_some_message)  # noqa: B010
    setattr(app_session, "_populate_theme_msg", _themed(app_session._populate_theme_msg))  # noqa: B010


class Values(Mapping[str, Any]):
    """The values of a session by key, each looked up when it is asked for (session_state.py:708-733).

    Every selectbox, number input and text input asks for its own value only. Streamlit collects those of all widgets for each,
    and makes a new class for each browser component among them.
    """

    def __init__(self, state: SafeSessionState) -> None:
        self._state = state

    def __getitem__(self, key: str) -> Any:
        with self._state._lock:
            return self._state._state[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __str__(self) -> str:
        return str(self._all())

    def _all(self) -> dict[str, Any]:
        with self._state._lock:
            return self._state._state.filtered_state


class _Waiting:
    """What a session's script has for the event loop, in order."""

    def __init__(self) -> None:
        self.callbacks: deque[Callable[[], None]] = deque()
        self.lock = threading.Lock()
        self.called = False


def _call_soon(session: AppSession, callback: Callable[[], None]) -> None:
    """As app_session.py:970-982, but the loop is woken once for all that waits, not for each message.

    To wake it is a system call that gives up the interpreter's lock: the script would stop at every element of its page.
    """
    waiting: _Waiting = vars(session).get(_KEPT) or vars(session).setdefault(_KEPT, _Waiting())
    loop = session._event_loop
    with waiting.lock:
        waiting.callbacks.append(callback)
        if waiting.called:
            return
        waiting.called = True
    try:
        loop.call_soon_threadsafe(_run, waiting, loop)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _run(waiting: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
    with waiting.lock:
        callbacks = list(waiting.callbacks)
        waiting.callbacks.clear()
        waiting.called = False
    for callback in callbacks:
        try:
            callback()
        except Exception as error:  # noqa: BLE001 - as the loop itself: the others are still called
            loop.call_exception_handler({"message": f"Exception in callback {callback!r}", "exception": error})


def _enqueued_some_message(runtime: Runtime) -> None:
    """As runtime.py:897-908: the loop that sends messages is told once, until it looks again."""
    found = runtime._get_async_objs()
    if not found.need_send_data.is_set():
        found.eventloop.call_soon_threadsafe(found.need_send_data.set)


def _themed(populate: Callable[..., None]) -> Callable[..., None]:
    """As app_session.py:1649: each run of a page sends the theme, which is put together anew only where its options changed."""
    kept: dict[str, tuple[dict[str, Any], CustomThemeConfig]] = {}

    def populated(message: CustomThemeConfig, section: str = "theme") -> None:
        options = config.get_options_for_section(section)
        if section not in kept or kept[section][0] != options:
            made = CustomThemeConfig()
            populate(made, section)
            kept[section] = (options, made)
        if kept[section][1].ByteSize():
            message.MergeFrom(kept[section][1])

    return populated
