"""The second process that begins with the first answer: what it hands over is what this process would have made."""

import copy

import psutil
import pytest

from advisor import ahead as ahead_module
from advisor.ahead import USUAL_CONTEXT, USUAL_MACHINES, Ahead, First
from advisor.fit import fit_for
from advisor.machines.here import Here
from advisor.machines.library import find_machine
from advisor.memory import compute
from advisor.models.library import catalogue
from advisor.question import FitQuestion, RecommendQuestion
from advisor.recommend import recommend_for
from advisor.settings import HOSTED, settings
from advisor.ui import warm
from advisor.ui.cached import FITS, RECOMMENDED, fit_on, recommended_on

QUESTION = FitQuestion(context=USUAL_CONTEXT)


@pytest.fixture
def ahead():
    made = Ahead()
    yield made
    made.end()


@pytest.fixture
def hosted(monkeypatch):
    monkeypatch.setenv(HOSTED, "1")
    settings.cache_clear()


@pytest.fixture
def kept(monkeypatch):
    """Nothing is kept from other tests, and nothing is left for them."""
    monkeypatch.setattr(compute, "LAYOUTS", {})
    compute._buffers.cache_clear()
    for one in (FITS, RECOMMENDED):
        one.clear()
    yield
    for one in (FITS, RECOMMENDED):
        one.clear()


def test_what_is_handed_over_is_what_is_made_here(hosted, kept, ahead):
    first = ahead.first()
    assert isinstance(first, First)
    assert first.found is None
    usual = find_machine(USUAL_MACHINES[0])
    assert first.fit == fit_for(QUESTION, usual, in_part=False)
    recommended = ahead.recommended()
    assert recommended == recommend_for(RecommendQuestion(context=USUAL_CONTEXT), usual)
    made_here = dict(compute.LAYOUTS)
    compute.LAYOUTS.clear()
    while ahead.take_over_layouts():
        pass
    assert made_here.items() <= compute.LAYOUTS.items()
    # Those of the other machine are there too: to rank for one of its kind lays nothing out.
    before = len(compute.LAYOUTS)
    fit_for(QUESTION, find_machine("m2-8"), in_part=False)
    assert len(compute.LAYOUTS) == before


def test_layouts_come_first_also_where_a_visitor_was_quicker_with_the_rest(hosted, kept, ahead):
    """The answer and the recommendation are still in the pipe: nothing was taken over, and all was laid out anew."""
    assert ahead.take_over_layouts()
    before = set(compute.LAYOUTS)
    assert before
    fit_for(QUESTION, find_machine(USUAL_MACHINES[0]), in_part=False)
    assert set(compute.LAYOUTS) == before


def test_at_home_the_machine_comes_with_the_answer(ahead):
    first = ahead.first()
    assert isinstance(first, First)
    assert first.found is not None
    assert first.found.complete
    assert first.found.profile == first.fit.machine
    assert first.fit.question == QUESTION


def test_nothing_is_left_of_the_process(ahead):
    """It stayed in the list of processes, through, for as long as the server ran."""
    pid = ahead._process.pid
    assert psutil.pid_exists(pid)
    ahead.end()
    assert not psutil.pid_exists(pid)


def test_a_process_that_is_ended_hands_nothing_over_and_nobody_waits(ahead):
    ahead._process.kill()
    assert ahead.first() is None
    assert not ahead.take_over_layouts()


def test_a_process_that_hangs_is_waited_for_no_longer_than_that(monkeypatch, ahead):
    monkeypatch.setattr(ahead_module, "_LONGEST_S", 0.01)
    assert ahead.first() is None


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """No visitor comes, so there is none to wait for."""
    monkeypatch.setattr(warm, "FIRST_VISIT_S", 0.0)


class _Handed:
    """An `Ahead` that has this for the server."""

    def __init__(self, first, recommended=None):
        self._first, self._recommended = first, recommended
        self.ended = False

    def first(self):
        return self._first

    def recommended(self):
        return self._recommended

    def take_over_layouts(self):
        return False

    def end(self):
        self.ended = True


def test_the_first_page_has_the_answer_and_the_machine_that_were_handed_over(monkeypatch, kept, ahead):
    first = ahead.first()
    assert isinstance(first, First)
    here = Here()
    monkeypatch.setattr(warm, "HERE", here)
    monkeypatch.setattr(warm, "first_machine", lambda: (here.now().profile, ()))
    monkeypatch.setattr("advisor.ui.cached.fit_for", lambda *_, **__: pytest.fail("it was ranked anew"))
    monkeypatch.setattr("advisor.ui.cached.recommend_for", lambda *_, **__: pytest.fail("it was weighed anew"))
    recommended = ahead.recommended()
    warm.warm_up(_Handed(first, recommended))
    assert recommended_on(RecommendQuestion(context=USUAL_CONTEXT), first.fit.machine, ()) == recommended
    assert here.now() == first.found
    assert not here.pending
    assert fit_on(QUESTION, here.now().profile, (), in_part=False).options == first.fit.options


def test_another_machine_than_the_one_handed_over_is_ranked_here(monkeypatch, kept, hosted):
    other = find_machine("rtx-4090")
    first = First(fit_for(QUESTION, find_machine(USUAL_MACHINES[0]), in_part=False), None)
    monkeypatch.setattr(warm, "first_machine", lambda: (other, ()))
    handed = _Handed(first)
    warm.warm_up(handed)
    assert fit_on(QUESTION, other, (), in_part=False).machine == other
    assert handed.ended


def test_a_model_of_the_catalogue_comes_back_as_the_same():
    model = catalogue().find("llama-3.1-8b")
    assert copy.deepcopy(model) is model


def test_layouts_are_kept_up_to_a_number(monkeypatch, kept):
    monkeypatch.setattr(compute, "_MOST_LAYOUTS", 8)
    fit_for(QUESTION, find_machine("rtx-4090"), in_part=False)
    assert len(compute.LAYOUTS) == 8
