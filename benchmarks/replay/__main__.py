"""Replay recordings as live sessions and measure what their clients see (REC-82).

    python -m benchmarks.replay --sessions 1,4,10,20,40
    python -m benchmarks.replay --url ws://127.0.0.1:5055 --folder my/recordings
    python -m benchmarks.replay --quick --events events.jsonl

Writes a table here, and a picture and a page into the folder --out.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.policy.corpus import CorpusError, recordings
from benchmarks.replay.live import Asked, climb, target_of
from benchmarks.replay.offline import offline
from benchmarks.replay.page import page
from benchmarks.replay.report import ladder_table, lines
from benchmarks.replay.rows import QUICK
from benchmarks.replay.rung import Rung
from benchmarks.table import machine
from benchmarks.wer import AUDIO, KINDS

NOTES = (
    "Delays count from the words as they were spoken, on the client's clock; they hold the 100 ms"
    " of a message. p50, p95, p99: percentiles of all utterances of all sessions.",
    "CPU: of all processes of the service, per second of recordings; the second figure counts the"
    " 1.5 s of silence after each recording too. A value in red (in text: !) is above its bar.",
)


def sessions_of(text: str) -> list[int]:
    """``1,4,10`` as numbers, rising. Raises ValueError."""
    numbers = sorted({int(part) for part in text.split(",")})
    if not numbers or numbers[0] < 1:
        raise ValueError(f"{text}: numbers of sessions, such as 1,4,10")
    return numbers


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.replay",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--sessions", type=sessions_of, default=[1, 4, 10, 20, 40], help="1,4,10,20,40")
    add("--url", help="a running service, ws://host:port; without it one is started")
    add("--key", help="its API key, if it wants one")
    add("--query", default="", help="more of the session's query, such as text=delta")
    add("--folder", type=Path, default=AUDIO, help="wav or flac files (tests/audio)")
    add("--kind", action="append", help="only this kind of a manifest; again for more")
    add("--language", default="en", help="of recordings and sessions; auto: any, detected")
    add("--quick", action="store_true", help=f"only the first {QUICK} recordings")
    add("--events", type=Path, help="write every message there, a line of JSON each")
    add("--out", type=Path, default=Path("build/replay"), help="for replay.png and replay.html")
    return parser


def main() -> None:
    """Climb the ladder, print its table, draw its picture."""
    parser = arguments()
    options = parser.parse_args()
    language = None if options.language == "auto" else options.language
    try:
        kinds = options.kind or (KINDS if options.folder == AUDIO else ())
        found = recordings(options.folder, kinds=kinds, language=language)
        target = target_of(options.url, options.key) if options.url else None
    except (CorpusError, ValueError) as error:
        parser.error(str(error))
    found = found[: QUICK if options.quick else None]
    with ExitStack() as files:
        events = files.enter_context(options.events.open("w")) if options.events else None
        asked = Asked(found, language, target, query=options.query, events=events)
        rungs = []
        for sessions in options.sessions:
            print(f"{sessions} live ...", file=sys.stderr, flush=True)
            rungs.append(climb(asked, sessions))
    # Another service may run another model: there is nothing to compare its words with.
    whole = offline(found).rate if target is None else None
    print(machine(), end="\n\n")
    print(ladder_table(rungs, whole))
    write(options.out, rungs, whole)


def write(folder: Path, rungs: list[Rung], whole: float | None) -> None:
    """The picture and the page."""
    from benchmarks.replay.plot import as_svg, draw, save_png  # noqa: PLC0415  wants matplotlib

    most = max(rung.sessions for rung in rungs)
    told = "delay" if all(rung.cpu is None for rung in rungs) else "delay and cost"
    title = f"Hark live: {told} with up to {most} session{'s' * (most > 1)}"
    figure = draw(rungs, title, machine().splitlines()[0])
    folder.mkdir(parents=True, exist_ok=True)
    save_png(figure, folder / "replay.png")
    text = page(title, as_svg(figure), lines(rungs, whole), (*NOTES, machine()))
    (folder / "replay.html").write_text(text, encoding="utf-8")
    print(f"\n{folder / 'replay.png'}, {folder / 'replay.html'}")


if __name__ == "__main__":
    main()
