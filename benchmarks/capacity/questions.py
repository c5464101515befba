"""What the simulation is asked: how many sessions, what beyond, who suffers (REC-85, QM-06..12)."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.capacity.figures import Outcome
from benchmarks.capacity.simulation import MARGIN, Setup, simulate
from stt.engines.encoder_context import EncoderContext

MOST = 1024  # sessions; a model that serves more is not searched further
LIGHT, FLOOD = "light", "flood"
LIGHT_SESSIONS = 10  # QM-12
SHORT, LONG = 0, 1000  # least feature frames of a window: none, and 10 s


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most sessions that were served as promised, and how they were."""

    sessions: int
    outcome: Outcome
    beyond: tuple[str, ...]
    """Which promises one session more breaks."""


@dataclass(frozen=True, slots=True)
class Fairness:
    """A light tenant's finals beside a flooding one."""

    times: float
    """The load of both together, in nominal loads."""
    alone: Outcome
    beside: Outcome
    flood: Outcome

    @property
    def ratio(self) -> float:
        """Final p95 beside the flood over final p95 alone (QM-12)."""
        return self.beside.final_at(95) / self.alone.final_at(95)


def windows_of(least: int) -> EncoderContext:
    """Windows of at least so many feature frames, whatever the kind."""
    return EncoderContext(least, least, MARGIN)


def broken(outcome: Outcome, setup: Setup) -> list[str]:
    """The promises of the setup's targets that an outcome breaks; that no final is lost is one."""
    endpoint, targets = setup.speech.endpointing.silence, setup.targets
    held = {
        "interim p95": outcome.interim_at(95) <= targets.interim,
        "final p95": outcome.final_at(95) <= endpoint + targets.final,
        "updates": outcome.updates >= targets.updates,
        "finals": outcome.lost == 0,
    }
    return [promise for promise, holds in held.items() if not holds]


def capacity(setup: Setup) -> Capacity:
    """By doubling, then bisection; 0 sessions where not even one is served as promised."""
    tried: dict[int, Outcome] = {}

    def fails(sessions: int) -> bool:
        tried[sessions] = simulate(setup, {LIGHT: sessions})[LIGHT]
        return bool(broken(tried[sessions], setup))

    bad = 1
    while bad < MOST and not fails(bad):
        bad *= 2
    good = bad // 2
    while bad - good > 1:
        middle = (good + bad) // 2
        if fails(middle):
            bad = middle
        else:
            good = middle
    beyond = broken(tried[bad], setup) if bad in tried else []
    return Capacity(good, tried[max(good, 1)], tuple(beyond))


def loaded(setup: Setup, nominal: int, times: float) -> Outcome:
    """So many times the nominal number of sessions, all of one tenant."""
    return simulate(setup, {LIGHT: max(1, round(times * nominal))})[LIGHT]


def fairness(setup: Setup, nominal: int, times: float) -> Fairness:
    """A light tenant alone, and beside another that brings the load to ``times`` the nominal."""
    light = min(LIGHT_SESSIONS, max(1, nominal // 4))
    alone = simulate(setup, {LIGHT: light})[LIGHT]
    both = simulate(setup, {LIGHT: light, FLOOD: max(1, round(times * nominal) - light)})
    return Fairness(times, alone, both[LIGHT], both[FLOOD])
