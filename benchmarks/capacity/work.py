"""What the virtual workers do: the windows of a call, what the call costs, and of what kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.capacity.costs import Costs
from benchmarks.table import percentile
from stt.events import Kind


@dataclass(frozen=True, slots=True)
class Piece:
    """One window in a call."""

    kind: Kind
    frames: int
    """Feature frames the encoder gets."""
    steps: int
    times: bool
    """Whether it wants word times."""
    waited: float
    """s from the queue to a worker."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call of a worker."""

    at: float
    cpu: float
    """CPU s."""
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """The windows of one kind."""

    kind: Kind
    windows: float
    """For each second of speech."""
    frames: float
    """Mean."""
    steps: float
    """Mean."""
    waited: tuple[float, ...]
    cpu: float
    """Of all CPU time of calls; a call's is divided by what its windows would cost alone."""

    def waited_at(self, percent: float) -> float:
        """A percentile of the wait, in s."""
        return percentile(self.waited, percent)


def call_s(costs: Costs, pieces: Sequence[Piece]) -> float:
    """CPU seconds of a call: windows are encoded apart, those of one length decoded together."""
    lengths = {piece.frames for piece in pieces}
    return costs.call_s() + sum(
        _together(costs, [piece for piece in pieces if piece.frames == frames])
        for frames in sorted(lengths)
    )


def _together(costs: Costs, pieces: Sequence[Piece]) -> float:
    """Windows of one length; the longest text sets the number of steps."""
    steps = max(piece.steps for piece in pieces)
    return costs.batch_s(pieces[0].frames, steps, [piece.times for piece in pieces])


def shares(costs: Costs, work: Sequence[Work], speech: float) -> tuple[Share, ...]:
    """Who the workers worked for, in ``speech`` seconds of speech."""
    cpu: dict[Kind, float] = {}
    found: dict[Kind, list[Piece]] = {}
    for call in work:
        alone = [_together(costs, [piece]) for piece in call.pieces]
        for piece, own in zip(call.pieces, alone, strict=True):
            found.setdefault(piece.kind, []).append(piece)
            cpu[piece.kind] = cpu.get(piece.kind, 0.0) + call.cpu * own / sum(alone)
    return tuple(
        Share(
            kind=kind,
            windows=len(pieces) / speech,
            frames=sum(piece.frames for piece in pieces) / len(pieces),
            steps=sum(piece.steps for piece in pieces) / len(pieces),
            waited=tuple(piece.waited for piece in pieces),
            cpu=cpu[kind] / sum(cpu.values()),
        )
        for kind, pieces in sorted(found.items())
    )
