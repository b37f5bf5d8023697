"""Prints our totals for six models beside the engine's own, and how far other programs were from it.

    python benchmarks/peers.py [--json]

The engine's figures and the peers' errors are in `advisor/accuracy/data/peers.toml`, with how they were measured.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.accuracy.publish import CONTEXTS, planned_models
from advisor.accuracy.published import peers, peers_table
from advisor.units import GIB


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    table = planned_models()
    if options.json:
        print(json.dumps([asdict(row) | {"error": row.error} for row in table], indent=1))
        return 0
    print(f"{'model':30} {'context':>8} {'ours GiB':>9} {'engine':>9} {'error':>8}")
    for row in table:
        print(f"{row.model:30} {row.context:>8} {row.ours / GIB:9.2f} {row.engine / GIB:9.2f} {100 * row.error:+7.2f} %")
    print(f"{'worst':58} {100 * max(abs(row.error) for row in table):8.2f} %\n")
    print(f"{'per cent off the engine':24}" + "".join(f"{entry['id'][:17]:>18}" for entry in peers_table()["model"]))
    for context in CONTEXTS:
        errors = [f"{100 * row.error:+.1f}" for row in table if row.context == context]
        print(f"{'Headroom':16}{context:8}" + "".join(f"{error:>18}" for error in errors))
        for peer in peers():
            print(f"{peer.name:16}{context:8}" + "".join(f"{error:>18}" for error in peer.errors[context]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
