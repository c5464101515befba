"""From what simulated sessions were told to figures (REC-85, QM-06, QM-08, QM-11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.capacity.costs import Costs
from benchmarks.capacity.speaker import Speaker
from benchmarks.capacity.work import Share, Work, shares
from benchmarks.table import percentile


@dataclass(frozen=True, slots=True)
class Targets:
    """What sessions are promised: REC-85, or what was measured with peers (recognition 2.7)."""

    interim: float = 1.0
    """s, the most of the 95th percentile."""
    final: float = 0.3
    """s beyond the endpoint, the same after the last word."""
    updates: float = 0.9
    """A second of speech, the least."""


OWN = Targets()
PEERS = Targets(interim=1.5, final=1.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the sessions of a tenant came to. Times are seconds."""

    sessions: int
    interim: tuple[float, ...]
    """Of each interim: from when its newest audio was spoken until it was said."""
    final: tuple[float, ...]
    """Of each final: since its last word ended."""
    endpoint: tuple[float, ...]
    """Of each final: since its endpoint fired."""
    updates: float
    """Texts told, interims and finals, for each second of speech."""
    lost: int
    """Utterances that never got a final."""
    out_of_order: int
    changed: int
    wrong: int
    cpu: float
    """CPU s for each second of speech, of all tenants together."""
    utilisation: float
    """Of the cores, of all tenants together."""
    batch: float
    """Windows in a call, of all tenants together."""
    shares: tuple[Share, ...] = ()
    """What the workers did, by kind, for all tenants together."""

    def interim_at(self, percent: float) -> float:
        """A percentile of the interims' delays; infinite where none was said."""
        return percentile(self.interim, percent) if self.interim else float("inf")

    def final_at(self, percent: float) -> float:
        """A percentile of the finals' delays after the last word."""
        return percentile(self.final, percent) if self.final else float("inf")

    def endpoint_at(self, percent: float) -> float:
        """A percentile of the finals' delays after their endpoint."""
        return percentile(self.endpoint, percent) if self.endpoint else float("inf")


def summed(
    speakers: Sequence[Speaker],
    work: Sequence[Work],
    span: tuple[float, float],
    *,
    cores: int,
    costs: Costs,
    everybody: Sequence[Speaker],
) -> Outcome:
    """The figures of ``speakers`` for what was said within ``span``."""
    start, end = span
    told = [one for speaker in speakers for one in speaker.account.told if start <= one.at < end]
    finals = [one for one in told if one.is_final]
    inside = [call for call in work if start <= call.at < end]
    cpu = sum(call.cpu for call in inside) + len(everybody) * costs.hearing_s() * (end - start)
    speech = _speech(everybody, span)
    accounts = [speaker.account for speaker in speakers]
    return Outcome(
        sessions=len(speakers),
        interim=tuple(one.delay for one in told if not one.is_final),
        final=tuple(one.delay for one in finals),
        endpoint=tuple(one.endpoint for one in finals),
        updates=len(told) / _speech(speakers, span),
        lost=sum(account.utterances - account.finals for account in accounts),
        out_of_order=sum(account.out_of_order for account in accounts),
        changed=sum(account.changed for account in accounts),
        wrong=sum(account.wrong for account in accounts),
        cpu=cpu / speech,
        utilisation=cpu / (cores * (end - start)),
        batch=sum(len(call.pieces) for call in inside) / len(inside) if inside else 0.0,
        shares=shares(costs, inside, speech),
    )


def _speech(speakers: Sequence[Speaker], span: tuple[float, float]) -> float:
    return sum(speaker.spoken(*span) for speaker in speakers)
