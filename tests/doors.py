"""An app with the HTTP doors, doubles behind them, and clients for it or for a live server."""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from flask import Flask, request
from flask.testing import FlaskClient

from api import legacy, openai, sessions, transcripts
from api.files.room import FileLimits, Files
from api.gate import install_gate
from api.uploads import uploader
from stt.audio.decode import decoded_blocks
from stt.auth import Authenticator, Principal
from stt.errors import STTError
from stt.events import SAMPLE_RATE, Abilities, Final, Samples
from stt.served import ServedModel
from stt.sources import Sources
from stt.store.base import Stored, TranscriptStore
from stt.store.table import open_store
from stt_file import FileOptions

MAX_BODY = 4_000_000  # bytes
SESSION_TTL = 7200.0
MODEL = ServedModel("owner/small", 1_700_000_000)


def pcm(seconds: float) -> bytes:
    """A quiet hum of int16 PCM at 16 kHz."""
    wave = np.sin(np.arange(round(seconds * SAMPLE_RATE)) / 9) * 3000
    return wave.astype("<i2").tobytes()


def base64_pcm(seconds: float) -> str:
    """The same as the older clients send it."""
    return base64.b64encode(pcm(seconds)).decode()


@dataclass
class FakeHearing:
    """Stands in for a Hearing: yields what it is told, raises it if it is an error."""

    said: Iterable[Final | BaseException | None]
    seconds: float
    closed: int = 0
    """How many times it was closed."""

    def __iter__(self) -> Iterator[Final | None]:
        for item in self.said:
            if isinstance(item, BaseException):
                raise item
            yield item

    def close(self) -> None:
        self.closed += 1


class FakeRecorder:
    """Stands in for the Recorder: a snapshot is transcribed at once, as how long it is."""

    def __init__(self, store: TranscriptStore) -> None:
        self._store = store
        self.snapshots: list[tuple[str, str, int]] = []
        """(tenant, chunk, samples) in the order of arrival."""
        self.states: dict[tuple[str, str], str] = {}
        self.refusals: list[STTError | None] = []
        """What the next calls raise; None: nothing."""
        self.calls: list[FileOptions] = []
        """What `listen` was asked for, in turn."""
        self.lengths: list[float] = []
        """Seconds of audio of each."""
        self.script: Iterable[Final | BaseException | None] | None = None
        """What the files to come say; None: one greeting, as long as the audio."""
        self.hearings: list[FakeHearing] = []

    def snapshot(self, tenant: str, chunk_id: str, samples: Samples) -> None:
        self._refuse()
        assert samples.dtype == np.float32
        self.snapshots.append((tenant, chunk_id, len(samples)))
        text = f"Heard {len(samples) / SAMPLE_RATE:g} seconds."
        self._store.put(Stored(tenant, chunk_id, text, time.time_ns())).result(5)

    def status(self, tenant: str, chunk_id: str) -> str | None:
        return self.states.get((tenant, chunk_id))

    def listen(self, blocks: Iterable[Samples], options: FileOptions) -> FakeHearing:
        self._refuse()
        seconds = sum(map(len, blocks)) / SAMPLE_RATE
        self.calls.append(options)
        self.lengths.append(round(seconds, 3))
        greeting = Final(0, "Hello there.", 0.0, seconds, language="en")
        self.hearings.append(
            FakeHearing([greeting] if self.script is None else self.script, seconds)
        )
        return self.hearings[-1]

    def _refuse(self) -> None:
        error = self.refusals.pop(0) if self.refusals else None
        if error is not None:
            raise error


@dataclass
class Clock:
    """Seconds that pass when told."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """The app and what is behind it."""

    app: Flask
    store: TranscriptStore
    recorder: FakeRecorder
    files: Files
    clock: Clock = field(default_factory=Clock)

    @property
    def http(self) -> FlaskClient:
        return self.app.test_client()

    def keep(self, texts: Mapping[str, str], tenant: str = "0000") -> None:
        """Store transcripts."""
        for chunk_id, text in texts.items():
            self.store.put(Stored(tenant, chunk_id, text, time.time_ns())).result(5)

    def texts(self, tenant: str = "0000") -> dict[str, str]:
        """What the store holds."""
        return {row.chunk_id: row.text for row in self.store.chunks(tenant)}

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.http.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json()


def build(
    keys: Mapping[str, str] | None = None,
    *,
    reject_status: int = 429,
    max_seconds: float = 60,
    allowed_origins: tuple[str, ...] = (),
    at_once: int = 8,
    max_bytes: int = 2 * MAX_BODY,
    strict: bool = False,
    model: ServedModel | None = MODEL,
    abilities: Abilities | None = None,
    store: Callable[[], TranscriptStore] = lambda: open_store("memory:"),
) -> House:
    """The doors over an in-memory store; the caller closes the store."""
    app = Flask("hark")
    clock = Clock()
    opened = store()
    recorder = FakeRecorder(opened)
    auth = Authenticator((keys or {}).items(), clock=clock)
    sources = Sources(ttl=SESSION_TTL, clock=clock)

    def whom() -> Principal | None:
        return auth.identify(authorization=request.headers.get("Authorization"))

    install_gate(
        app,
        allowed_origins=allowed_origins,
        capacity=lambda: True,
        most_sockets=1,
        max_body_bytes=MAX_BODY,
    )
    limits = FileLimits(max_seconds, at_once, max_bytes, keep_alive=0.0)
    files = Files(recorder, decoded_blocks, whom, limits, lambda: abilities or Abilities())
    app.register_blueprint(
        legacy.blueprint(recorder, uploader(files), whom, reject_status=reject_status)
    )
    app.register_blueprint(openai.blueprint(files, lambda: model, strict=strict))
    app.register_blueprint(transcripts.blueprint(opened, recorder, whom, sources))
    app.register_blueprint(sessions.blueprint(whom, sources))
    return House(app, opened, recorder, files, clock)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client(Protocol):
    """What a replay needs of a client."""

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send ``body`` as JSON, if there is one."""


class InProcess:
    """A Client of an app in this process."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        answer = self._client.open(path, method=method, json=body, headers=headers)
        return Answer(answer.status_code, answer.headers, answer.data)


class OverTheNetwork:
    """A Client of a server at ``url``."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(self._address.netloc, timeout=30)
        try:
            data = None if body is None else json.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, data, kind | dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()
