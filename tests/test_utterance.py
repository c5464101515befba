"""One utterance: its hypotheses, its interims, its final."""

from __future__ import annotations

import pytest

from stt.errors import EngineError
from stt.events import SAMPLE_RATE, Failed, Final, FinalChoice, Hypothesis, Kind, Word
from stt.speech.excerpt import Excerpt
from stt.speech.options import SpeechOptions
from stt.speech.tape import Tape
from stt.speech.utterance import Utterance
from tests.speech import speech

START, END = 10 * SAMPLE_RATE, 13 * SAMPLE_RATE


def utterance(language: str | None = None, final: FinalChoice = "consistent") -> Utterance:
    """An utterance whose audio starts at 10 s and whose speech starts at 10.3 s."""
    tape = Tape()
    tape.append(speech(30))
    excerpt = Excerpt(tape, START, n_mels=0, whole=final == "best")
    options = SpeechOptions(language=language, final=final, interim_words=True)
    return Utterance(3, START + 4800, excerpt, options)


def closed(*interims: str, final: FinalChoice = "consistent") -> Utterance:
    """The same after these interims, ended at 13 s."""
    one = utterance(final=final)
    for text in interims:
        one.update(Hypothesis(text))
    one.close(END - 4800, END)
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
    """Word times count from the start of the stream and stay within the utterance's speech."""
    words = (Word(" Hi", -0.1, 0.5, 0.9), Word(" there. ", 0.6, 3.4))

    final = finish(closed(), Hypothesis(" Hi there. ", words))

    assert final.words == (Word("Hi", 10.3, 10.5, 0.9), Word(" there.", 10.6, 12.7))
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


# Long utterances: words that left the window.

WORDS = tuple(Word(f" w{at}", at * 0.5, (at + 1) * 0.5, 0.9) for at in range(14))
LONG = Hypothesis("".join(word.text for word in WORDS), words=WORDS, language="en")


def cut_once() -> Utterance:
    """An utterance whose window has been cut after 7 s, at 4.5 s."""
    one = utterance()
    one.window(Kind.INTERIM, START + 7 * SAMPLE_RATE, "")
    for _ in range(2):
        one.update(LONG)
    one.cut(LONG.words)
    return one


def test_a_long_window_is_cut() -> None:
    """After the cut the window starts later and forces the words left in it (REC-22)."""
    one = cut_once()

    window = one.window(Kind.FINAL, START + 8 * SAMPLE_RATE, "earlier text")

    assert window.seconds == pytest.approx(8 - 4.5, abs=0.02)
    assert window.prefix == "w9 w10 w11 w12"
    assert window.previous == "earlier text w0 w1 w2 w3 w4 w5 w6 w7 w8"


def test_the_final_of_a_cut_utterance_has_all_words_with_times_of_the_stream() -> None:
    """Words that left the window keep the times they had, later ones count from the new window."""
    one = cut_once()
    one.window(Kind.FINAL, START + 8 * SAMPLE_RATE, "")
    rest = tuple(Word(f" w{at}", (at - 9) * 0.5, (at - 8) * 0.5) for at in range(9, 16))
    one.close(START + 8 * SAMPLE_RATE, START + 8 * SAMPLE_RATE)

    final = finish(one, Hypothesis("".join(it.text for it in rest).strip(), rest, language="en"))

    assert final.text == " ".join(f"w{at}" for at in range(16))
    assert "".join(word.text for word in final.words) == final.text
    assert [word.start for word in final.words] == pytest.approx(
        [10.3, *(10 + at * 0.5 for at in range(1, 16))], abs=0.03
    )


def test_times_are_asked_for_where_they_are_needed() -> None:
    """A final's words and a long window need times, a short interim's do not (REC-22)."""
    tape = Tape()
    tape.append(speech(30))
    wanted = SpeechOptions()
    unwanted = SpeechOptions(word_times=False)

    def times(options: SpeechOptions, kind: Kind, seconds: int) -> bool:
        one = Utterance(0, START, Excerpt(tape, START, n_mels=0, whole=False), options)
        return one.window(kind, START + seconds * SAMPLE_RATE, "").word_times

    assert not times(wanted, Kind.INTERIM, 5)
    assert times(wanted, Kind.INTERIM, 7)
    assert times(wanted, Kind.SPEC, 5)
    assert not times(unwanted, Kind.SPEC, 5)
    assert times(unwanted, Kind.SPEC, 7)
    assert not times(unwanted, Kind.FINAL, 7)


def test_interims_have_words_where_asked() -> None:
    """With interim words the interim's words are its text, with times of the stream."""
    one = utterance()
    one.window(Kind.INTERIM, START + SAMPLE_RATE, "")

    one.update(Hypothesis(" Hi there", (Word(" Hi", 0.1, 0.4), Word(" there", 0.4, 0.9))))
    interim = one.interim()

    assert interim is not None
    assert interim.words == (Word("Hi", 10.3, 10.4), Word(" there", 10.4, 10.9))


# Best finals, loops, context.


def test_a_best_final_replaces_what_was_committed() -> None:
    """`best` decodes the whole utterance freely; a text that differs is marked (REC-27)."""
    one = closed("The quick brawn fax", "The quick brawn fax", final="best")
    window = one.window(Kind.FINAL, END, "before")
    assert (window.prefix, window.beam, window.seconds) == ("", 5, 3.0)

    one.revise(Hypothesis("The quick brown fox.", (Word("The quick brown fox.", 0.2, 1.0),)))

    assert isinstance(one.outcome, Final)
    assert (one.outcome.text, one.outcome.revised) == ("The quick brown fox.", True)
    assert one.outcome.words == (Word("The quick brown fox.", 10.3, 11.0),)


def test_only_the_whole_utterance_is_decoded_anew() -> None:
    """What is decoded ahead keeps to what is committed, in a `best` session too."""
    one = closed("The quick brown fox", "The quick brown fox", final="best")

    window = one.window(Kind.SPEC, END, "")

    assert (window.prefix, window.beam) == ("The quick brown", 1)


def test_a_best_final_that_confirms_is_no_revision() -> None:
    """Where the text goes on as it was committed nothing is marked."""
    one = closed("The quick brown", "The quick brown", final="best")

    one.revise(Hypothesis("The quick brown fox."))

    assert isinstance(one.outcome, Final)
    assert not one.outcome.revised


def test_a_best_final_without_text_keeps_what_was_committed() -> None:
    """What was said to be committed is not taken back for nothing."""
    one = closed("The quick brown", "The quick brown", final="best")

    one.revise(Hypothesis(""))

    assert isinstance(one.outcome, Final)
    assert (one.outcome.text, one.outcome.revised) == ("The quick", False)


def test_a_loop_is_cut_and_counted() -> None:
    """A phrase said over and over stands once in the final, its words too (REC-14)."""
    said = ["so", "then", *["it", "goes"] * 4, "on", "and", "on"]
    words = tuple(Word(f" {text}", at * 0.1, (at + 1) * 0.1) for at, text in enumerate(said))

    final = finish(closed(), Hypothesis(" ".join(said), words, language="en"))

    assert (final.text, final.loops, final.revised) == ("so then it goes on and on", 1, False)
    spelt = ["so", " then", " it", " goes", " on", " and", " on"]
    assert [word.text for word in final.words] == spelt


def test_a_doubtful_utterance_goes_without_context() -> None:
    """After a hypothesis that repeats itself the window has no previous text (REC-14)."""
    one = utterance()
    one.doubtful = True

    assert one.window(Kind.INTERIM, END, "earlier").previous == ""
