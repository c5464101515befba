"""Word error rate: how words are counted, and a table of it for the speech in ``tests/audio``.

    python -m benchmarks.wer [--model FOLDER] [--encoder-context auto]

compares the engine, utterance by utterance, with ``WhisperModel.transcribe`` on the whole file.
"""

from __future__ import annotations

import argparse
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

AUDIO = Path(__file__).resolve().parents[1] / "tests" / "audio"
RATE = 16_000  # Hz
EDGE = 0.3  # seconds of audio around an utterance: the pre-roll of recognition REC-51
APOSTROPHES = "'’"  # inside a word they are dropped: "don't" is one word
KINDS = ("short", "digits", "pauses", "growing")


def normalise(text: str) -> list[str]:
    """The words of a text as they are compared: casefolded, without punctuation.

    Punctuation of any script (¿ ¡ । 。) and hyphens separate words; the marks that Indic scripts
    write vowels with are part of them.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (
        "" if sign in APOSTROPHES else " " if unicodedata.category(sign)[0] in "PSZC" else sign
        for sign in folded
    )
    return "".join(kept).split()


def edits(reference: list[str], hypothesis: list[str]) -> int:
    """Least number of words to insert, delete or replace (Levenshtein, one row at a time)."""
    row = list(range(len(hypothesis) + 1))
    for deleted, expected in enumerate(reference, 1):
        diagonal, row[0] = row[0], deleted
        for at, heard in enumerate(hypothesis, 1):
            replaced = diagonal + (expected != heard)
            diagonal = row[at]
            row[at] = min(row[at] + 1, row[at - 1] + 1, replaced)
    return row[-1]


@dataclass(slots=True)
class WordErrors:
    """Errors over the words of all texts added so far."""

    errors: int = 0
    words: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)
    """(reference, hypothesis) of the texts that differ."""

    def add(self, reference: str, hypothesis: str) -> int:
        """Count one text; returns its errors."""
        expected = normalise(reference)
        errors = edits(expected, normalise(hypothesis))
        self.errors += errors
        self.words += len(expected)
        if errors:
            self.wrong.append((reference, hypothesis))
        return errors

    @property
    def rate(self) -> float:
        """Errors per word; 0 before any word was added."""
        return self.errors / self.words if self.words else 0.0

    def __str__(self) -> str:
        return f"{100 * self.rate:.1f} % ({self.errors}/{self.words})"


def manifest() -> list[dict[str, Any]]:
    """What is said in each file of ``tests/audio``."""
    files: list[dict[str, Any]] = json.loads((AUDIO / "manifest.json").read_text())["files"]
    return files


def load(file: str) -> NDArray[np.float32]:
    """(n_samples,) float32, mono, 16 kHz."""
    from faster_whisper.audio import decode_audio  # noqa: PLC0415  tests want only the words

    samples: NDArray[np.float32] = decode_audio(str(AUDIO / file), sampling_rate=RATE)
    return samples


def utterances(file: dict[str, Any]) -> Iterator[tuple[dict[str, Any], NDArray[np.float32]]]:
    """Each utterance of a file with its audio, cut out with 0.3 s around it."""
    samples = load(file["file"])
    for utterance in file["utterances"]:
        start = max(0, round((utterance["start"] - EDGE) * RATE))
        yield utterance, samples[start : round((utterance["end"] + EDGE) * RATE)]


def main() -> None:
    """Print the table."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  only this command needs a model

    from stt.engines.faster_whisper import FasterWhisperEngine  # noqa: PLC0415
    from stt.engines.models import find_model  # noqa: PLC0415
    from stt.engines.options import DEMO_MODEL, EngineOptions  # noqa: PLC0415
    from stt.events import Kind, Window  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(DEMO_MODEL))
    parser.add_argument("--encoder-context", default="auto")
    parser.add_argument("--show", action="store_true", help="print every text that differs")
    options = parser.parse_args()

    source = find_model(options.model, demo=DEMO_MODEL)
    settings = EngineOptions(device="cpu", encoder_context=options.encoder_context)
    engine = FasterWhisperEngine(source, settings)
    whisper = WhisperModel(source.path_or_name, device="cpu", compute_type="int8", cpu_threads=1)
    whole: defaultdict[str, WordErrors] = defaultdict(WordErrors)
    cut: defaultdict[str, WordErrors] = defaultdict(WordErrors)
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for file in manifest():
        if file["kind"] not in KINDS:
            continue
        language = file["language"]
        key = f"{language} {file['kind']}"
        segments, _ = whisper.transcribe(
            load(file["file"]), language=language, beam_size=1, condition_on_previous_text=False
        )
        whole[key].add(file["text"], "".join(segment.text for segment in segments))
        for utterance, samples in utterances(file):
            given, free = engine.transcribe(
                [Window(samples, Kind.FINAL, language=code) for code in (language, None)]
            )
            cut[key].add(utterance["text"], given.text)
            found[key].append(free.language == language)
    print(f"{'':14} {'whole file, 30 s':>18} {'engine, cut out':>18} {'language found':>15}")
    for key in whole:
        languages = f"{sum(found[key])}/{len(found[key])}"
        print(f"{key:14} {whole[key]!s:>18} {cut[key]!s:>18} {languages:>15}")
        for reference, hypothesis in cut[key].wrong if options.show else ():
            print(f"    {reference}\n    {hypothesis}")
    windows = 2 * sum(map(len, found.values()))
    print(f"{engine.short_context_retries} of {windows} windows were decoded again at 30 s")


if __name__ == "__main__":
    main()
