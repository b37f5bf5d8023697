"""The first visitor's answer, begun while the browser still opens: what this machine can run."""

import time
from dataclasses import replace

from advisor.ahead import FIRST_VISIT_S, USUAL_CONTEXT, Ahead
from advisor.fit import laid_out_whole
from advisor.machines.here import HERE
from advisor.question import FitQuestion, RecommendQuestion
from advisor.settings import settings
from advisor.ui.cached import fit_on, recommended_on
from advisor.ui.found_here import here_now
from advisor.ui.machine_bar import first_machine


def warm_up(ahead: Ahead | None) -> None:
    """Have ready what visitors will ask for: the first at once, and what all others need once that one has seen the page.

    Then `ahead` is ended.
    """
    until = time.monotonic() + FIRST_VISIT_S
    try:
        _first_page(ahead)
        time.sleep(max(0.0, until - time.monotonic()))
        _other_pages(ahead)
    finally:
        if ahead is not None:
            ahead.end()


def _first_page(ahead: Ahead | None) -> None:
    """Rank the catalogue for this machine, hosted for the usual one, and look for models that are here.

    `ahead` has begun with it; without, the machine is taken as far as it is known at once, and again once it is known wholly.
    """
    question, asked = FitQuestion(context=USUAL_CONTEXT), RecommendQuestion(context=USUAL_CONTEXT)
    first = ahead and ahead.first()
    if first and first.found is not None:
        HERE.adopt(first.found)
    machine, assumptions = first_machine()
    if ahead and first and machine == first.fit.machine:
        fit_on(question, machine, assumptions, in_part=False, made=replace(first.fit, assumptions=assumptions))
        recommended_on(
            asked,
            machine,
            assumptions,
            made=lambda: (found := ahead.recommended()) and replace(found, assumptions=assumptions),
        )
    else:
        fit_on(question, machine, assumptions, in_part=False)
    if not settings().hosted:
        HERE.whole()
        fit_on(question, *first_machine(), in_part=False)
    here_now()


def _other_pages(ahead: Ahead | None) -> None:
    """Make the models themselves ready, layouts of them that `ahead` has made, and what draws figures."""
    if ahead is not None and ahead.take_over_layouts():
        laid_out_whole(FitQuestion(context=USUAL_CONTEXT), first_machine()[0])
    import plotly.graph_objects  # noqa: F401 - as figures will

    while ahead is not None and ahead.take_over_layouts():
        pass
