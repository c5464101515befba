"""Live and prerecorded speech through the `deepgram-sdk` package."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, get_args

import pytest
from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.errors import BadRequestError
from deepgram.listen.v1.socket_client import V1SocketClient, V1SocketClientResponse
from deepgram.listen.v1.types import ListenV1Configure
from deepgram.types.listen_v1response import ListenV1Response
from websockets.exceptions import InvalidStatus

from tests_clients.printed import defined, python
from tests_clients.service import KEY, Service
from tests_clients.sounds import HELLO, HELLO_WORDS, PIECE, hello, pieces, said, words
from tests_clients.strict import strictly

LIMIT = 30.0  # s; a deadline for what is waited for
MESSAGES = {
    member.model_fields["type"].default: member for member in get_args(V1SocketClientResponse)
}
RAW = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000"}


@dataclass
class Live:
    """A connection, and what has been heard on it; a thread reads."""

    connection: V1SocketClient
    messages: list[Any] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def hear(self, message: Any) -> None:
        """Keep a message that is exactly what its type says."""
        with self.changed:
            raw = message.model_dump(exclude_unset=True)
            try:
                self.messages.append(strictly(MESSAGES[raw["type"]], raw))
            except Exception as error:  # the thread of the package would swallow it
                self.errors.append(error)
            self.changed.notify_all()

    def until(self, condition: Any) -> Any:
        """The first message that fits, heard or to come."""
        with self.changed:
            found = self.changed.wait_for(
                lambda: self.errors or any(map(condition, self.messages)), LIMIT
            )
            assert not self.errors, self.errors
            assert found, self.messages
            return next(filter(condition, self.messages))

    def send(self, audio: bytes, *, pace: float = 0.0) -> None:
        """Audio in pieces, each ``pace`` s after the last."""
        wait = threading.Event()
        for piece in pieces(audio):
            self.connection.send_media(piece)
            wait.wait(pace)

    def of(self, kind: str) -> list[Any]:
        """The messages of a type."""
        return [message for message in self.messages if message.type == kind]

    def finals(self) -> list[Any]:
        """Final results that have words."""
        results = (one for one in self.of("Results") if one.is_final)
        return [one for one in results if one.channel.alternatives[0].transcript]


@contextmanager
def live(running: Service, **options: Any) -> Iterator[Live]:
    """A connection as docs/clients.md makes it; at the end it is closed, and heard to its close."""
    client = defined("deepgram", running)["client"]
    with client.listen.v1.connect(**options) as connection:
        heard = Live(connection)
        connection.on(EventType.MESSAGE, heard.hear)
        connection.on(EventType.ERROR, heard.errors.append)
        listening = threading.Thread(target=connection.start_listening)
        listening.start()
        try:
            yield heard
        finally:
            connection.send_close_stream()
            listening.join(LIMIT)
    assert not listening.is_alive()
    assert not heard.errors, heard.errors


def said_in(finals: list[Any]) -> list[str]:
    """The words of some results."""
    return words(" ".join(one.channel.alternatives[0].transcript for one in finals))


def test_speech_becomes_words_as_it_is_said(hark: Service) -> None:
    """DG10, DG11, DG13: interims, then finals that do not overlap, with words and their times."""
    more = {"interim_results": "true", "vad_events": "true", "punctuate": "true"}
    with live(hark, **RAW, **more, language="en") as heard:
        heard.send(hello(), pace=PIECE)

    finals = heard.finals()
    assert said_in(finals) == HELLO_WORDS
    assert any(not one.is_final for one in heard.of("Results"))
    assert heard.of("SpeechStarted")
    assert all(one.start + one.duration <= later.start + 0.001 for one, later in pairwise(finals))
    for one in finals:
        (best,) = one.channel.alternatives
        assert words(" ".join(word.word for word in best.words)) == words(best.transcript)
        assert all(one.start - 0.001 <= word.start <= word.end for word in best.words)
        assert all(0 <= word.confidence <= 1 for word in best.words)
    assert heard.messages[-1].type == "Metadata"
    assert heard.messages[-1].duration == pytest.approx(6.4, abs=0.1)


def test_endpoints_are_marked(counting: Service) -> None:
    """DG10, DG4: `speech_final` at the silence, UtteranceEnd a second after the last word."""
    more = {"interim_results": "true", "utterance_end_ms": "1000", "endpointing": "300"}
    with live(counting, **RAW, **more) as heard:
        heard.send(said(2.0, pause=3.0))
        end = heard.until(lambda one: one.type == "UtteranceEnd")

    final = heard.finals()[-1]
    assert any(one.speech_final for one in heard.of("Results"))
    assert end.last_word_end == pytest.approx(
        final.channel.alternatives[0].words[-1].end, abs=0.001
    )


def test_every_finalize_is_answered(counting: Service) -> None:
    """DG7, DG15: with the words still open, in one result; and again with nothing to say."""
    with live(counting, **RAW) as heard:
        heard.send(said(2.0, pause=0.1))
        heard.connection.send_finalize()
        first = heard.until(lambda one: one.type == "Results" and one.from_finalize)
        heard.connection.send_finalize()
        heard.until(lambda _: sum(bool(one.from_finalize) for one in heard.of("Results")) == 2)

    assert first.is_final
    assert len(words(first.channel.alternatives[0].transcript)) >= 4
    assert not heard.of("Results")[-1].channel.alternatives[0].transcript


def test_a_keepalive_is_not_answered(counting: Service) -> None:
    """DG6: nothing but the end's Metadata comes of it."""
    with live(counting, **RAW) as heard:
        heard.connection.send_keep_alive()
        heard.connection.send_keep_alive()

    assert [one.type for one in heard.messages] == ["Metadata"]
    assert heard.messages[0].duration == 0


def test_settings_change_on_the_way(counting: Service) -> None:
    """DG9: a Configure is answered, with the terms now in effect."""
    with live(counting, **RAW) as heard:
        heard.connection.send_configure(ListenV1Configure(type="Configure", keyterms=["Hark"]))
        answer = heard.until(lambda one: one.type.startswith("Configure"))

    assert answer.type == "ConfigureSuccess"
    assert answer.keyterms == ["Hark"]


def test_a_container_needs_no_encoding(hark: Service) -> None:
    """DG3: the bytes of a file, in pieces, are recognised for what they are."""
    with live(hark, model="nova-3") as heard:
        heard.send(HELLO.read_bytes())

    assert said_in(heard.finals()) == HELLO_WORDS


def test_options_that_are_not_served_refuse_nothing(counting: Service) -> None:
    """DG2: everything that the package can ask for."""
    switches = {"diarize": "true", "numerals": "true", "multichannel": "false"}
    lists = {"keyterm": ["Hark"], "redact": ["pci"], "replace": ["a:b"], "tag": ["x"]}
    with live(counting, **RAW, **switches, **lists, language="en-US") as heard:
        heard.send(said(1.0))

    assert heard.finals()


def test_a_key_is_asked_for(locked: Service) -> None:
    """DG1: the printed key opens, live and prerecorded; another one is refused with 401."""
    environment = defined("deepgram", locked)["hark"]
    stranger = DeepgramClient(api_key=f"not {KEY}", environment=environment)

    with live(locked, **RAW):
        pass
    with pytest.raises(InvalidStatus) as refused, stranger.listen.v1.connect(**RAW):
        pass
    with pytest.raises(ApiError) as unread:
        stranger.listen.v1.media.transcribe_file(request=b"", model="nova-3")

    assert refused.value.response.status_code == unread.value.status_code == 401
    assert {"err_code", "err_msg", "request_id"} <= set(unread.value.body)


def test_the_printed_programs_print_what_was_said(hark: Service) -> None:
    """docs/clients.md: the text of the file, and live interims before the final that ends them."""
    lines = [line.partition(" ") for line in python("deepgram-live", hark).splitlines()]

    assert words(" ".join(text for final, _, text in lines if final == "True")) == HELLO_WORDS
    assert any(text for final, _, text in lines if final == "False")
    assert words(python("deepgram", hark)) == HELLO_WORDS


def test_a_file_is_transcribed(hark: Service) -> None:
    """DP1, DP2: words with times; `punctuated_word` is in the published API."""
    media = defined("deepgram", hark)["client"].listen.v1.media

    answer = media.with_raw_response.transcribe_file(
        request=HELLO.read_bytes(), model="nova-3", punctuate=True, language="en"
    )

    raw = answer.data.model_dump(exclude_unset=True)
    also = "results.channels.alternatives.words.punctuated_word"
    parsed = strictly(ListenV1Response, raw, also)
    assert isinstance(parsed, ListenV1Response)
    (channel,) = parsed.results.channels
    assert channel.alternatives
    (best,) = channel.alternatives
    assert words(best.transcript or "") == HELLO_WORDS
    assert best.words
    assert [word.word for word in best.words] == HELLO_WORDS
    assert all(
        one.end <= later.start + 0.001  # type: ignore[operator]
        for one, later in pairwise(best.words)
    )
    assert parsed.metadata.duration == pytest.approx(4.4, abs=0.1)


def test_a_bad_file_is_a_bad_request(hark: Service) -> None:
    """DP3: 400 in Deepgram's shape."""
    media = defined("deepgram", hark)["client"].listen.v1.media

    with pytest.raises(BadRequestError) as refused:
        media.transcribe_file(request=b"no audio at all", model="nova-3")

    assert {"err_code", "err_msg", "request_id"} <= set(refused.value.body)
