"""One utterance: its hypotheses, its interims, its final."""

from __future__ import annotations

import pytest

from stt.errors import EngineError
from stt.events import SAMPLE_RATE, Failed, Final, Hypothesis, Kind, Request, Word
from stt.speech.policy import PolicyOptions
from stt.speech.utterance import Utterance

START, END = 10 * SAMPLE_RATE, 13 * SAMPLE_RATE


def utterance(language: str | None = None) -> Utterance:
    """An utterance whose audio starts at 10 s and whose speech starts at 10.3 s."""
    return Utterance(3, START + 4800, START, language, PolicyOptions())


def closed(*interims: str) -> Utterance:
    """The same after these interims, ended at 13 s."""
    one = utterance()
    for text in interims:
        one.update(Hypothesis(text))
    one.close(END - 4800, END, Request(0, Kind.FINAL, 3))
    return one


def finish(one: Utterance, hypothesis: Hypothesis) -> Final:
    """Its final."""
    one.finish(hypothesis)
    assert isinstance(one.outcome, Final)
    return one.outcome


def test_final() -> None:
    """A final carries the stripped text, the speech's times and the engine's figures."""
    hypothesis = Hypothesis(
        " Hi there. ",
        language="en",
        language_probability=0.9,
        no_speech_probability=0.1,
        average_logprob=-0.2,
        compression_ratio=0.8,
    )

    assert finish(closed(), hypothesis) == Final(
        utterance=3,
        text="Hi there.",
        start=10.3,
        end=12.7,
        language="en",
        language_probability=0.9,
        average_logprob=-0.2,
        no_speech_probability=0.1,
        compression_ratio=0.8,
    )


def test_word_times_are_of_the_stream() -> None:
    """Word times count from the start of the stream and stay within the utterance's audio."""
    words = (Word(" Hi", -0.1, 0.5, 0.9), Word(" there. ", 0.6, 3.4))

    final = finish(closed(), Hypothesis(" Hi there. ", words))

    assert final.words == (Word("Hi", 10.0, 10.5, 0.9), Word(" there.", 10.6, 13.0))
    assert "".join(word.text for word in final.words) == final.text


def test_words_without_times() -> None:
    """Words whose times nobody asked for have none."""
    assert finish(closed(), Hypothesis(" Hi", (Word(" Hi"),))).words == (Word("Hi"),)


def test_words_that_do_not_spell_the_text() -> None:
    """Where the engine ignored the committed text, the words follow the text, without times."""
    one = closed("Hi there you", "Hi there you")

    final = finish(one, Hypothesis(" By their dog", (Word(" By", 0, 1), Word(" their dog", 1, 2))))

    assert final.text == "Hi there dog"
    assert final.words == (Word("Hi"), Word(" there"), Word(" dog"))


@pytest.mark.parametrize("text", ["", "Thanks for watching!"])
def test_a_filtered_final_is_empty(text: str) -> None:
    """A final that the filter turns down has no text and says why (native W6, W28)."""
    final = finish(closed(), Hypothesis(text, (Word(text, 0, 1),) if text else ()))

    assert (final.text, final.words, final.reason) == ("", (), "filtered")


def test_committed_text_survives_the_filter() -> None:
    """What was said to be committed is the final, where the filter turns its hypothesis down."""
    final = finish(closed("well thanks for", "well thanks for"), Hypothesis(""))

    assert (final.text, final.reason) == ("well thanks", None)


def test_failure() -> None:
    """A failure carries what was committed."""
    one = closed("Hi there you", "Hi there you")
    error = EngineError("no memory")

    one.fail(error)

    assert one.outcome == Failed(3, error, "Hi there")


def test_interim_only_when_something_changed() -> None:
    """Text that was said is not said again (REC-29)."""
    one = utterance()
    assert one.interim() is None

    one.read_until = START + SAMPLE_RATE
    one.update(Hypothesis(" Hi there", language="en"))
    first = one.interim()

    assert first is not None
    assert (first.committed, first.tail) == ("", "Hi there")
    assert (first.start, first.end, first.language) == (10.3, 11.0, "en")
    assert one.interim() is None


@pytest.mark.parametrize(
    ("seconds", "probability", "kept"),
    [(1.9, 0.99, None), (2.0, 0.8, "es"), (2.0, 0.6, None), (10.0, 0.3, "es")],
)
def test_language_is_kept(seconds: float, probability: float, kept: str | None) -> None:
    """A detected language is kept when it is sure after 2 s, or after 10 s (REC-30)."""
    one = utterance()
    one.read_until = START + round(seconds * SAMPLE_RATE)

    one.update(Hypothesis("Hola", language="es", language_probability=probability))

    assert one.language == kept


def test_a_given_language_is_not_replaced() -> None:
    """What the client asked for counts, whatever is detected."""
    one = utterance("de")
    one.read_until = END

    one.update(Hypothesis("Hola", language="es", language_probability=0.99))

    assert one.language == "de"
