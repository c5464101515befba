"""Recordings at the pace of speech against a running service, or one of our own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TextIO
from urllib.parse import urlsplit

from benchmarks.load import FRAME, Client, Event, Hangup, Load, Target
from benchmarks.policy.corpus import Recording
from benchmarks.replay.playlist import playlists
from benchmarks.replay.rung import Cost, Rung
from benchmarks.replay.session import Transcript
from benchmarks.server import Moment, Server, running
from benchmarks.table import percentile

QUERY = "auto_chunk=1&vad_events=1"
LOOK = 0.25  # s between two looks whether all finals have come
PATIENCE = 30.0  # s after the last audio in which finals may come
PATH = "/stt/stream"


@dataclass(frozen=True, slots=True)
class Asked:
    """How to replay."""

    recordings: Sequence[Recording]
    language: str | None = "en"
    target: Target | None = None
    """None: a service of our own, started for each rung."""
    app: str = "app:create_app()"
    """What our own service serves."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Its environment."""
    query: str = ""
    """More of the WebSocket's query, such as ``text=delta``."""
    events: TextIO | None = None
    """Where each message is written, a line of JSON."""


def target_of(url: str, key: str | None = None) -> Target:
    """The service at ``ws://host:port``, with an API key or without. Raises ValueError."""
    parts = urlsplit(url)
    if (
        parts.scheme not in ("ws", "http")
        or not parts.hostname
        or parts.path not in ("", "/", PATH)
    ):
        raise ValueError(f"{url}: must look like ws://127.0.0.1:5055{PATH}")
    headers = () if key is None else (f"Authorization: Bearer {key}",)
    return Target(parts.port or 80, parts.hostname, headers)


def climb(asked: Asked, sessions: int) -> Rung:
    """``sessions`` sessions at once, each with all recordings, each beginning with another one.

    Raises OSError when the service cannot be reached.
    """
    own = running(asked.app, **asked.settings)
    with own if asked.target is None else nullcontext() as server:
        target = Target(server.port) if server is not None else asked.target
        assert target is not None
        return _Climb(asked, sessions, target).run(server)


class _Climb:
    """One rung while it lasts. One thread."""

    def __init__(self, asked: Asked, sessions: int, target: Target) -> None:
        self._asked = asked
        self._rung = Rung(sessions)
        self._lists = playlists(asked.recordings, sessions)
        self._transcripts: dict[Client, Transcript] = {}
        self._numbers: dict[Client, int] = {}
        for number, playlist in enumerate(self._lists):
            try:
                client = Client(target, _query(asked), playlist.frames(), pings=False)
            except Hangup:  # the service has no room for it
                self._rung.lost += 1
                continue
            self._transcripts[client] = Transcript()
            self._numbers[client] = number

    def run(self, server: Server | None) -> Rung:
        """Play it all, wait for the finals, add it up."""
        rung = self._rung
        load = Load(list(self._transcripts), self._hear, self._mourn)
        begun = Moment.now(server) if server else None
        load.run(max(playlist.seconds for playlist in self._lists) + FRAME)
        deadline = time.monotonic() + PATIENCE
        while self._waiting and time.monotonic() < deadline:
            load.run(LOOK)
        if server and begun:
            ended = Moment.now(server)
            rung.cost = Cost(ended.server - begun.server, begun.rest_load(ended))
        load.close()
        rung.lateness = percentile(load.lateness, 99) if load.lateness else 0.0
        for client, transcript in self._transcripts.items():
            rung.add(self._lists[self._numbers[client]], transcript)
            rung.received += client.received
        return rung

    @property
    def _waiting(self) -> bool:
        return any(transcript.unfinished for transcript in self._transcripts.values())

    def _hear(self, client: Client, event: Event, now: float) -> None:
        at = now - client.begun
        self._transcripts[client].take(event, at)
        if self._asked.events is not None:
            line = {
                "sessions": self._rung.sessions,
                "session": self._numbers[client],
                "audio_s": round(at, 4),
                "wall_s": round(time.time(), 4),
                "event": event,
            }
            self._asked.events.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _mourn(self, client: Client, why: str) -> None:
        self._rung.lost += 1
        self._transcripts[client].problems.append(why)


def _query(asked: Asked) -> str:
    parts = [QUERY]
    if asked.language is not None:
        parts.append(f"language={asked.language}")
    return "&".join([*parts, *([asked.query] if asked.query else [])])
