"""Simulate how many sessions a machine serves (REC-81, REC-85).

    python -m benchmarks.capacity                       # capacity, tiny and base
    python -m benchmarks.capacity --overload --fairness --load 0.75
    python -m benchmarks.capacity --model costs.json    # costs measured on this machine

Real are the streams and the queue; clock, audio, words and the model's times are simulated. The
same seed gives the same figures on every machine.
"""

from __future__ import annotations

import argparse

from benchmarks.capacity.costs import MODELS, named
from benchmarks.capacity.figures import OWN, PEERS
from benchmarks.capacity.questions import LONG, SHORT, capacity, windows_of
from benchmarks.capacity.recording import Style
from benchmarks.capacity.report import (
    capacity_table,
    fairness_table,
    overload_table,
    usual_table,
    work_table,
)
from benchmarks.capacity.simulation import Setup
from benchmarks.table import command
from stt.speech.options import SpeechOptions

STYLES = {
    "usual": Style(),
    "half": Style(share=0.5),
    "long": Style(shortest=18.0, longest=28.0, phrase=None),
    "pauses": Style(phrase=(1.0, 3.0)),
}
TARGETS = {"own": OWN, "peers": PEERS}


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.capacity",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", action="append", help="tiny, base, or a JSON cost table; again for more")
    add("--workers", type=int, action="append", help="one core each; again for more (1 and 2)")
    add("--window", type=float, action="append", help="least s of a window; again (0 and 10)")
    add(
        "--speech",
        choices=STYLES,
        default="usual",
        help="2-8 s at 75 %%; at 50 %%; 18-28 s; broken",
    )
    add("--targets", choices=TARGETS, default="own", help="REC-85, or the looser ones of peers")
    add("--step", type=float, default=SpeechOptions().step, help="s between two interims")
    add("--max-batch", type=int, default=8, help="most windows of a call")
    add("--slower", type=float, default=1.0, help="times slower than the cost table")
    add("--seconds", type=float, default=60.0, help="simulated, after 5 s of warm-up")
    add("--seed", type=int, default=1)
    add("--quick", action="store_true", help="20 s instead of 60")
    add("--sessions", type=int, help="the nominal load; without it, the capacity found")
    add("--overload", action="store_true", help="1, 1.5, 2 and 3 times the nominal load")
    add("--fairness", action="store_true", help="a light tenant beside a flood of 2 and 3 times")
    add("--work", action="store_true", help="what the workers do at the nominal load, by kind")
    add("--load", type=float, help="a part of the nominal load, such as 0.75 (QM-06)")
    return parser


def setups(options: argparse.Namespace) -> list[tuple[str, Setup]]:
    """Every combination that was asked for, with its name. Raises ValueError."""
    found = []
    for model in options.model or MODELS:
        for window in options.window or (SHORT / 100, LONG / 100):
            for workers in options.workers or (1, 2):
                setup = Setup(
                    costs=named(model).slowed(options.slower),
                    workers=workers,
                    context=windows_of(round(window * 100)),
                    max_batch=options.max_batch,
                    speech=SpeechOptions(language="en", step=options.step),
                    style=STYLES[options.speech],
                    targets=TARGETS[options.targets],
                    seed=options.seed,
                    seconds=20.0 if options.quick else options.seconds,
                )
                found.append((f"{model}, {window:g} s, {workers}", setup))
    return found


def main() -> None:
    """Ask what was asked for and print the answers."""
    parser = arguments()
    options = parser.parse_args()
    try:
        asked = setups(options)
    except ValueError as error:
        parser.error(str(error))
    print(f"Command: {command()}\n")
    if not (options.overload or options.fairness or options.load or options.work):
        print(capacity_table(asked))
        return
    for name, setup in asked:
        nominal = options.sessions or capacity(setup).sessions
        print(f"{name} workers: nominal {nominal} sessions\n")
        if options.work:
            print(work_table(setup, nominal), end="\n\n")
        if options.load:
            print(usual_table(setup, nominal, options.load), end="\n\n")
        if options.overload:
            print(overload_table(setup, nominal), end="\n\n")
        if options.fairness:
            print(fairness_table(setup, nominal), end="\n\n")


if __name__ == "__main__":
    main()
