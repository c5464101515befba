"""Figures of when it was said: first word, lagging, final. Pure functions of events and true words.

Clocks and word times are seconds of one recording, so a difference is a delay. The clock is virtual
(``replay``): with no delay of its own the figures are those of the policy alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from benchmarks.policy.corpus import Spoken
from benchmarks.policy.replay import Said
from benchmarks.policy.transcript import by_utterance, common, shown, units
from stt.events import Failed, Final, Interim

SLACK = 0.15  # s by which the middle of a word may lie outside the utterance that it belongs to


@dataclass(frozen=True, slots=True)
class Heard:
    """An utterance of the stream, with the true words in it; only of such with text and words."""

    events: Sequence[Said]
    spoken: Sequence[Spoken]
    """At least one."""
    language: str | None = None

    @property
    def begins(self) -> float:
        """The onset of its first word."""
        return self.spoken[0].start

    @property
    def ends(self) -> float:
        """The end of its last word."""
        return self.spoken[-1].end

    def words(self) -> list[tuple[str, float]]:
        """The true words as they are compared, each with its end."""
        return [
            (unit, word.end) for word in self.spoken for unit in units(word.text, self.language)
        ]


def utterances(
    said: Iterable[Said], spoken: Sequence[Spoken], language: str | None = None
) -> list[Heard]:
    """The utterances that came to a text, with their words."""
    return list(_utterances(said, spoken, language))


def _utterances(
    said: Iterable[Said], spoken: Sequence[Spoken], language: str | None
) -> Iterator[Heard]:
    for events in by_utterance(said).values():
        final = events[-1].event
        if not isinstance(final, Final) or not final.text:
            continue
        inside = [
            word
            for word in spoken
            if final.start - SLACK <= (word.start + word.end) / 2 <= final.end + SLACK
        ]
        if inside:
            yield Heard(events, inside, language)


def first_words(heard: Iterable[Heard]) -> list[float]:
    """From the onset of each utterance's first word to its first event with text (QM-04)."""
    return [
        next(one.at for one in utterance.events if shown(one).strip()) - utterance.begins
        for utterance in heard
    ]


def finals(heard: Iterable[Heard]) -> list[float]:
    """From the end of each utterance's last word to its final (QM-06)."""
    return [utterance.events[-1].at - utterance.ends for utterance in heard]


def last_changes(heard: Iterable[Heard]) -> list[float]:
    """From the end of each utterance's last word to the event that brought its last words.

    What a reader waits for: a final that only repeats the words of an interim adds nothing. Below 0
    where the last word was told before it was over.
    """
    delays = []
    for utterance in heard:
        words = [units(shown(one), utterance.language) for one in utterance.events]
        since = len(words) - 1
        while since and words[since - 1] == words[-1]:
            since -= 1
        delays.append(utterance.events[since].at - utterance.ends)
    return delays


def commit_clocks(utterance: Heard) -> list[float]:
    """For each word of the final: when it was said not to change any more.

    That is the first event whose committed words begin as the final does, up to this word. A word
    that was committed otherwise and revised by the final (REC-27) is the final's.
    """
    final = units(shown(utterance.events[-1]), utterance.language)
    clocks: list[float] = []
    for one in utterance.events:
        committed = one.event.committed if isinstance(one.event, Interim) else shown(one)
        sure = common(units(committed, utterance.language), final)
        clocks += [one.at] * (sure - len(clocks))
    return clocks


def commit_lags(heard: Iterable[Heard]) -> list[float]:
    """For each true word that the finals have: its commit clock less the end of the word (QM-05).

    Words are matched in order (``difflib``); words that were heard wrongly have no lag.
    """
    lags = []
    for utterance in heard:
        clocks, words = commit_clocks(utterance), utterance.words()
        final = units(shown(utterance.events[-1]), utterance.language)
        matcher = SequenceMatcher(None, [word for word, _ in words], final, autojunk=False)
        for block in matcher.get_matching_blocks():
            for at in range(block.size):
                lags.append(clocks[block.b + at] - words[block.a + at][1])
    return lags


def laal(heard: Iterable[Heard]) -> list[float]:
    """The length-adaptive average lagging of each utterance, in seconds (QM-05).

    After Papi, Gaido, Negri, Turchi, "Over-Generation Cannot Be Rewarded: Length-Adaptive Average
    Lagging for Simultaneous Speech Translation" (2022):

        LAAL = 1/n * sum over i = 1..n of (d_i - (i - 1) * |X| / max(|Y|, |Y*|))

    d_i: commit clock of the final's i-th word, from the onset of the first true word; |X|: from
    there to the end of the last one; |Y|, |Y*|: words of the final, and of the truth; n: the first
    word with d_i >= |X| (all, if there is none). The words of an ideal system come evenly spread
    and each at its onset, so this is longer than the lag behind a word's end by about a word.
    """
    return [_laal(utterance) for utterance in heard]


def _laal(utterance: Heard) -> float:
    length = utterance.ends - utterance.begins
    delays = [clock - utterance.begins for clock in commit_clocks(utterance)]
    pace = length / max(len(delays), len(utterance.words()), 1)
    counted = next((at for at, delay in enumerate(delays, 1) if delay >= length), len(delays))
    lags = [delay - at * pace for at, delay in enumerate(delays[:counted])]
    return sum(lags) / len(lags) if lags else 0.0


def failures(said: Iterable[Said]) -> int:
    """Utterances on which the engine failed."""
    return sum(isinstance(one.event, Failed) for one in said)
