"""The recordings that are replayed, and what is said in them.

A folder of wav or flac files. A ``manifest.json`` like that of ``tests/audio`` tells what is said
and when; without one, ``name.txt`` beside ``name.wav`` tells what.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.wer import AUDIO, RATE, load
from stt.events import Samples

ENDINGS = (".wav", ".flac")


class CorpusError(Exception):
    """The folder cannot be replayed; the message is a sentence for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word of the truth; seconds of its recording."""

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
    words: tuple[Spoken, ...] = ()
    """With their times; empty: nobody knows them."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


def recordings(
    folder: Path = AUDIO, *, kinds: Collection[str] = (), language: str | None = None
) -> list[Recording]:
    """The recordings of a folder, by name.

    ``kinds``: only these of a manifest; empty: all. ``language``: only recordings in it; None: all.
    Raises CorpusError.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder} is no folder.")
    manifest = folder / "manifest.json"
    if manifest.is_file():
        files: list[dict[str, Any]] = json.loads(manifest.read_text())["files"]
        found = [
            _listed(folder, file)
            for file in files
            if (not kinds or file["kind"] in kinds) and language in (None, file["language"])
        ]
    else:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
        found = [_alone(path, language) for path in paths]
    if not found:
        raise CorpusError(f"{folder} has no such recordings: wav or flac files are needed.")
    return found


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
    return Recording(path.name, language, load(str(path.resolve())), text)
