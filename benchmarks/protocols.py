"""What other people's protocols and containers cost beside `/stt/stream`, and how soon they answer.

The same speech, the same sessions, one service: only the wire differs. The ratio is of the CPU
seconds of the whole service, recognition included, as whoever runs it pays them.
"""

from __future__ import annotations

import http.client
import time
from collections import defaultdict

import numpy as np

from benchmarks.deltas import delta_rows
from benchmarks.load import FRAME, RATE, Client, Load
from benchmarks.server import Moment, Server, running
from benchmarks.sessions import SPOKEN, WARM_UP, Plan, hush
from benchmarks.table import Row, percentile
from benchmarks.ways import WAYS, Samples, Way
from benchmarks.wer import AUDIO, load
from stt.engines.options import EngineOptions
from stt.engines.table import create_engine
from stt.events import Kind, Window

SESSIONS = 8
UTTERANCE = 4.0  # s: a sentence and the pause behind it
BAR_FIRST = 2.0  # times a window of 30 s
FILE, WINDOW = "en_long_60s.flac", 30.0  # s


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
