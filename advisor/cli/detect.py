"""`advisor detect`."""

from advisor.cli.options import Json
from advisor.cli.output import print_text, width


def detect(as_json: Json = False) -> None:
    """Show what this machine is."""
    from advisor.machines.here import HERE

    machine = HERE.whole().profile
    if as_json:
        print_text(machine.model_dump_json(indent=2))
        return
    from advisor.text import machine_text

    print_text(machine_text(machine, width()))
