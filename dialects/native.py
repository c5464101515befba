"""Our own protocol's way in: `/stt/stream` (native sections 11 and 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from dialects.bare import Doubting
from dialects.base import Accepted, Asked, DoorOptions, Intermediary, Refusal
from stt.audio.stream import decoded_stream
from stt.errors import NotReady, STTError, UnsupportedAudio
from stt.events import SAMPLE_RATE
from stt.ids import as_hint
from stt.protocols.base import Close
from stt.protocols.native import NativeOptions, NativeProtocol
from stt.protocols.native_query import NativeQuery, read_query
from stt.replies import problem
from stt_intake import ENCODING, Intake
from stt_session import Session
from stt_surroundings import SessionOptions


class NativeDialect:
    """See the module's docstring."""

    path = "/stt/stream"
    early = False

    def __init__(self, options: DoorOptions) -> None:
        self._options = options

    def accept(self, asked: Asked) -> Accepted:
        """The principal's tenant outranks the query's (HT-AUTH). Raises BadInput."""
        query = read_query(asked.query, asked.abilities)
        tenant = asked.principal.tenant_id if asked.principal else query.tenant_id
        spoken = replace(
            query.native,
            max_message_bytes=self._options.max_message_bytes,
            only_tenant=tenant if self._options.strict_tenant else None,
        )
        chosen = self._chosen(query, asked.abilities.n_mels)
        return Accepted(
            tenant,
            chosen,
            lambda session: NativeProtocol(session.id, spoken),
            listener=self._listener(query),
            connection=self._options.connection,
            session_id=query.session_id,
        )

    def refuse(self, error: STTError) -> Refusal:
        """An error message, and the close code that says so again (native 11.1)."""
        messages = NativeProtocol("", NativeOptions()).encode(problem(error))
        match error:
            case UnsupportedAudio():
                return Refusal(messages, 1003)
            case NotReady():
                return Refusal(messages, 1012)
            case _:
                return Refusal(messages, 1008)

    def _chosen(self, query: NativeQuery, n_mels: int) -> SessionOptions:
        defaults = self._options.session
        speech = defaults.speech
        ends, silence = speech.endpointing, query.tuning.silence
        hints = (query.hotwords, query.tuning.keywords)
        return replace(
            defaults,
            speech=replace(
                speech,
                language=query.language or speech.language,
                task=query.task or speech.task,
                prompt=query.prompt or speech.prompt,
                hotwords=as_hint(filter(None, hints)) or speech.hotwords,
                endpointing=(
                    ends if silence is None else replace(ends, silence=silence, by_text=False)
                ),
                final=query.final or speech.final,
                word_times=query.native.words != "none",  # nobody reads them: save the alignment
                interim_words=query.native.words == "interim",
                n_mels=n_mels,
            ),
            sample_rate=SAMPLE_RATE if query.contained else query.sample_rate,
            encoding=ENCODING if query.contained else query.encoding,
            channels=1 if query.contained else query.channels,
            channel=query.channel,
            container=query.encoding if query.contained else None,
            auto_chunk=query.auto_chunk,
            vad_events=query.vad_events,
            subscribe=query.subscribe,
        )

    def _listener(self, query: NativeQuery) -> Callable[[Session], Intermediary] | None:
        """A decoder before a container; of bare samples only what is usual is worth a doubt."""
        if query.contained:
            return self._intake
        return Doubting if query.encoding == "linear16" else None

    def _intake(self, session: Session) -> Intake:
        return Intake(
            session,
            partial(decoded_stream, ends=False),  # nobody hears it: who ends its audio has left
            rate=session.options.pace.rate,
            ends=(Close,),
            in_flight=self._options.in_flight,
        )
