"""What Streamlit is spared gives what Streamlit's own gives."""

import asyncio
import threading
from functools import partial
from types import SimpleNamespace

import streamlit
from anyio.from_thread import start_blocking_portal
from streamlit import config
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.state import SafeSessionState, SessionState

from advisor.serve import server_options
from advisor.ui.streamlit_costs import READ_IN, Values, _call_soon, _enqueued_some_message, _themed


def test_the_installed_streamlit_is_the_one_that_was_read():
    """Where this fails: read the functions that it replaces again, and then raise READ_IN."""
    assert streamlit.__version__ == READ_IN


def state_with(**values):
    state = SafeSessionState(SessionState(), lambda: None)
    for key, value in values.items():
        state[key] = value
    return state


def test_values_are_those_of_the_session():
    state = state_with(context=8192, name="", nothing=None)
    values, whole = Values(state), state.filtered_state
    assert dict(values) == whole == {"context": 8192, "name": "", "nothing": None}
    assert len(values) == 3
    assert str(values) == str(whole)
    assert "nothing" in values
    assert values["nothing"] is None
    assert "absent" not in values


class Loop:
    """Counts how often it is woken, and runs nothing before it is told to."""

    def __init__(self, *, closed=False):
        self.woken, self.complaints, self._closed = [], [], closed

    def call_soon_threadsafe(self, callback, *arguments):
        if self._closed:
            raise RuntimeError("Event loop is closed")
        self.woken.append((callback, arguments))

    def call_exception_handler(self, context):
        self.complaints.append(context["exception"])

    def is_closed(self):
        return self._closed

    def run(self):
        woken, self.woken = self.woken, []
        for callback, arguments in woken:
            callback(*arguments)


def test_what_waits_is_handed_over_in_order_and_at_once():
    loop, done = Loop(), []
    session = SimpleNamespace(_event_loop=loop)
    for number in range(70):
        _call_soon(session, lambda number=number: done.append(number))
    assert len(loop.woken) == 1
    loop.run()
    _call_soon(session, lambda: done.append(70))
    loop.run()
    assert done == list(range(71))


def test_one_that_fails_does_not_stop_the_others():
    loop, done = Loop(), []
    session = SimpleNamespace(_event_loop=loop)
    _call_soon(session, lambda: 1 / 0)
    _call_soon(session, lambda: done.append("after"))
    loop.run()
    assert done == ["after"]
    assert [type(error) for error in loop.complaints] == [ZeroDivisionError]


def test_what_comes_after_the_loop_was_closed_is_dropped():
    _call_soon(SimpleNamespace(_event_loop=Loop(closed=True)), lambda: 1 / 0)


def test_many_threads_lose_nothing():
    done = []
    with start_blocking_portal() as portal:
        loop = portal.call(_running_loop)
        sessions = [SimpleNamespace(_event_loop=loop) for _ in range(4)]

        def send(name, session):
            for number in range(2000):
                _call_soon(session, partial(done.append, (name, number)))

        threads = [threading.Thread(target=send, args=(name, session)) for name, session in enumerate(sessions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        portal.call(_turns)
    assert [number for name, number in done if name == 1] == list(range(2000))
    assert len(done) == 8000


async def _running_loop():
    return asyncio.get_running_loop()


async def _turns():
    for _ in range(3):
        await asyncio.sleep(0)


def test_the_sending_loop_is_told_once_until_it_looks_again():
    with start_blocking_portal() as portal:
        told = portal.call(_told)
    assert told == [1, 1, 2]


async def _told():
    loop, need = Loop(), asyncio.Event()
    runtime = SimpleNamespace(_get_async_objs=lambda: SimpleNamespace(need_send_data=need, eventloop=loop))
    counts, woken = [], 0
    for cleared in (False, False, True):
        if cleared:
            need.clear()
        _enqueued_some_message(runtime)
        woken += len(loop.woken)
        loop.run()
        counts.append(woken)
    return counts


def test_the_theme_is_the_same_message(monkeypatch):
    given = {
        name: value for name, value in server_options("127.0.0.1", 8501, hosted=False).items() if name.startswith("theme.")
    }
    options = {section: of_section(given, section) for section in ("theme", "theme.light", "theme.dark", "theme.sidebar")}
    monkeypatch.setattr(config, "get_options_for_section", lambda section: dict(options[section]))
    own, asked = app_session._populate_theme_msg, []
    themed = _themed(lambda message, section: asked.append(section) or own(message, section))
    for _ in range(2):
        for section, given_here in options.items():
            one, other = CustomThemeConfig(), CustomThemeConfig()
            own(one, section)
            themed(other, section)
            assert other == one
            assert other.ByteSize() or not given_here
    assert asked == list(options)
    options["theme"] = {"base": "dark"}
    changed = CustomThemeConfig()
    themed(changed, "theme")
    assert changed == CustomThemeConfig(base="DARK")


def of_section(options, section):
    """The options of a section by name, as Streamlit's configuration gives them."""
    found = {name.removeprefix(f"{section}."): value for name, value in options.items() if name.startswith(f"{section}.")}
    return {name: value for name, value in found.items() if "." not in name}
