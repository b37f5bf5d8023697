"""The first visitor's answer, begun while the browser still opens: what this machine can run."""

from advisor.ahead import USUAL_CONTEXT, Ahead
from advisor.fit import laid_out_whole
from advisor.machines.here import HERE
from advisor.question import FitQuestion
from advisor.settings import settings
from advisor.ui.cached import fit_on, keep_fit
from advisor.ui.found_here import here_now
from advisor.ui.machine_bar import first_machine


def warm_up(ahead: Ahead | None) -> None:
    """Rank the catalogue for this machine, hosted for the usual one, and look for models that are here.

    `ahead` has begun with it; without, the machine is taken as far as it is known at once, and again once it is known wholly.
    """
    first = ahead and ahead.first()
    if first:
        if first.found is not None:
            HERE.adopt(first.found)
        machine, assumptions = first_machine()
        if machine == first.fit.machine:
            keep_fit(first.fit, assumptions)
    question = FitQuestion(context=USUAL_CONTEXT)
    fit_on(question, *first_machine(), in_part=False)
    if not settings().hosted:
        HERE.whole()
        fit_on(question, *first_machine(), in_part=False)
    here_now()


def warm_up_others(ahead: Ahead | None) -> None:
    """What another context or another machine will need: the models themselves, and layouts that `ahead` made of them."""
    if ahead is not None:
        ahead.take_over_layouts()
        laid_out_whole(FitQuestion(context=USUAL_CONTEXT), first_machine()[0])
