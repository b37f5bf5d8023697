"""The first visitor's answer, begun while the browser still opens: what this machine can run."""

from advisor.machines.here import HERE
from advisor.question import FitQuestion
from advisor.ui.cached import fit_on

USUAL_CONTEXT = 8192
"""The context that the landing page asks for where nobody chose one."""


def warm_up() -> None:
    """Detect this machine and lay out the catalogue on it."""
    fit_on(FitQuestion(context=USUAL_CONTEXT), HERE.whole().profile, (), in_part=False)
