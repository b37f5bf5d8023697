"""Machines side by side: what each of up to four runs."""

from collections.abc import Callable
from dataclasses import dataclass

from advisor.advice.options import Option
from advisor.errors import HeadroomError
from advisor.fit import Fit, fit_for
from advisor.machines.profile import MachineProfile
from advisor.machines.sold import Sold, find_sold
from advisor.question import CompareQuestion, FitQuestion

MOST = 4
BEST = 10
"""Models of each machine that the table holds: those that come first there."""

FitOn = Callable[[FitQuestion, MachineProfile], Fit]


@dataclass(frozen=True)
class Comparison:
    """Each machine with its whole ranking, and the models that are first on any of them."""

    sold: tuple[Sold, ...]
    fits: tuple[Fit, ...]
    rows: tuple[tuple[str, tuple[Option, ...]], ...]
    """A model's name and its option on each machine, largest model first."""


def known_machines(question: CompareQuestion) -> tuple[tuple[Sold, ...], tuple[str, ...]]:
    """The machines that are named, each once, and a sentence for each that is left out: not known, or one too many."""
    names = [name for name in question.machines.split(",") if name.strip()]
    found: dict[str, Sold] = {}
    complaints = [f"At most {MOST} machines are compared; the others are left out."] if len(names) > MOST else []
    for name in names[:MOST]:
        try:
            sold = find_sold(name)
        except HeadroomError as error:
            complaints.append(str(error))
        else:
            found[sold.id] = sold
    return tuple(found.values()), tuple(complaints)


def compare(sold: tuple[Sold, ...], context: int, fit_on: FitOn | None = None) -> Comparison:
    """What the machines hold whole with `context` tokens. `fit_on` answers for one machine, from a cache where there is one."""
    ask = fit_on or (lambda question, machine: fit_for(question, machine, in_part=False))
    fits = tuple(ask(FitQuestion(context=context), each.machine) for each in sold)
    options = [{option.model.id: option for option in fit.options} for fit in fits]
    shown = {option.model.id: option.model for fit in fits for option in fit.options[:BEST] if option.verdict.verdict != "no"}
    order = sorted(shown.values(), key=lambda model: (-model.parameters, model.name))
    rows = tuple((model.name, tuple(each[model.id] for each in options)) for model in order)
    return Comparison(sold, fits, rows)
