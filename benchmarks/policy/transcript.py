"""Figures of what was said, whatever the time: text, committed words, erasure. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from benchmarks.policy.replay import Said
from benchmarks.wer import normalise
from stt.events import UNSPACED_LANGUAGES, Failed, Final, Interim

NEIGHBOURS = 3  # words shown on each side of a difference


def units(text: str, language: str | None = None) -> list[str]:
    """What errors are counted in: words, or characters where the script has no spaces (REC-13)."""
    return normalise(spaced(text, language))


def spaced(text: str, language: str | None) -> str:
    """The text with a space between its characters, where the language writes none."""
    return " ".join(text) if language in UNSPACED_LANGUAGES else text


def by_utterance(said: Iterable[Said]) -> dict[int, list[Said]]:
    """The events that carry text, utterance by utterance, in their order."""
    utterances: dict[int, list[Said]] = {}
    for one in said:
        if isinstance(one.event, Interim | Final | Failed):
            utterances.setdefault(one.event.utterance, []).append(one)
    return utterances


def shown(said: Said) -> str:
    """The whole text of its utterance after this event."""
    match said.event:
        case Interim(committed=committed, tail=tail):
            return committed + tail
        case Final(text=text) | Failed(text=text):
            return text
    return ""


def final_text(said: Iterable[Said], language: str | None = None) -> str:
    """The text of the stream: its finals in order, and what is known of failed ones (QM-01)."""
    glue = "" if language in UNSPACED_LANGUAGES else " "
    texts = [shown(one) for one in said if isinstance(one.event, Final | Failed)]
    return glue.join(text for text in texts if text)


def committed_changed(said: Iterable[Said], language: str | None = None) -> int:
    """Events whose text does not keep what was committed before in their utterance (QM-02).

    Kept is what the later text, or committed text, starts with, and word for word: "world" is not
    kept by "worldly"; a comma or a capital that comes later changes no word. A final that says that
    it is ``revised`` (REC-27) promises nothing and is not counted here.
    """
    changed = 0
    for events in by_utterance(said).values():
        sure = ""
        for one in events:
            if isinstance(one.event, Final) and one.event.revised:
                continue
            now = one.event.committed if isinstance(one.event, Interim) else shown(one)
            changed += not _keeps(now, sure, language)
            sure = now
    return changed


def _keeps(text: str, committed: str, language: str | None) -> bool:
    before = units(committed, language)
    return (
        text.strip().startswith(committed.strip())
        and units(text, language)[: len(before)] == before
    )


def revised(said: Iterable[Said]) -> int:
    """Finals that say that they do not keep what was committed (REC-27)."""
    return sum(isinstance(one.event, Final) and one.event.revised for one in said)


def erasure(said: Iterable[Said], language: str | None = None) -> tuple[int, int]:
    """Words that were shown and then withdrawn or changed, and words of the finals (QM-03).

    Their ratio is the normalised erasure of Arivazhagan et al., "Re-translation versus Streaming
    for Simultaneous Translation" (2020): from one event to the next of an utterance, all words
    behind the longest common beginning of the two texts are erased. Case and punctuation are no
    change.
    """
    erased = words = 0
    for events in by_utterance(said).values():
        texts = [units(shown(one), language) for one in events]
        erased += sum(len(old) - common(old, new) for old, new in pairwise(texts))
        words += sum(len(text) for one, text in zip(events, texts, strict=True) if _ends(one))
    return erased, words


def _ends(said: Said) -> bool:
    return isinstance(said.event, Final | Failed)


def common(left: Sequence[str], right: Sequence[str]) -> int:
    """How many words two texts begin with alike."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def differences(reference: list[str], hypothesis: list[str]) -> str:
    """The reference with what was heard instead: ``the [blue -> new] door``, ``[ -> so]``.

    Of what was heard rightly, three words on each side are shown.
    """
    return " ".join(_marked(reference, hypothesis))


def _marked(reference: list[str], hypothesis: list[str]) -> Iterator[str]:
    matcher = SequenceMatcher(None, reference, hypothesis, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            yield f"[{' '.join(reference[a:b])} -> {' '.join(hypothesis[c:d])}]"
        elif b - a <= 2 * NEIGHBOURS:
            yield from reference[a:b]
        else:
            yield from reference[a : a + NEIGHBOURS] if a else ()
            yield "..."
            yield from reference[b - NEIGHBOURS : b] if b < len(reference) else ()
