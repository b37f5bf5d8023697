"""The first visitor's answer, begun while the browser still opens: what this machine can run."""

from advisor.machines.here import HERE
from advisor.question import FitQuestion
from advisor.ui.cached import fit_on
from advisor.ui.found_here import here_now

USUAL_CONTEXT = 8192
"""The context that the landing page asks for where nobody chose one."""


def warm_up() -> None:
    """Begin the search for models on this machine, detect it and lay out the catalogue on it."""
    here_now()
    fit_on(FitQuestion(context=USUAL_CONTEXT), HERE.whole().profile, (), in_part=False)
