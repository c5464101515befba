"""The recordings of an evaluation, and what is said in them.

A folder of wav or flac files. A ``manifest.json`` as that of ``tests/audio`` says what is said and
when; without one, ``name.txt`` beside ``name.wav`` says what. Without either only comparisons with
the model itself are possible.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.wer import AUDIO, RATE, load
from stt.events import Samples

ENDINGS = (".wav", ".flac")
ACCEPTANCE = ("short", "digits", "pauses", "growing", "long", "quiet", "clipped")
"""The kinds of ``tests/audio`` the bars are about: speech, noise aside."""
MINUTE = 60 * RATE  # samples
BETWEEN = 1.0  # s between two recordings of a long stream: longer than the default endpoint


class CorpusError(Exception):
    """The folder cannot be evaluated; the message is a sentence for whoever gave it."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word, or a sentence, of the truth; seconds of its recording."""

    text: str
    start: float
    end: float

    def later(self, seconds: float) -> Spoken:
        """The same, said that much later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One file."""

    name: str
    group: str
    """What its row of the table is called: language and kind."""
    language: str | None
    """ISO-639-1; None: unknown, or more than one."""
    samples: Samples
    text: str | None
    """What is said; None: nobody wrote it down."""
    words: tuple[Spoken, ...] = ()
    utterances: tuple[Spoken, ...] = ()
    shift: float = 0.0
    """Seconds of silence that were put before it."""

    def later(self, seconds: float) -> Recording:
        """The same after some silence, so that it falls otherwise into pieces and frames."""
        silence = np.zeros(round(seconds * RATE), np.float32)
        return replace(
            self,
            samples=np.concatenate((silence, self.samples)),
            words=tuple(word.later(seconds) for word in self.words),
            utterances=tuple(utterance.later(seconds) for utterance in self.utterances),
            shift=self.shift + seconds,
        )

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / RATE


def recordings(
    folder: Path = AUDIO, *, kinds: Collection[str] = (), language: str | None = None
) -> list[Recording]:
    """The recordings of a folder, by name.

    ``kinds``: only these of a manifest; empty: all, or those of the acceptance set in
    ``tests/audio``. ``language``: only recordings in it; where the language is unknown it is this.
    Raises CorpusError.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise CorpusError(f"{folder} is no folder.")
    manifest = folder / "manifest.json"
    if manifest.is_file():
        found = _of_manifest(manifest, kinds, language)
    elif kinds:
        raise CorpusError(f"{folder} has no manifest.json that tells the kinds of its files.")
    else:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
        found = [_alone(path, language) for path in files]
    if not found:
        raise CorpusError(f"{folder} has no such recordings: wav or flac files are needed.")
    return found


def phases(of: Sequence[Recording], count: int, piece: float) -> list[Recording]:
    """Each recording ``count`` times, each time a part of a piece of audio later.

    Where a window ends changes single words at random; over several phases that averages out.
    """
    return [one.later(piece * at / count) for at in range(count) for one in of]


def minute(of: Iterable[Recording]) -> Samples:
    """A minute of speech: the recordings one after the other, cut or filled up to 60 s.

    A stream that repeats it has the same work in each of its minutes.
    """
    parts: list[Samples] = []
    length = 0
    gap = np.zeros(round(BETWEEN * RATE), np.float32)
    for recording in of:
        parts += [recording.samples, gap]
        length += len(recording.samples) + len(gap)
        if length >= MINUTE:
            break
    parts.append(np.zeros(max(0, MINUTE - length), np.float32))
    return np.concatenate(parts)[:MINUTE]


def _of_manifest(manifest: Path, kinds: Collection[str], language: str | None) -> list[Recording]:
    files: list[dict[str, Any]] = json.loads(manifest.read_text())["files"]
    if not kinds and manifest.parent == AUDIO:
        kinds = ACCEPTANCE
    if unknown := set(kinds) - {file["kind"] for file in files}:
        known = ", ".join(sorted({file["kind"] for file in files}))
        raise CorpusError(f"No file is of the kind {', '.join(sorted(unknown))}. Kinds: {known}.")
    return [
        _listed(manifest.parent, file)
        for file in files
        if (not kinds or file["kind"] in kinds) and language in (None, file["language"])
    ]


def _listed(folder: Path, file: dict[str, Any]) -> Recording:
    """A file with its entry in the manifest."""
    language = file["language"] if isinstance(file["language"], str) else None
    shown = language or "+".join(file["language"] or ["-"])
    return Recording(
        name=file["file"],
        group=f"{shown} {file['kind']}",
        language=language,
        samples=_samples(folder / file["file"]),
        text=file["text"],
        words=tuple(
            Spoken(word["word"], word["start"], word["end"])
            for utterance in file["utterances"]
            for word in utterance["words"]
        ),
        utterances=tuple(
            Spoken(utterance["text"], utterance["start"], utterance["end"])
            for utterance in file["utterances"]
        ),
    )


def _alone(path: Path, language: str | None) -> Recording:
    """A file that no manifest tells of."""
    beside = path.with_suffix(".txt")
    text = beside.read_text(encoding="utf-8").strip() if beside.is_file() else None
    return Recording(path.name, language or "all", language, _samples(path), text)


def _samples(path: Path) -> Samples:
    """The audio of a file. Raises CorpusError."""
    try:
        return load(str(path))
    except (OSError, ValueError) as error:  # PyAV's errors are one of these, too
        raise CorpusError(f"{path} cannot be read: {error}") from error
