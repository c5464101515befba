"""Evaluate the streaming policy on recordings, on a virtual clock (recognition REC-80).

    python -m benchmarks.policy [FOLDER] [--final best] [--show] [--sweep encoder]

FOLDER holds wav or flac files with a manifest.json, or with the text of each in a .txt beside it;
without any text the streamed text is compared with that of the same model on the whole file. The
default is the English speech of tests/audio.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the libraries: what one core costs (REC-75)

from benchmarks.policy.corpus import CorpusError, Recording, phases, recordings
from benchmarks.policy.evaluate import TOTAL, Outcome, evaluate
from benchmarks.policy.offline import Offline
from benchmarks.policy.report import LEGEND, figures, outcome_table, texts
from benchmarks.policy.settings import ENCODER, ENCODER_LENGTHS, Setting
from benchmarks.wer import AUDIO
from stt.engines.options import DEMO_MODEL
from stt.errors import SettingError

OPTIONS = {"step": "step", "final": "final", "commit": "commit", "soft": "soft"}
"""Options of the command that are options of the stream."""


def main() -> int:
    """Print the table."""
    parser = _parser()
    chosen = parser.parse_args()
    try:
        setting = _setting(chosen)
        language = chosen.language or ("en" if chosen.folder.resolve() == AUDIO else None)
        found = recordings(chosen.folder, kinds=chosen.kinds, language=language)
        found = phases(found, max(1, chosen.phases), setting.pace.piece)
        offline = Offline(setting.engine)
        if chosen.sweep:
            outcomes = _sweep(chosen.sweep, found, setting, offline)
        else:
            outcomes = _evaluate(chosen, found, setting, offline)
    except (CorpusError, SettingError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    if chosen.json:
        shown = {name: figures(outcome) for name, outcome in outcomes.items()}
        chosen.json.write_text(json.dumps(shown, indent=1))
    print(LEGEND)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.policy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", nargs="?", type=Path, default=AUDIO)
    add("--model", default=str(DEMO_MODEL), help="as STT_MODEL; the bundled one")
    add("--kinds", type=_list, default=(), help="only these kinds of the manifest: short,long")
    add("--language", help="only recordings in it; of recordings without a manifest: theirs")
    add("--detect", action="store_true", help="let the language be found, even if it is known")
    add("--encoder-context", help="as STT_ENCODER_CONTEXT: auto, full or seconds")
    add("--step", help="seconds between interims")
    add("--final", choices=("consistent", "best"), help="as STT_FINAL")
    add("--commit", choices=("agreement", "aligned", "hybrid"), help="as STT_COMMIT")
    add("--soft", help="seconds of window above which it is cut")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="any other option")
    add("--piece", help="seconds of audio that arrive at once; 0.1")
    add(
        "--phases",
        type=int,
        default=1,
        metavar="N",
        help="each recording N times, a bit later each",
    )
    add("--delay", default="0", help="seconds a call takes on the clock, or: cpu (what it cost)")
    add("--sweep", metavar="NAME[=A,B]", help="a row for each value; encoder has values of its own")
    add("--cut", action="store_true", help="also the model on each true utterance cut out")
    add("--show", action="store_true", help="print every text that differs")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _list(value: str) -> tuple[str, ...]:
    return tuple(value.split(","))


def _setting(chosen: argparse.Namespace) -> Setting:
    """The setting of the command's options. Raises CorpusError."""
    setting = Setting(detect=chosen.detect).having("model", chosen.model)
    given = {"encoder_context": chosen.encoder_context, "piece": chosen.piece}
    given |= {option: getattr(chosen, name) for name, option in OPTIONS.items()}
    given["delay"] = None if chosen.delay == "cpu" else chosen.delay
    for name, value in given.items():
        if value is not None:
            setting = setting.having(name, value)
    for pair in chosen.set:
        name, _, value = pair.partition("=")
        setting = setting.having(name, value)
    return setting.taking_what_it_costs() if chosen.delay == "cpu" else setting


def _evaluate(
    chosen: argparse.Namespace, found: list[Recording], setting: Setting, offline: Offline
) -> dict[str, Outcome]:
    evaluation = evaluate(found, setting, offline, cut=chosen.cut)
    if chosen.show:
        print("\n".join(texts(evaluation)), end="\n\n")
    print(outcome_table(evaluation.outcomes, "recordings"), end="\n\n")
    total = evaluation.total
    print(f"{total.retries} of {total.windows} windows were decoded again at 30 s", end="\n\n")
    return evaluation.outcomes


def _sweep(
    sweep: str, found: list[Recording], setting: Setting, offline: Offline
) -> dict[str, Outcome]:
    """The total of each value. Raises CorpusError."""
    name, _, given = sweep.partition("=")
    values = _list(given) if given else ENCODER_LENGTHS if name == ENCODER else ()
    if not values:
        raise CorpusError(f"--sweep {name} needs values: --sweep {name}=A,B")
    outcomes: dict[str, Outcome] = {}
    for each in [setting.having(name, value) for value in values]:
        value = values[len(outcomes)]
        print(f"measuring {name}={value} ...", file=sys.stderr, flush=True)
        outcomes[f"{name}={value}"] = evaluate(found, each, offline).outcomes[TOTAL]
    print(outcome_table(outcomes, "setting"), end="\n\n")
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
