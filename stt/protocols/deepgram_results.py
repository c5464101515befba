"""The writing half of Deepgram's live protocol: what the session says, as messages (client 4.2).

It remembers which audio its client has been told the final text of, so that ranges of finals never
overlap (DG10). Times are seconds since the stream began. For one thread, the writer's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stt.errors import BadInput, NotReady, RateLimited
from stt.protocols.deepgram_shapes import MODEL, MODEL_UUID, alternative, metadata, ms
from stt.protocols.wire import JSON
from stt.replies import Flushed, Note, Problem, Reply, Silence, Speech, Transcript, Usage

CHANNEL = [0, 1]  # the first of one: several are mixed down
MAX_ECHO = 1000  # characters of a message that could not be read, sent back with the error


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one client wants to be told, and the names of its connection."""

    request_id: str
    created: str
    channels: int = 1
    """Of the audio that comes."""
    interim_results: bool = False
    vad_events: bool = False
    speech_finals: bool = True
    """Mark the ends of utterances."""
    utterance_ends: bool = False
    languages: bool = False
    """Say the language that was heard."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The body of a note: the stream is over; Metadata is the last message (DG11)."""

    sha256: str
    """Of all audio, as it came."""


@dataclass(frozen=True, slots=True)
class Told:
    """The body of a note: a message, in its turn."""

    message: JSON


class SchemaError(BadInput):
    """A text frame that is not a message of this protocol; the stream goes on."""

    def __init__(self, description: str, original: str) -> None:
        super().__init__(description)
        self.original = original[:MAX_ECHO]


class Writer:
    """See the module's docstring."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._until = 0.0  # the audio before it has its final text
        self._starts: dict[str, float] = {}  # of the utterances without a final, by chunk
        self._ends: dict[str, float] = {}
        self._newest = ""  # the chunk that began last
        self._cut: set[str] = set()  # chunks whose speech went on in the next one
        self._quiet_after: str | None = None  # the chunk whose final UtteranceEnd waits for
        self._last_word_end: float | None = None  # since the last UtteranceEnd
        self._ending: Ending | None = None

    def shapes(self, reply: Reply) -> Sequence[JSON]:
        """The messages for a reply, in their order."""
        match reply:
            case Transcript():
                return self._final(reply) if reply.is_final else self._interim(reply)
            case Flushed(answered=False):
                return [self._nothing(reply.at)]
            case Speech():
                return self._boundary(reply)
            case Silence() if self._wanted.utterance_ends:
                return self._fall_silent()
            case Note(body=Told() as told):
                return [told.message]
            case Note(body=Ending() as ending):
                self._ending = ending
            case Usage() if self._ending is not None:
                return [self._metadata(self._ending, reply.received_s)]
            case Problem():
                return _error(reply)
        return []

    # What was said.

    def _interim(self, said: Transcript) -> Sequence[JSON]:
        text = said.committed + said.tail
        if not (self._wanted.interim_results and text.strip()):
            return []
        start = self._start(said)
        end = max(start, said.end or start)
        return [self._results(said, text.strip(), (start, end))]

    def _final(self, said: Transcript) -> Sequence[JSON]:
        """The text of an utterance for good; without text too, for it takes back interims."""
        chunk = said.chunk_id
        start = self._start(said)
        known = (said.end, self._ends.pop(chunk, None), *(word.end for word in said.words))
        end = max(start, *(at for at in known if at is not None), start)
        self._until = end
        del self._starts[chunk]
        if said.committed:
            spoken = [word.end for word in said.words if word.end is not None]
            self._last_word_end = min(max(spoken, default=end), end)
        marked = self._wanted.speech_finals and chunk not in self._cut
        shown = self._results(
            said,
            said.committed,
            (start, end),
            speech_final=said.flushed or marked,
            from_finalize=said.flushed,
        )
        self._cut.discard(chunk)
        if self._quiet_after == chunk:
            self._quiet_after = None
            return [shown, *self._utterance_end()]
        return [shown]

    def _nothing(self, at: float) -> JSON:
        """The answer to a Finalize that no text came of: every one has its own (DG7, DG15)."""
        bounds = (self._until, max(self._until, at))
        self._until = bounds[1]
        return self._results(None, "", bounds, speech_final=True, from_finalize=True)

    def _start(self, said: Transcript) -> float:
        """Where a chunk's range begins, the same for its interims and its final (DG10)."""
        if said.chunk_id not in self._starts:  # the word of its beginning was lost on the way
            start = self._until if said.start is None else said.start
            self._starts[said.chunk_id] = max(self._until, start)
        return max(self._until, self._starts[said.chunk_id])

    def _results(
        self,
        said: Transcript | None,
        text: str,
        bounds: tuple[float, float],
        *,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> JSON:
        start, end = (ms(at) for at in bounds)
        heard = said.language if said is not None and self._wanted.languages else None
        return {
            "type": "Results",
            "channel_index": CHANNEL,
            "duration": ms(end - start),
            "start": start,
            "is_final": said is None or said.is_final,
            "speech_final": speech_final,
            "channel": {
                "alternatives": [
                    alternative(
                        text,
                        () if said is None else said.words,
                        bounds=bounds,
                        languages=() if heard is None else (heard,),
                    )
                ]
            },
            "metadata": {
                "request_id": self._wanted.request_id,
                "model_info": MODEL,
                "model_uuid": MODEL_UUID,
            },
            "from_finalize": from_finalize,
        }

    # Voice and silence.

    def _boundary(self, speech: Speech) -> Sequence[JSON]:
        chunk = speech.chunk_id
        if not speech.started:
            self._ends[chunk] = speech.at
            return []
        goes_on = self._ends.get(self._newest) == speech.at  # a long utterance was cut here
        if goes_on:
            self._cut.add(self._newest)
        self._newest = chunk
        self._starts[chunk] = speech.at
        if goes_on or not self._wanted.vad_events:
            return []
        return [{"type": "SpeechStarted", "channel": CHANNEL, "timestamp": ms(speech.at)}]

    def _fall_silent(self) -> Sequence[JSON]:
        """Say UtteranceEnd, after the final of the speech before the silence."""
        if self._newest in self._starts:
            self._quiet_after = self._newest
            return []
        return self._utterance_end()

    def _utterance_end(self) -> Sequence[JSON]:
        end, self._last_word_end = self._last_word_end, None
        if end is None:  # no word since the last one
            return []
        return [{"type": "UtteranceEnd", "channel": CHANNEL, "last_word_end": ms(end)}]

    # The end, and errors.

    def _metadata(self, ending: Ending, received: float) -> JSON:
        wanted = self._wanted
        told = metadata(
            request_id=wanted.request_id,
            sha256=ending.sha256,
            created=wanted.created,
            duration=received,
            channels=wanted.channels,
        )
        return {"type": "Metadata", **told}


def _error(problem: Problem) -> Sequence[JSON]:
    """An error that the stream survives; a close says its reason itself.

    Nothing is said of what this client cannot mend and loses nothing by: an interim that found the
    queue full, audio that came early and was read slowly, or too late into a stop of the service.
    """
    cause = problem.cause
    if problem.close_code is not None or problem.interim:
        return []
    if problem.chunk_id is None and isinstance(cause, NotReady | RateLimited):
        return []
    shape: JSON = {"type": "Error", "variant": problem.code, "description": problem.message}
    if isinstance(cause, SchemaError):
        return [shape | {"variant": "SchemaError", "message": cause.original}]
    return [shape]
