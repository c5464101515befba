"""Deepgram's live API: the way in to `/v1/listen` (client DG1-DG4, DG12)."""

from __future__ import annotations

from dataclasses import replace

from dialects.base import Accepted, Asked, DoorOptions, HttpRefusal, Refusal
from stt.errors import NotReady, STTError
from stt.formats import language_code
from stt.ids import DEFAULT_TENANT
from stt.protocols.base import AudioFormat
from stt.protocols.deepgram import DeepgramProtocol, Effective
from stt.protocols.deepgram_query import MULTILINGUAL, DeepgramQuery, hotwords, read_query
from stt.protocols.deepgram_results import Wanted
from stt.protocols.deepgram_shapes import created_now, new_request_id, refused
from stt_surroundings import SessionOptions

IDLE = 10.0  # s without audio or KeepAlive (DG12)
IDLE_CLOSE = (1011, "NET-0001")


class DeepgramDialect:
    """See the module's docstring."""

    path = "/v1/listen"

    def __init__(self, options: DoorOptions) -> None:
        self._options = options

    def accept(self, asked: Asked) -> Accepted:
        """Raises BadInput where the audio could not be read; all else is ignored (DG2)."""
        query = read_query(asked.pairs)
        session = self._chosen(query, asked)
        audio = AudioFormat(session.encoding, session.sample_rate, session.channels)
        request_id = new_request_id()
        wanted = Wanted(
            request_id,
            created_now(),
            channels=query.channels,
            interim_results=query.interim_results,
            vad_events=query.vad_events,
            speech_finals=query.speech_finals,
            utterance_ends=query.utterance_end is not None,
            languages=query.language == MULTILINGUAL,
        )
        return Accepted(
            asked.principal.tenant_id if asked.principal else DEFAULT_TENANT,
            session,
            lambda _: DeepgramProtocol(wanted, Effective(session.speech, audio)),
            connection=replace(self._options.connection, idle_timeout=IDLE, idle_close=IDLE_CLOSE),
            session_id=request_id,
            headers={"dg-request-id": request_id},
        )

    def turn_away(self, error: STTError) -> HttpRefusal:
        """Before the upgrade: the status, and `dg-error` (DG1)."""
        status, body, headers = refused(
            error.status,
            error.message,
            request_id=new_request_id(),
            retry_after=error.retry_after,
        )
        return HttpRefusal(status, body, headers)

    def refuse(self, error: STTError) -> Refusal:
        """After the upgrade: the service has begun to shut down meanwhile."""
        return Refusal((), 1012 if isinstance(error, NotReady) else 1008, error.code)

    def _chosen(self, query: DeepgramQuery, asked: Asked) -> SessionOptions:
        defaults = self._options.session
        ends = defaults.speech.endpointing
        if query.endpointing is not None:  # the client's own silence, whatever the text says
            ends = replace(ends, silence=query.endpointing, by_text=False)
        speech = replace(
            defaults.speech,
            language=spoken(query, asked.abilities.languages, defaults.speech.language),
            hotwords=hotwords(query.keyterms) or defaults.speech.hotwords,
            interims=query.interim_results,
            word_times=True,
            interim_words=query.interim_results,
            endpointing=ends,
            n_mels=asked.abilities.n_mels,
        )
        return replace(
            defaults,
            speech=speech,
            encoding=query.encoding or "linear16",
            sample_rate=query.sample_rate,
            channels=query.channels,
            auto_chunk=True,
            vad_events=True,  # the codec tells what its client asked for
            silence_after=query.utterance_end or defaults.silence_after,
        )


def spoken(query: DeepgramQuery, languages: frozenset[str], default: str | None) -> str | None:
    """The language to recognise; None: hear which. One that the model does not know is ignored."""
    if query.detects:
        return None
    code = language_code(query.language or "")
    return code if code in languages else default
