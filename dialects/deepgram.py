"""Deepgram's live API: the way in to `/v1/listen` (client DG1-DG4, DG12)."""

from __future__ import annotations

from dataclasses import replace

from dialects.base import Accepted, Asked, DoorOptions, Refusal
from stt.audio.stream import decoded_stream
from stt.errors import NotReady, STTError
from stt.ids import as_hint
from stt.protocols.base import AudioFormat, Close, Configure
from stt.protocols.deepgram import DeepgramProtocol
from stt.protocols.deepgram_query import (
    MULTILINGUAL,
    DeepgramQuery,
    known_language,
    read_query,
)
from stt.protocols.deepgram_results import Wanted
from stt.protocols.deepgram_shapes import created_now
from stt_intake import ENCODING as CONTAINER
from stt_intake import Intake
from stt_session import Session
from stt_surroundings import SessionOptions

IDLE = 10.0  # s without audio or KeepAlive (DG12)
IDLE_CLOSE = (1011, "NET-0001")
NO_AUDIO_CLOSE = (1008, "DATA-0000")  # and why, in words


class DeepgramDialect:
    """See the module's docstring."""

    path = "/v1/listen"
    early = True

    def __init__(self, options: DoorOptions) -> None:
        self._options = options

    def accept(self, asked: Asked) -> Accepted:
        """Raises BadInput where the audio could not be read; all else is ignored (DG2)."""
        query = read_query(asked.pairs)
        session = self._chosen(query, asked)
        audio = AudioFormat(session.encoding, session.sample_rate, session.channels)
        wanted = Wanted(
            asked.request_id,
            created_now(),
            channels=query.channels,
            interim_results=query.interim_results,
            vad_events=query.vad_events,
            speech_finals=query.speech_finals,
            utterance_ends=query.utterance_end is not None,
            languages=query.language == MULTILINGUAL,
        )
        return Accepted(
            asked.tenant,
            session,
            lambda _: DeepgramProtocol(wanted, Configure(session.speech, audio=audio)),
            connection=replace(self._options.connection, idle_timeout=IDLE, idle_close=IDLE_CLOSE),
            listener=self._intake if query.encoding is None else None,
            headers={"dg-request-id": asked.request_id},
        )

    def refuse(self, error: STTError) -> Refusal:
        """After the upgrade: the service has begun to shut down meanwhile."""
        return Refusal((), 1012 if isinstance(error, NotReady) else 1008, error.code)

    def _intake(self, session: Session) -> Intake:
        rate = self._options.session.pace.rate
        return Intake(
            session,
            decoded_stream,
            rate=rate,
            ends=(Close,),
            useless=NO_AUDIO_CLOSE,
            in_flight=self._options.in_flight,
        )

    def _chosen(self, query: DeepgramQuery, asked: Asked) -> SessionOptions:
        defaults = self._options.session
        ends = defaults.speech.endpointing
        if query.endpointing is not None:  # the client's own silence, whatever the text says
            ends = replace(ends, silence=query.endpointing, by_text=False)
        speech = replace(
            defaults.speech,
            language=None
            if query.detects
            else known_language(query, asked.abilities.languages) or defaults.speech.language,
            hotwords=as_hint(query.keyterms) or defaults.speech.hotwords,
            interims=query.interim_results,
            word_times=True,
            interim_words=query.interim_results,
            endpointing=ends,
            n_mels=asked.abilities.n_mels,
        )
        return replace(
            defaults,
            speech=speech,
            encoding=query.encoding or CONTAINER,
            sample_rate=query.sample_rate,
            channels=query.channels,
            auto_chunk=True,
            vad_events=True,  # the codec tells what its client asked for
            silence_after=query.utterance_end or defaults.silence_after,
        )
