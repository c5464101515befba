"""Our own protocol's way in: what a query means for the session it opens."""

from __future__ import annotations

from dialects.base import Asked, DoorOptions
from dialects.native import NativeDialect
from stt.events import Abilities
from stt.speech.options import SpeechOptions
from stt_surroundings import SessionOptions

ABLE = Abilities(frozenset({"en", "de"}), n_mels=80)
DEFAULTS = SessionOptions(speech=SpeechOptions(language="en", final="best", step=0.5))


def chosen(**query: str) -> SessionOptions:
    """The options of a session that was asked for like this."""
    asked = Asked(tuple(query.items()), {}, None, ABLE)
    return NativeDialect(DoorOptions(session=DEFAULTS)).accept(asked).session


def test_a_client_that_asks_for_nothing_gets_the_defaults() -> None:
    """Those of the service, and what its engine wants; words at ends alone (client-S1)."""
    speech = chosen().speech

    assert speech == SpeechOptions(language="en", final="best", step=0.5, n_mels=80)
    assert (speech.word_times, speech.interim_words) == (True, False)


def test_a_clients_choices_outrank_the_services() -> None:
    """Language, task, hints and the kind of finals are the session's own (client-S1)."""
    speech = chosen(
        language="de", task="translate", prompt="a", hotwords="b", final="consistent"
    ).speech

    assert (speech.language, speech.task, speech.prompt, speech.hotwords, speech.final) == (
        "de", "translate", "a", "b", "consistent",
    )  # fmt: skip


def test_s1_the_clients_silence_and_keywords_reach_the_stream() -> None:
    """Exactly its silence, whatever the text; its keywords behind its hot words (client-S1)."""
    usual = chosen().speech
    tuned = chosen(epd_time="0.8", keywords="Whisper:2,Ogg", hotwords="Hark").speech

    assert tuned.hotwords == "Hark, Whisper, Ogg"
    assert (tuned.endpointing.silence, tuned.endpointing.by_text) == (0.8, False)
    assert usual.endpointing == SpeechOptions().endpointing


def test_words_that_nobody_reads_are_not_aligned() -> None:
    """`words=none` saves the service the work; `interim` asks for more of it (client-S1)."""
    none, interim = chosen(words="none").speech, chosen(words="interim").speech

    assert (none.word_times, none.interim_words) == (False, False)
    assert (interim.word_times, interim.interim_words) == (True, True)


def test_bare_samples_reach_the_session_as_they_come() -> None:
    """Encoding, rate and channels are the query's (client-S1)."""
    options = chosen(encoding="mulaw", sample_rate="8000", channels="2", channel="1")

    assert (options.encoding, options.sample_rate, options.container) == ("mulaw", 8000, None)
    assert (options.channels, options.channel) == (2, 1)


def test_a_container_is_decoded_before_the_session_hears_it() -> None:
    """client-BR3: whatever the query says of rate and channels, the session hears 16 kHz mono."""
    options = chosen(encoding="webm", sample_rate="48000", channels="2")

    assert (options.encoding, options.sample_rate, options.channels) == ("float32", 16_000, 1)
    assert options.container == "webm"
