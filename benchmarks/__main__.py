"""Measure Hark on this machine and print a table: ``make bench``.

    python -m benchmarks [--quick] [--only NAME]...

Nothing here passes or fails: figures depend on the machine and on what else runs on it. What was
measured where is in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

from benchmarks.capacity.report import capacity_rows
from benchmarks.policy.rows import policy_rows
from benchmarks.protocols import protocol_rows
from benchmarks.replay.rows import word_rows
from benchmarks.sessions import (
    Plan,
    many_rows,
    result_rows,
    silent_frames,
    single_rows,
    spoken_frames,
    start_rows,
)
from benchmarks.table import Row, machine, table
from benchmarks.tiny import tiny_rows

FULL = Plan(rounds=3, seconds=20.0)
QUICK = Plan(rounds=1, seconds=6.0)

MEASUREMENTS: dict[str, Callable[[Plan], list[Row]]] = {
    "results": result_rows,
    "silent": partial(many_rows, kind="silent", frames=silent_frames),
    "speech": partial(many_rows, kind="speaking", frames=spoken_frames),
    "one": single_rows,
    "start": start_rows,
    "policy": policy_rows,
    "words": word_rows,
    "protocols": protocol_rows,
    "tiny": tiny_rows,
    "capacity": capacity_rows,
}


def main() -> None:
    """Run what is asked for and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="only this; again")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    rows: list[Row] = []
    for name in options.only or MEASUREMENTS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += MEASUREMENTS[name](plan)
    print(machine(), end="\n\n")
    print(table(rows))


if __name__ == "__main__":
    main()
