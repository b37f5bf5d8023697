"""The first visitor's answer, begun while the browser still opens: what this machine can run."""

from advisor.machines.here import HERE
from advisor.question import FitQuestion
from advisor.settings import settings
from advisor.ui.cached import fit_on
from advisor.ui.found_here import here_now
from advisor.ui.machine_bar import first_machine

USUAL_CONTEXT = 8192
"""The context that the landing page asks for where nobody chose one."""


def warm_up() -> None:
    """Lay out the catalogue on this machine, as far as it is known at once, and again once it is known wholly; hosted, on the
    usual one. Then look for models that are here."""
    question = FitQuestion(context=USUAL_CONTEXT)
    fit_on(question, *first_machine(), in_part=False)
    if not settings().hosted:
        HERE.whole()
        fit_on(question, *first_machine(), in_part=False)
    here_now()
