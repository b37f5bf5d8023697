"""The first visitor's answer, begun while the browser still opens: what this machine can run."""

from advisor.question import FitQuestion
from advisor.ui.cached import fit_on
from advisor.ui.found_here import here_now
from advisor.ui.machine_bar import first_machine

USUAL_CONTEXT = 8192
"""The context that the landing page asks for where nobody chose one."""


def warm_up() -> None:
    """Detect this machine and lay out the catalogue on it; hosted, on the usual one. Then look for models that are here."""
    fit_on(FitQuestion(context=USUAL_CONTEXT), *first_machine(), in_part=False)
    here_now()
