"""How soon Realtime tells words that are certain, with an engine that costs nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.clocked import ready_at
from benchmarks.load import FRAME, RATE, TEXT, Client, Event, Load, framed
from benchmarks.server import Moment, running
from benchmarks.sessions import CLOCKED, SPOKEN, Plan
from benchmarks.table import Row, percentile
from benchmarks.ways import appended
from benchmarks.wer import load, manifest

COMMITTING = 20  # sessions
TURN = 2.0  # s of speech between two commits
BAR = 50.0  # ms
DELTA = "conversation.item.input_audio_transcription.delta"


class Turns:
    """The messages of a client that commits every two seconds of speech, after a setting for it."""

    def __init__(self, seconds: float, at: int) -> None:
        """``at``: which of the clients it is; they do not commit together."""
        self.committed = 0.0
        """When the last commit was sent, on the monotonic clock."""
        [words] = [file["utterances"][0] for file in manifest() if file["file"] == SPOKEN]
        # Without the silence around it: no pause ends an utterance before its commit.
        said = load(SPOKEN)[round(words["start"] * RATE) : round(words["end"] * RATE)]
        whole = np.tile(said, int(seconds * RATE / len(said)) + 2)
        whole = whole[: len(whole) // round(FRAME * RATE) * round(FRAME * RATE)]
        self._messages = list(appended(whole))
        self._at = at

    def __iter__(self) -> Iterator[bytes]:
        wishes = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
        before = _event("session.update", session=wishes)
        commit = _event("input_audio_buffer.commit")
        for number, message in enumerate(self._messages, start=self._at):
            ends = number % round(TURN / FRAME) == 0
            if ends:
                self.committed = time.monotonic()
            yield before + message + (commit if ends else b"")
            before = b""


def _event(kind: str, **fields: object) -> bytes:
    return framed(json.dumps({"type": kind, **fields}).encode(), TEXT)


def delta_rows(plan: Plan) -> list[Row]:
    """From the moment that words are certain until their delta is at the client.

    They are certain when the client has committed and their text is ready: it may be ready before.
    """
    worst, rest, delays = [], [], []
    for _ in range(plan.rounds):
        turns = [Turns(plan.seconds, at) for at in range(COMMITTING)]
        sent: dict[Client, Turns] = {}
        heard: list[float] = []

        def hear(
            client: Client,
            event: Event,
            now: float,
            sent: dict[Client, Turns] = sent,
            heard: list[float] = heard,
        ) -> None:
            if event["type"] == DELTA:
                certain = max(ready_at(event["delta"].strip()), sent[client].committed)
                heard.append(1000 * (now - certain))

        with running(CLOCKED) as server:
            address = "/v1/realtime?model=gpt-realtime-whisper"
            for each in turns:
                sent[Client(server.port, "", each, pings=False, address=address)] = each
            run = Load(list(sent), hear)
            begun = Moment.now(server)
            run.run(plan.seconds)
            rest.append(begun.rest_load(Moment.now(server)))
            run.close()
        worst.append(percentile(heard, 99))
        delays += heard
    note = f"p50 {percentile(delays, 50):.1f} ms, n={len(delays)}, {COMMITTING} sessions"
    name = "/v1/realtime: delta after its words are committed, p99"
    return [Row(name, worst, "ms", rest, BAR, note)]
