"""Real speech in real time with the demo model: how right, how soon, how dear.

The English clips of ``tests/audio`` are streamed as a microphone would send them, one after the
other with a pause between, and the finals are compared with what is said and with the same model
on the whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.load import RATE, Client, Event, Load, audio_frames
from benchmarks.server import Moment, running
from benchmarks.sessions import Plan
from benchmarks.table import Row, percentile
from benchmarks.wer import KINDS, WordErrors, load, manifest

PAUSE = 1.5  # s of silence after each file: longer than any endpoint
AFTER = 3.0  # s to wait for the last final
SLACK = 0.15  # s by which a word may reach beyond the utterance it belongs to
ENDPOINT = 0.6  # s, the default of STT_ENDPOINT_MS
MOST_WORSE = 2.0  # points of word error rate that streaming may cost in this release
LIVE = (1, 4)
QUICK_FILES = 5

File = dict[str, Any]


@dataclass(slots=True)
class Heard:
    """What one session was told, with the time of each event."""

    first: dict[str, float] = field(default_factory=dict)
    """When the first text of each chunk came."""
    finals: list[tuple[Event, float]] = field(default_factory=list)

    def take(self, event: Event, now: float) -> None:
        """Note an event."""
        if event["type"] == "error":
            raise RuntimeError(f"the service said {event}")
        if event["type"] == "transcript":
            if event["text"]:
                self.first.setdefault(event["chunk_id"], now)
            if event["is_final"]:
                self.finals.append((event, now))


class Tape:
    """The files of one session, in order, as one stream."""

    def __init__(self, files: list[File]) -> None:
        self.files = files
        self.starts: list[float] = []
        parts = []
        length = 0
        for file in self.files:
            self.starts.append(length / RATE)
            samples = load(file["file"])
            parts += [samples, np.zeros(round(PAUSE * RATE), np.float32)]
            length += len(samples) + len(parts[-1])
        self.frames = audio_frames(np.concatenate(parts))
        self.speech = length / RATE - PAUSE * len(self.files)

    def words(self) -> Iterator[tuple[float, float]]:
        """When each word starts and ends, in s of the stream."""
        for start, file in zip(self.starts, self.files, strict=True):
            for utterance in file["utterances"]:
                for word in utterance["words"]:
                    yield start + word["start"], start + word["end"]

    def text_of(self, at: int, heard: Heard) -> str:
        """What was heard of a file."""
        ends = [*self.starts[1:], np.inf]
        return " ".join(
            event["text"]
            for event, _ in heard.finals
            if self.starts[at] <= event["start_ms"] / 1000 < ends[at]
        )


@dataclass(slots=True)
class Outcome:
    """What sessions that were live together came to."""

    streamed: WordErrors = field(default_factory=WordErrors)
    first: list[float] = field(default_factory=list)
    """s from the onset of each utterance's first word to its first text."""
    final: list[float] = field(default_factory=list)
    """s from the end of each utterance's last word to its final."""
    cpu: float = 0.0
    """CPU s per s of the clips."""
    rest: float = 0.0

    def judge(self, tape: Tape, heard: Heard, begun: float) -> None:
        """Add one session; ``begun``: when its first sample was spoken."""
        for at, file in enumerate(tape.files):
            self.streamed.add(file["text"], tape.text_of(at, heard))
        spoken = list(tape.words())
        for event, now in heard.finals:
            start, end = event["start_ms"] / 1000 - SLACK, event["end_ms"] / 1000 + SLACK
            inside = [word for word in spoken if word[0] >= start and word[1] <= end]
            if inside and event["text"]:
                self.first.append(heard.first[event["chunk_id"]] - begun - inside[0][0])
                self.final.append(now - begun - inside[-1][1])


def stream(sessions: int, files: list[File]) -> Outcome:
    """Stream the files in ``sessions`` sessions at once, each beginning with another file."""
    shift = len(files) // sessions
    tapes = [Tape(files[at * shift :] + files[: at * shift]) for at in range(sessions)]
    heard = [Heard() for _ in tapes]
    outcome = Outcome()
    with running() as server:
        clients = [
            Client(server.port, "auto_chunk=1&language=en", tape.frames, pings=False)
            for tape in tapes
        ]
        of = {id(client): one for client, one in zip(clients, heard, strict=True)}
        live = Load(clients, lambda client, event, now: of[id(client)].take(event, now))
        begun = Moment.now(server)
        live.run(max(len(tape.frames) for tape in tapes) * 0.1 + AFTER)
        ended = Moment.now(server)
        live.close()
    outcome.cpu = (ended.server - begun.server) / sum(tape.speech for tape in tapes)
    outcome.rest = begun.rest_load(ended)
    for client, tape, one in zip(clients, tapes, heard, strict=True):
        outcome.judge(tape, one, client.begun)
    return outcome


def offline(files: list[File]) -> WordErrors:
    """The same model on each whole file, as faster-whisper runs it."""
    from faster_whisper import WhisperModel  # noqa: PLC0415  only this measurement needs it

    from stt.engines.options import DEMO_MODEL  # noqa: PLC0415

    model = WhisperModel(str(DEMO_MODEL), device="cpu", compute_type="int8", cpu_threads=1)
    errors = WordErrors()
    for file in files:
        segments, _ = model.transcribe(
            load(file["file"]), language="en", beam_size=1, condition_on_previous_text=False
        )
        errors.add(file["text"], "".join(segment.text for segment in segments))
    return errors


def word_rows(plan: Plan) -> list[Row]:
    """The demo model at 1 and at 4 sessions. One round: it is as long as the clips."""
    files = [file for file in manifest() if file["language"] == "en" and file["kind"] in KINDS]
    files = files[:QUICK_FILES] if plan.rounds == 1 else files
    whole = offline(files)
    rows = []
    for sessions in LIVE:
        outcome = stream(sessions, files)
        rest = [outcome.rest]
        name = f"demo model, {sessions} live"
        errors = f"streamed {outcome.streamed}, whole files {whole}"
        first, final = outcome.first, outcome.final
        more = 100 * (outcome.streamed.rate - whole.rate)
        rows += [
            Row(f"{name}: WER above offline", [more], "points", rest, MOST_WORSE, errors),
            Row(
                f"{name}: first text after onset, p50",
                [percentile(first, 50)],
                "s",
                rest,
                note=f"p95 {percentile(first, 95):.2f} s, n={len(first)}",
            ),
            Row(
                f"{name}: final after last word, p50",
                [percentile(final, 50)],
                "s",
                rest,
                note=f"p95 {percentile(final, 95):.2f} s; {ENDPOINT} s of it is the endpoint",
            ),
            Row(f"{name}: CPU s per audio s", [outcome.cpu], "s", rest),
        ]
    return rows
