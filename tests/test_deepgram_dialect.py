"""Deepgram's live way in: what a handshake means for the session it opens (client DG1-DG4)."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from dialects.base import Accepted, Asked, DoorOptions
from dialects.deepgram import DeepgramDialect
from stt.auth import Principal
from stt.errors import BadInput, Forbidden, NotReady
from stt.events import Abilities
from stt.speech.endpointing import EndpointingOptions
from stt.speech.options import SpeechOptions
from stt_surroundings import SessionOptions

ENDS = EndpointingOptions(silence=0.8, by_text=True)
SPEECH = SpeechOptions(language="de", hotwords="house", endpointing=ENDS)
DIALECT = DeepgramDialect(DoorOptions(session=SessionOptions(speech=SPEECH, silence_after=3.0)))
BARE = "encoding=linear16"


def accepted(query: str = BARE, principal: Principal | None = None) -> Accepted:
    """What a handshake is answered with."""
    able = Abilities(frozenset({"en", "de"}), n_mels=80)
    return DIALECT.accept(Asked(tuple(parse_qsl(query)), {}, principal, able, "r-1"))


def test_a_client_that_asks_for_nothing_gets_the_services_own() -> None:
    """DG4: its language, hints and endpoints; no interims, which nobody would hear."""
    session = accepted().session

    assert (session.speech.language, session.speech.hotwords) == ("de", "house")
    assert session.speech.endpointing == ENDS
    assert (session.speech.interims, session.speech.n_mels) == (False, 80)
    assert (session.auto_chunk, session.vad_events, session.silence_after) == (True, True, 3.0)


def test_a_clients_choices_reach_the_session() -> None:
    """DG2: with interims come their words, with its own silence the text decides nothing."""
    session = accepted(
        f"{BARE}&sample_rate=8000&channels=2&interim_results=true&utterance_end_ms=1500"
        "&endpointing=500&language=en-GB&keyterm=Hark"
    ).session
    speech = session.speech

    assert (session.encoding, session.sample_rate, session.channels) == ("linear16", 8000, 2)
    assert session.silence_after == 1.5
    assert (speech.interims, speech.interim_words, speech.word_times) == (True, True, True)
    assert (speech.endpointing.silence, speech.endpointing.by_text) == (0.5, False)
    assert (speech.language, speech.hotwords) == ("en", "Hark")


@pytest.mark.parametrize(
    ("query", "language"),
    [("language=multi", None), ("detect_language=true", None), ("language=xx", "de")],
)
def test_languages_are_heard_or_are_the_services(query: str, language: str | None) -> None:
    """DG2: detection where it is asked for, though the service has a default."""
    assert accepted(f"{BARE}&{query}").session.speech.language == language


def test_a_container_is_decoded_on_its_way() -> None:
    """DG3: bare samples go straight to the session; what says itself what it is does not."""
    bare, contained = accepted(), accepted("encoding=ogg-opus&sample_rate=48000")

    assert bare.listener is None
    assert contained.listener is not None
    assert (contained.session.encoding, contained.session.sample_rate) == ("float32", 16000)


def test_the_connection_is_deepgrams() -> None:
    """DG1, DG12: the request's id in the answer; 10 s of nothing; the key's tenant."""
    answer = accepted(principal=Principal("alice"))

    assert answer.headers == {"dg-request-id": "r-1"}
    assert (answer.connection.idle_timeout, answer.connection.idle_close) == (
        10.0, (1011, "NET-0001"),
    )  # fmt: skip
    assert (answer.tenant, accepted().tenant) == ("alice", "0000")


def test_unreadable_audio_is_refused_early() -> None:
    """DG1: before the upgrade; what comes too late for that is a close without a message."""
    with pytest.raises(BadInput):
        accepted("encoding=speex")

    assert DIALECT.early
    late, never = DIALECT.refuse(NotReady("closing")), DIALECT.refuse(Forbidden("no"))
    assert (late.messages, late.code, never.code) == ((), 1012, 1008)
