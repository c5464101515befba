"""What live sessions cost and how soon they are answered, with an engine that costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, cycle

import numpy as np
from numpy.typing import NDArray

from benchmarks.clocked import ready_at
from benchmarks.load import RATE, Client, Event, Load, audio_frames
from benchmarks.server import Moment, running
from benchmarks.table import Row, percentile
from benchmarks.wer import load

MANY = 200
RESULTS = 100
QUERY = "auto_chunk=1&language=en"
AT_THE_END = "&final=best"  # the final is made at the endpoint, not ahead: it has a moment to tell
SPOKEN = "en_short_03.flac"  # 2 s of speech
WARM_UP = 4.0  # s: every session has had its first interim
CLOCKED = "benchmarks.clocked:clocked_app()"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    rounds: int
    seconds: float


def voice(seconds: float) -> NDArray[np.float32]:
    """(n,) float32: a buzz at 120 Hz with four syllables a second, speech to the energy gate."""
    time = np.arange(round(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * tone * time) / tone for tone in range(1, 10))
    loudness = 0.1 + 0.9 * np.abs(np.sin(2 * np.pi * 2 * time))
    return np.asarray(0.2 * loudness * buzz, np.float32)


def hush(seconds: float) -> NDArray[np.float32]:
    """(n,) float32: the noise of a quiet room, -66 dBFS."""
    noise = np.random.default_rng(1).standard_normal(round(seconds * RATE))
    return np.asarray(0.0005 * noise, np.float32)


def silent_frames() -> list[bytes]:
    """Four seconds in which nobody speaks."""
    return audio_frames(hush(4.0))


def spoken_frames() -> list[bytes]:
    """A recorded utterance and a pause that ends it, four seconds."""
    speech = load(SPOKEN)
    return audio_frames(np.concatenate((speech, hush(4.0 - len(speech) / RATE))))


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement of sessions that were live together."""

    round_trips: list[float]
    """s."""
    lateness: float
    """s; the 99th percentile of what the load generator was late by."""
    lost: int
    """Pings that had waited for a second or more at the end."""
    cpu: float
    """% of a core, all sessions together."""
    memory: float
    """Bytes that the sessions added, each."""
    rest: float
    """% of a core that others used."""


def live(
    sessions: int,
    frames: list[bytes],
    seconds: float,
    heard: list[tuple[Event, float]],
    query: str = QUERY,
) -> Round:
    """Start a service, keep ``sessions`` live for so long after a warm-up; fills ``heard``."""
    with running(CLOCKED) as server:
        first = Load([Client(server.port, query, cycle(frames))])
        first.run(WARM_UP)  # what is loaded and grown once is not of the sessions
        first.close()
        before = server.memory()
        load = Load(
            [
                Client(server.port, query, _from(frames, at * len(frames) // sessions))
                for at in range(sessions)
            ],
            lambda _, event, now: heard.append((event, now)),
        )
        load.run(WARM_UP)
        load.forget()
        heard.clear()
        begun = Moment.now(server)
        load.run(seconds)
        ended = Moment.now(server)
        result = Round(
            round_trips=load.round_trips,
            lateness=percentile(load.lateness, 99),
            lost=load.lost,
            cpu=begun.server_load(ended),
            memory=(server.memory() - before) / sessions,
            rest=begun.rest_load(ended),
        )
        load.close()
    return result


def _from(frames: list[bytes], at: int) -> cycle[bytes]:
    """The frames again and again from one of them on: not all speak at once."""
    return cycle(chain(frames[at:], frames[:at]))


def result_rows(plan: Plan) -> list[Row]:
    """From the moment a result is ready to the moment its client has read it."""
    delays: dict[bool, list[float]] = {False: [], True: []}
    rest = []
    worst: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(plan.rounds):
        heard: list[tuple[Event, float]] = []
        frames, query = spoken_frames(), QUERY + AT_THE_END
        rest.append(live(RESULTS, frames, plan.seconds, heard, query).rest)
        for is_final, of_round in worst.items():
            sample = [
                1000 * (now - ready_at(event["text"]))
                for event, now in heard
                if event["type"] == "transcript" and event["is_final"] is is_final
            ]
            of_round.append(percentile(sample, 99))
            delays[is_final] += sample
    return [
        Row(
            f"{RESULTS} sessions: {name} at its client, p99",
            worst[is_final],
            "ms",
            rest,
            bar=50,
            note=f"p50 {percentile(delays[is_final], 50):.1f} ms, n={len(delays[is_final])}",
        )
        for name, is_final in (("interim", False), ("final, stored,", True))
    ]


def many_rows(plan: Plan, kind: str, frames: Callable[[], list[bytes]]) -> list[Row]:
    """What 200 live sessions cost and how soon they are answered."""
    rounds = [live(MANY, frames(), plan.seconds, []) for _ in range(plan.rounds)]
    rest = [one.rest for one in rounds]
    late = max(one.lateness for one in rounds)
    lost = sum(one.lost for one in rounds)
    pongs = [[1000 * value for value in one.round_trips] for one in rounds]
    name = f"{MANY} {kind} sessions"
    return [
        Row(f"{name}: ping p50", [percentile(one, 50) for one in pongs], "ms", rest),
        Row(
            f"{name}: ping p99",
            [percentile(one, 99) for one in pongs],
            "ms",
            rest,
            bar=50,
            note=f"{lost} pings unanswered for 1 s; generator late by {1000 * late:.1f} ms (p99)",
        ),
        Row(f"{name}: CPU each", [one.cpu / MANY for one in rounds], "% core", rest, bar=0.25),
        Row(f"{name}: RSS each", [one.memory / 1000 for one in rounds], "KB", rest, bar=150),
    ]


def single_rows(plan: Plan) -> list[Row]:
    """One silent session, and the service with nobody there."""
    idle, one, rest = [], [], []
    for _ in range(plan.rounds):
        with running(CLOCKED) as server:
            load = Load([Client(server.port, QUERY, cycle(silent_frames()), pings=False)])
            load.run(WARM_UP)
            begun = Moment.now(server)
            load.run(plan.seconds)
            ended = Moment.now(server)
            one.append(begun.server_load(ended))
            rest.append(begun.rest_load(ended))
            load.close()
            nobody = Load([])
            nobody.run(1.0)
            begun = Moment.now(server)
            nobody.run(plan.seconds)
            idle.append(begun.server_load(Moment.now(server)))
    return [
        Row("1 silent session: CPU of the service", one, "% core", rest, bar=0.8),
        Row("no session: CPU of the service", idle, "% core", rest),
    ]


def start_rows(plan: Plan) -> list[Row]:
    """The demo model, from the start to the first session."""
    memory, ready, rest = [], [], []
    for _ in range(plan.rounds):
        with running() as server:
            ready.append(server.ready_after)
            begun = Moment.now(server)
            Load([]).run(2.0)
            memory.append(server.memory() / 1e6)
            rest.append(begun.rest_load(Moment.now(server)))
    return [
        Row("demo model: start to /readyz", ready, "s", rest, bar=10),
        Row("demo model, no session: RSS", memory, "MB", rest, bar=300),
    ]
