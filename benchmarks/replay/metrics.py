"""Figures of what was said and when, as recognition section 9 defines them. Pure functions.

Clocks and word times are seconds of the stream, so a difference is a delay. The clock is that of
the client: delays hold the service's computing, the network and the 100 ms of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.replay.corpus import Spoken
from benchmarks.wer import normalise
from stt.events import Final, Interim

SLACK = 0.15  # s by which the middle of a word may lie outside the utterance that it belongs to


@dataclass(frozen=True, slots=True)
class Said:
    """An event with text, and when its client had read it."""

    event: Interim | Final
    at: float


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance of the service, with the true words in it."""

    events: Sequence[Said]
    spoken: Sequence[Spoken]
    """At least one."""

    @property
    def begins(self) -> float:
        """The onset of its first word."""
        return self.spoken[0].start

    @property
    def ends(self) -> float:
        """The end of its last word."""
        return self.spoken[-1].end


def by_utterance(said: Iterable[Said]) -> dict[int, list[Said]]:
    """The events utterance by utterance, in their order."""
    utterances: dict[int, list[Said]] = {}
    for one in said:
        utterances.setdefault(one.event.utterance, []).append(one)
    return utterances


def shown(said: Said) -> str:
    """The whole text of its utterance after this event."""
    event = said.event
    return event.text if isinstance(event, Final) else event.committed + event.tail


def utterances(said: Iterable[Said], spoken: Sequence[Spoken]) -> list[Heard]:
    """The utterances that came to a text, with their words."""
    found = []
    for events in by_utterance(said).values():
        final = events[-1].event
        if isinstance(final, Final) and final.text:
            start, end = final.start - SLACK, final.end + SLACK
            inside = [word for word in spoken if start <= (word.start + word.end) / 2 <= end]
            if inside:
                found.append(Heard(events, inside))
    return found


def first_words(heard: Iterable[Heard]) -> list[float]:
    """From the onset of each utterance's first word to its first event with text (QM-04)."""
    return [
        next(one.at for one in utterance.events if shown(one).strip()) - utterance.begins
        for utterance in heard
    ]


def last_changes(heard: Iterable[Heard]) -> list[float]:
    """From the end of each utterance's last word to the event that brought its last words.

    What a reader waits for: a final that only repeats the words of an interim adds nothing. Case
    and punctuation are no change.
    """
    delays = []
    for utterance in heard:
        words = [normalise(shown(one)) for one in utterance.events]
        since = len(words) - 1
        while since and words[since - 1] == words[-1]:
            since -= 1
        delays.append(utterance.events[since].at - utterance.ends)
    return delays


def finals(heard: Iterable[Heard]) -> list[float]:
    """From the end of each utterance's last word to its final (QM-06)."""
    return [utterance.events[-1].at - utterance.ends for utterance in heard]


def erasure(said: Iterable[Said]) -> tuple[int, int]:
    """Words that were shown and then withdrawn or changed, and words of the finals (QM-03)."""
    erased = words = 0
    for events in by_utterance(said).values():
        texts = [normalise(shown(one)) for one in events]
        erased += sum(len(old) - _common(old, new) for old, new in pairwise(texts))
        words += len(texts[-1]) if isinstance(events[-1].event, Final) else 0
    return erased, words


def committed_changed(said: Iterable[Said]) -> int:
    """Events whose text does not begin with what was committed before in the utterance (QM-02)."""
    changed = 0
    for events in by_utterance(said).values():
        sure = ""
        for one in events:
            event = one.event
            now = event.committed if isinstance(event, Interim) else event.text
            changed += not now.strip().startswith(sure.strip())
            sure = now
    return changed


def _common(left: Sequence[str], right: Sequence[str]) -> int:
    """How many words two texts begin with alike."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
