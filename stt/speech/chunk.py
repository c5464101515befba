"""One chunk's transcript: the utterances of a stream, told as the text of the whole chunk.

A client labels audio with a chunk id and reads the chunk's text so far in every reply (native W32).
Pure: no lock, no clock. What is committed here only grows (recognition REC-21), but for the text of
the open utterance, which a ``best`` final may revise (REC-27). Words are those of one utterance,
in an interim as at its end; only the chunk's final has them all.
"""

from __future__ import annotations

from dataclasses import replace

from stt.events import UNSPACED_LANGUAGES, Ended, Event, Failed, Final, Interim, Word
from stt.replies import Transcript

MAX_WORDS = 4000  # about half an hour of speech; a chunk's final carries no more word times


class Chunk:
    """The text of one chunk, from its utterances' events."""

    def __init__(self, chunk_id: str) -> None:
        self.id = chunk_id
        self.last: int | None = None
        """The utterance that the chunk ends with (native W33); None: its client says when."""
        self.final: Transcript | None = None
        """The one final, once said."""
        self.warning: str | None = None
        """Said with the next transcript (native W12)."""
        self._text = ""
        self._words: list[Word] = []
        self._start: float | None = None
        self._end: float | None = None
        self._language: str | None = None
        self._shown: Interim | None = None  # of the open utterance, the newest
        self._heard = False

    @property
    def text(self) -> str:
        """The committed text so far."""
        return self._text

    def say(self, event: Event) -> Transcript | None:
        """What the client is to be told about an event, if anything."""
        if self.final is not None:
            return None
        match event:
            case Interim():
                return self._interim(event)
            case Final():
                return self._utterance(event)
            case Failed():
                self._heard, self._shown = True, None
                self._add(event.text, None)
                return self.conclude() if event.utterance == self.last else None
            case Ended():
                return self.conclude() if self.last is None else None
            case _:
                return None

    def conclude(self, *, timed_out: bool = False, revised: bool = False) -> Transcript | None:
        """The chunk's final with what is known now; None when it was said before (native W5)."""
        if self.final is not None:
            return None
        if timed_out and self._shown is not None:
            self._promote(self._shown)
        reason = None
        if not self._text and not timed_out:
            reason = "filtered" if self._heard else "silence"
        self.final = Transcript(
            chunk_id=self.id,
            committed=self._text,
            is_final=True,
            start=self._start,
            end=self._end,
            words=tuple(self._words) if len(self._words) < MAX_WORDS else (),
            language=self._language,
            reason=reason,
            timed_out=timed_out,
            warning=self._take_warning(),
            revised=revised,
        )
        return self.final

    def _interim(self, event: Interim) -> Transcript:
        committed = self._joined(event.committed, event.language)
        tail = event.tail if event.committed.strip() else event.tail.lstrip()
        if committed and not event.committed.strip():
            tail = self._gap(event.language) + tail
        self._shown = event
        return Transcript(
            chunk_id=self.id,
            committed=committed,
            tail=tail,
            start=event.start if self._start is None else self._start,
            end=event.end,
            words=event.words,
            language=event.language or self._language,
            warning=self._take_warning(),
        )

    def _utterance(self, event: Final) -> Transcript | None:
        self._heard = True
        before = self._text
        self._add(event.text, event.language)
        if event.text:
            self._start = event.start if self._start is None else self._start
            self._end = event.end
            self._words.extend(event.words[: MAX_WORDS - len(self._words)])
        if event.utterance == self.last:
            return self.conclude(revised=event.revised)
        shown, self._shown = self._shown, None
        if self._text == before and shown is None:
            return None  # nothing was ever shown of it (native W28)
        return Transcript(
            chunk_id=self.id,
            committed=self._text,
            speech_final=True,
            start=event.start,
            end=event.end,
            words=event.words,
            language=event.language,
            warning=self._take_warning(),
            revised=event.revised,
        )

    def _promote(self, shown: Interim) -> None:
        """Take text that may have changed for good: nobody waits for better (native W8)."""
        self._add(shown.committed + shown.tail, shown.language)
        self._start = shown.start if self._start is None else self._start
        self._end = shown.end

    def _add(self, text: str, language: str | None) -> None:
        self._language = self._language or language
        self._text = self._joined(text, language)

    def _joined(self, text: str, language: str | None) -> str:
        text = text.strip()
        return self._text + self._gap(language) + text if text and self._text else self._text + text

    def _gap(self, language: str | None) -> str:
        return "" if (language or self._language) in UNSPACED_LANGUAGES else " "

    def _take_warning(self) -> str | None:
        warning, self.warning = self.warning, None
        return warning


def unknown(chunk_id: str) -> Transcript:
    """The final of a chunk nobody has heard of: a client must never hang (native W6)."""
    return Transcript(chunk_id=chunk_id, committed="", is_final=True, reason="unknown")


def repeated(final: Transcript) -> Transcript:
    """The final said again, for a second finalize (native W7)."""
    return replace(final, usage=None, stored=None, arrived=None, seq=0)
