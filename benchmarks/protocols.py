"""What other people's protocols and containers cost beside `/stt/stream`, and how soon they answer.

The same speech, the same sessions, one service: only the wire differs. The ratio is of the CPU
seconds of the whole service, recognition included, as whoever runs it pays them.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.clocked import ready_at
from benchmarks.containers import opus_pieces
from benchmarks.load import BINARY, FRAME, RATE, TEXT, Client, Event, Load, framed
from benchmarks.server import Moment, Server, running
from benchmarks.sessions import CLOCKED, SPOKEN, WARM_UP, Plan, hush
from benchmarks.table import Row, percentile
from benchmarks.wer import AUDIO, load
from stt.audio.pcm import samples_to_pcm16
from stt.engines.options import EngineOptions
from stt.engines.table import create_engine
from stt.events import Kind, Window

Samples = NDArray[np.float32]

SESSIONS = 8
COMMITTING = 20  # sessions
UTTERANCE = 4.0  # s: a sentence and the pause behind it
TURN = 2.0  # s of speech between two commits
NATIVE = "auto_chunk=1&language=en"
BAR_JSON, BAR_OPUS = 1.3, 2.0
BAR_DELTA = 50.0  # ms
BAR_FIRST = 2.0  # times a window of 30 s
FILE, WINDOW = "en_long_60s.flac", 30.0  # s
DELTA = "conversation.item.input_audio_transcription.delta"


def at_24_khz(samples: Samples) -> Samples:
    """(n,) float32 at 16 kHz to 24 kHz; good enough for what only its cost is asked of."""
    size = len(samples) * 3 // 2
    return np.interp(np.arange(size) * 2 / 3, np.arange(len(samples)), samples).astype(np.float32)


def binary(samples: Samples, change: Callable[[Samples], Samples] = np.asarray) -> Iterator[bytes]:
    """Messages of bare audio."""
    for part in samples.reshape(-1, round(FRAME * RATE)):
        yield framed(samples_to_pcm16(change(part)), BINARY)


def appended(samples: Samples) -> Iterator[bytes]:
    """Messages of the Realtime protocol: audio at 24 kHz in base64 in JSON."""
    for part in samples.reshape(-1, round(FRAME * RATE)):
        audio = base64.b64encode(samples_to_pcm16(at_24_khz(part))).decode()
        message = {"type": "input_audio_buffer.append", "audio": audio}
        yield framed(json.dumps(message).encode(), TEXT)


def contained(samples: Samples, container: str) -> Iterator[bytes]:
    """Messages with what a recorder has written of a container every 100 ms, if anything."""
    for piece in opus_pieces(samples, container, every=FRAME):
        yield framed(piece, BINARY) if piece else b""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to bring the same speech."""

    name: str
    address: str
    frames: Callable[[Samples], Iterator[bytes]]
    over: str = ""
    """The way that it is compared with."""
    bar: float | None = None


PLAIN = Way("/stt/stream, PCM", f"/stt/stream?{NATIVE}", binary)
PLAIN_24 = Way(
    "/stt/stream, PCM at 24 kHz",
    f"/stt/stream?{NATIVE}&sample_rate=24000",
    partial(binary, change=at_24_khz),
    over=PLAIN.name,
)
WAYS = (
    PLAIN,
    PLAIN_24,
    Way(
        "/v1/realtime, base64 in JSON at 24 kHz",
        "/v1/realtime?model=whisper-1",
        appended,
        over=PLAIN_24.name,
        bar=BAR_JSON,
    ),
    Way(
        "/v1/listen, PCM",
        "/v1/listen?encoding=linear16&sample_rate=16000&interim_results=true&language=en",
        binary,
        over=PLAIN.name,
        bar=BAR_JSON,
    ),
    Way(
        "/stt/stream, Opus in WebM",
        f"/stt/stream?{NATIVE}&encoding=auto",
        partial(contained, container="webm"),
        over=PLAIN.name,
        bar=BAR_OPUS,
    ),
    Way(
        "/v1/listen, Opus in Ogg",
        "/v1/listen?interim_results=true&language=en",
        partial(contained, container="ogg"),
        over=PLAIN.name,
        bar=BAR_OPUS,
    ),
)


def speech(seconds: float, offset: float) -> Samples:
    """A sentence and a pause, again and again; ``offset``: where in them it begins, in s."""
    said = load(SPOKEN)
    once = np.concatenate((said, hush(UTTERANCE - len(said) / RATE)))
    whole = np.tile(once, int((seconds + offset) / UTTERANCE) + 2)
    start = round(offset * RATE)
    return whole[start : start + round(seconds / FRAME) * round(FRAME * RATE)]


def protocol_rows(plan: Plan) -> list[Row]:
    """Cost of each way beside the one it is compared with, then how soon words and files come."""
    return [*_cost_rows(plan), *delta_rows(plan), *first_rows(plan)]


def _cost_rows(plan: Plan) -> list[Row]:
    costs: dict[str, list[float]] = defaultdict(list)
    rest: dict[str, list[float]] = defaultdict(list)
    for _ in range(plan.rounds):
        with running() as server:
            for way in WAYS:
                cost, others = _cost(server, way, plan.seconds / 2)
                costs[way.name].append(cost)
                rest[way.name].append(others)
    return [_row(way, costs, rest) for way in WAYS]


def _row(way: Way, costs: dict[str, list[float]], rest: dict[str, list[float]]) -> Row:
    own = costs[way.name]
    each = f"{1000 * sum(own) / len(own):.1f} ms CPU per audio s, {SESSIONS} sessions"
    if not way.over:
        return Row(way.name, [1000 * cost for cost in own], "ms/s", rest[way.name], note=each)
    ratios = [cost / base for cost, base in zip(own, costs[way.over], strict=True)]
    return Row(f"{way.name}: over {way.over}", ratios, "times", rest[way.name], way.bar, each)


def _cost(server: Server, way: Way, seconds: float) -> tuple[float, float]:
    """CPU s of the service per s of audio, and what else used the machine, in % of a core."""
    length = 2 * WARM_UP + seconds
    clients = [
        Client(
            server.port,
            "",
            list(way.frames(speech(length, UTTERANCE * at / SESSIONS))),
            pings=False,
            address=way.address,
        )
        for at in range(SESSIONS)
    ]
    run = Load(clients)
    run.run(WARM_UP)
    begun = Moment.now(server)
    run.run(seconds)
    ended = Moment.now(server)
    run.close()
    audio = SESSIONS * (ended.wall - begun.wall)
    return (ended.server - begun.server) / audio, begun.rest_load(ended)


def delta_rows(plan: Plan) -> list[Row]:
    """From the moment the text of a committed turn is ready until its delta is at the client."""
    worst, rest, delays = [], [], []
    for _ in range(plan.rounds):
        heard: list[float] = []

        def hear(_: Client, event: Event, now: float, heard: list[float] = heard) -> None:
            if event["type"] == DELTA:
                heard.append(1000 * (now - ready_at(event["delta"].strip())))

        with running(CLOCKED) as server:
            address = "/v1/realtime?model=gpt-realtime-whisper"
            clients = [
                Client(
                    server.port, "", list(_turns(plan.seconds, at)), pings=False, address=address
                )
                for at in range(COMMITTING)
            ]
            run = Load(clients, hear)
            begun = Moment.now(server)
            run.run(plan.seconds)
            rest.append(begun.rest_load(Moment.now(server)))
            run.close()
        worst.append(percentile(heard, 99))
        delays += heard
    note = f"p50 {percentile(delays, 50):.1f} ms, n={len(delays)}, {COMMITTING} sessions"
    return [
        Row("/v1/realtime: delta after its text is ready, p99", worst, "ms", rest, BAR_DELTA, note)
    ]


def _turns(seconds: float, at: int) -> Iterator[bytes]:
    """Speech that its client commits every two seconds, after a setting that lets it."""
    turn_detection = {"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    update = {"type": "session.update", "session": turn_detection}
    commit = framed(json.dumps({"type": "input_audio_buffer.commit"}).encode(), TEXT)
    before = framed(json.dumps(update).encode(), TEXT)
    said = load(SPOKEN)
    samples = np.tile(said, int(seconds * RATE / len(said)) + 2)
    every = round(TURN / FRAME)
    whole = samples[: len(samples) // round(FRAME * RATE) * round(FRAME * RATE)]
    for number, message in enumerate(appended(whole), start=at):
        yield before + message + (commit if number % every == 0 else b"")
        before = b""


def first_rows(plan: Plan) -> list[Row]:
    """From the request for a stream of a file to its first words, in times of one window."""
    ratios, rest, notes = [], [], []
    window = _window_seconds(plan.rounds)
    for _ in range(plan.rounds):
        with running() as server:
            begun = Moment.now(server)
            waited = _first_delta((AUDIO / FILE).read_bytes(), server.port)
            rest.append(begun.rest_load(Moment.now(server)))
        ratios.append(waited / window)
        notes.append(1000 * waited)
    note = (
        f"first words after {percentile(notes, 50):.0f} ms; a window takes {1000 * window:.0f} ms"
    )
    name = "file of 60 s, stream=true: first delta, in windows of 30 s"
    return [Row(name, ratios, "times", rest, BAR_FIRST, note)]


def _window_seconds(rounds: int) -> float:
    """How long the demo model takes for a window of 30 s, s."""
    engine = create_engine("faster-whisper", EngineOptions(encoder_context="full"))
    samples = load(FILE)[: round(WINDOW * RATE)]
    taken = []
    for _ in range(rounds + 1):
        begun = time.monotonic()
        engine.transcribe([Window(samples, Kind.BULK, language="en")])
        taken.append(time.monotonic() - begun)
    engine.close()
    return percentile(taken, 50)


def _first_delta(audio: bytes, port: int) -> float:
    """Seconds from a request to its first `transcript.text.delta`."""
    mark = "hark-boundary"
    fields = {"model": "whisper-1", "language": "en", "stream": "true"}
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = b"".join((*parts, head.encode(), audio, f"\r\n--{mark}--\r\n".encode()))
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    connection.request("POST", "/v1/audio/transcriptions", body, headers)
    answer = connection.getresponse()
    while line := answer.readline():
        if b"transcript.text.delta" in line:
            connection.close()
            return time.monotonic() - begun
    raise RuntimeError(f"no text came: {answer.status}")
