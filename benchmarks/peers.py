"""Prints our totals for six models beside the engine's own, and how far other programs were from it.

    python benchmarks/peers.py [--json]

The engine's figures and the peers' errors are in `benchmarks/data/peers.toml`, with how they were measured.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from advisor.memory.planner import plan_memory
from advisor.memory.presets import resolve
from advisor.models.library import catalogue
from advisor.units import GIB, MIB

DATA = Path(__file__).parent / "data" / "peers.toml"
CONTEXTS = (8192, 32768)


@dataclass(frozen=True)
class Row:
    """One model at one context: weights, KV cache and compute buffer together, in bytes."""

    model: str
    context: int
    ours: int
    engine: int

    @property
    def error(self) -> float:
        """Ours over the engine's, less one."""
        return self.ours / self.engine - 1


def rows(data: dict[str, Any]) -> list[Row]:
    """Our total beside the engine's for every model and context of the file."""
    found = []
    for entry in data["model"]:
        model = catalogue().find(entry["id"]).quantized(entry["quantization"])
        for context in CONTEXTS:
            settings = resolve({"context": context, "slots": 1, "gpu_layers": 0}, model, has_gpu=False)
            host = plan_memory(model, None, settings).host
            engine = entry["weights_mib"] + entry["kv_mib"][str(context)] + entry["compute_mib"][str(context)]
            found.append(Row(entry["id"], context, host.weights_bytes + host.kv_cache_bytes + host.compute_bytes, engine * MIB))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    with DATA.open("rb") as file:
        data = tomllib.load(file)
    table = rows(data)
    if options.json:
        print(json.dumps([asdict(row) | {"error": row.error} for row in table], indent=1))
        return 0
    print(f"{'model':30} {'context':>8} {'ours GiB':>9} {'engine':>9} {'error':>8}")
    for row in table:
        print(f"{row.model:30} {row.context:>8} {row.ours / GIB:9.2f} {row.engine / GIB:9.2f} {100 * row.error:+7.2f} %")
    print(f"{'worst':58} {100 * max(abs(row.error) for row in table):8.2f} %\n")
    print(f"{'per cent off the engine':24}" + "".join(f"{entry['id'][:17]:>18}" for entry in data["model"]))
    for context in CONTEXTS:
        errors = [f"{100 * row.error:+.1f}" for row in table if row.context == context]
        print(f"{'Headroom':16}{context:8}" + "".join(f"{error:>18}" for error in errors))
        for peer in data["peer"]:
            print(f"{peer['name']:16}{context:8}" + "".join(f"{error:>18}" for error in peer[f"at_{context}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
