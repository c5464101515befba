"""The recordings that are replayed, and what is said in them.

A folder of wav or flac files. A ``manifest.json`` like that of ``tests/audio`` tells what is said
and when. Without one, ``name.txt`` beside ``name.wav`` tells what, and the service's own voice
activity detector tells when.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.wer import AUDIO, KINDS, RATE, load
from stt.events import Samples
from stt.speech.endpointing import Closed, Endpointer
from stt.speech.vad import EnergyVAD

ENDINGS = (".wav", ".flac")


class CorpusError(Exception):
    """The folder cannot be replayed; the message is a sentence for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, or where words have no times an utterance; seconds of its recording."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One file."""

    name: str
    language: str | None
    samples: Samples
    text: str | None
    """What is said; None: nobody wrote it down."""
    words: tuple[Spoken, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


def recordings(
    folder: Path = AUDIO, *, kinds: Collection[str] = (), language: str | None = "en"
) -> list[Recording]:
    """The recordings of a folder, by name.

    ``kinds``: only these of a manifest; empty: all, or the clean speech of ``tests/audio``.
    ``language``: only recordings in it; None: all. Raises CorpusError.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder} is no folder.")
    manifest = folder / "manifest.json"
    if manifest.is_file():
        files: list[dict[str, Any]] = json.loads(manifest.read_text())["files"]
        kinds = kinds or (KINDS if folder == AUDIO else {file["kind"] for file in files})
        found = [
            _listed(folder, file)
            for file in files
            if file["kind"] in kinds and language in (None, file["language"])
        ]
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
        found = [_alone(path, language) for path in paths]
    if not found:
        raise CorpusError(f"{folder} has no such recordings: wav or flac files are needed.")
    return found


def found_speech(samples: Samples) -> tuple[Spoken, ...]:
    """Where somebody speaks in (n,) float32 samples, as the service finds it; without words."""
    endpointer = Endpointer()
    boundaries = endpointer.step(EnergyVAD().judge(samples)) + endpointer.finish(len(samples))
    found, start = [], 0
    for boundary in boundaries:
        if isinstance(boundary, Closed):
            found.append(Spoken("", start / RATE, boundary.end / RATE))
        else:
            start = boundary.start
    return tuple(found)


def _listed(folder: Path, file: dict[str, Any]) -> Recording:
    """A file with its entry in the manifest."""
    return Recording(
        name=file["file"],
        language=file["language"] if isinstance(file["language"], str) else None,
        samples=load(str(folder / file["file"])),
        text=file["text"],
        words=tuple(
            Spoken(word["word"], word["start"], word["end"])
            for utterance in file["utterances"]
            for word in utterance["words"]
        ),
    )


def _alone(path: Path, language: str | None) -> Recording:
    """A file that no manifest tells of."""
    beside = path.with_suffix(".txt")
    text = beside.read_text(encoding="utf-8").strip() if beside.is_file() else None
    samples = load(str(path.resolve()))
    return Recording(path.name, language, samples, text, found_speech(samples))
