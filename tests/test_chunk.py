"""One chunk's transcript from its utterances' events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stt.errors import EngineError
from stt.events import Ended, Event, Failed, Final, Interim, SpeechEnded, SpeechStarted, Word
from stt.replies import Transcript, Usage
from stt.speech.chunk import MAX_WORDS, Chunk, repeated, unknown


def interim(committed: str = "", tail: str = "", *, number: int = 0, **more: object) -> Interim:
    """An interim of one second."""
    return Interim(number, committed, tail, start=number, end=number + 1, **more)  # type: ignore[arg-type]


def final(text: str, *, number: int = 0, **more: object) -> Final:
    """A final of one second."""
    reason = None if text else "filtered"
    return Final(number, text, start=number, end=number + 1, reason=reason, **more)  # type: ignore[arg-type]


def said(chunk: Chunk, *events: Event) -> list[Transcript]:
    """What the chunk says about events."""
    return [reply for event in events if (reply := chunk.say(event)) is not None]


def whole(transcript: Transcript) -> tuple[str, str]:
    """Committed text and tail."""
    return transcript.committed, transcript.tail


def test_utterances_are_told_as_one_text() -> None:
    """Every transcript has the whole chunk so far; an endpoint commits; one final (W32)."""
    chunk = Chunk("7")

    replies = said(
        chunk,
        SpeechStarted(0, 0.0),
        interim(tail="Hel"),
        interim("Hello", " wor"),
        SpeechEnded(0, 1.0),
        final("Hello world."),
        interim(tail="How", number=2),
        interim("How are", " yo", number=2),
        final("How are you?", number=2),
        Ended(),
    )

    assert [whole(reply) for reply in replies] == [
        ("", "Hel"),
        ("Hello", " wor"),
        ("Hello world.", ""),
        ("Hello world.", " How"),
        ("Hello world. How are", " yo"),
        ("Hello world. How are you?", ""),
        ("Hello world. How are you?", ""),
    ]
    assert [reply.speech_final for reply in replies] == [
        False, False, True, False, False, True, False,
    ]  # fmt: skip
    assert [reply.is_final for reply in replies] == [False] * 6 + [True]
    assert (replies[-1].start, replies[-1].end) == (0.0, 3.0)
    assert {reply.chunk_id for reply in replies} == {"7"}


def test_scripts_without_spaces_are_joined_without() -> None:
    """Japanese utterances have no space between them (REC-13)."""
    chunk = Chunk("7")

    replies = said(
        chunk,
        final("こんにちは。", language="ja"),
        interim(tail="元気", number=1, language="ja"),
        final("元気です。", number=1, language="ja"),
    )

    assert [whole(reply) for reply in replies] == [
        ("こんにちは。", ""),
        ("こんにちは。", "元気"),
        ("こんにちは。元気です。", ""),
    ]


def test_silence_has_a_final_with_a_reason() -> None:
    """A chunk without speech: one final, empty, `silence` (W6)."""
    chunk = Chunk("7")

    (only,) = said(chunk, Ended())

    assert (only.committed, only.is_final, only.reason) == ("", True, "silence")


def test_a_filtered_utterance_that_nobody_saw_says_nothing() -> None:
    """Nothing was shown: no event; the final is empty, `filtered` (W6, W28)."""
    chunk = Chunk("7")

    (only,) = said(chunk, final(""), Ended())

    assert (only.is_final, only.committed, only.reason) == (True, "", "filtered")


def test_a_shown_tail_that_is_filtered_is_taken_back() -> None:
    """An interim was shown and the utterance filtered: the client is told (W28, W32)."""
    chunk = Chunk("7")

    shown, taken_back = said(chunk, interim(tail="Bye."), final(""))

    assert whole(shown) == ("", "Bye.")
    assert whole(taken_back) == ("", "")
    assert taken_back.speech_final


def test_text_and_a_filtered_utterance_give_no_reason() -> None:
    """A chunk with text needs no reason."""
    chunk = Chunk("7")

    *_, last = said(chunk, final("Yes."), final("", number=1), Ended())

    assert (last.committed, last.reason) == ("Yes.", None)


def test_a_failed_utterance_keeps_what_was_committed() -> None:
    """The engine failed: what was promised as committed stays in the final (B26, REC-21)."""
    chunk = Chunk("7")

    *_, last = said(
        chunk,
        final("One."),
        interim("two three", " fo", number=1),
        Failed(1, EngineError("x"), "two three"),
        Ended(),
    )

    assert last.committed == "One. two three"


def test_nothing_follows_the_final() -> None:
    """One final; afterwards no event of the chunk says anything (W5)."""
    chunk = Chunk("7")
    (last,) = said(chunk, Ended())

    assert said(chunk, interim(tail="late"), final("late"), Ended()) == []
    assert chunk.conclude() is None
    assert chunk.final is last


def test_a_timeout_says_what_is_known() -> None:
    """After the timeout the final has the text shown last, also what was not committed (W8, M5)."""
    chunk = Chunk("7")
    said(chunk, final("One."), interim("two", " three fo", number=1))

    last = chunk.conclude(timed_out=True)

    assert last is not None
    assert (last.committed, last.tail) == ("One. two three fo", "")
    assert (last.is_final, last.timed_out, last.reason) == (True, True, None)
    assert (last.start, last.end) == (0.0, 2.0)


def test_a_timeout_without_any_text() -> None:
    """Nothing is known yet: an empty final that says it timed out (W8)."""
    last = Chunk("7").conclude(timed_out=True)

    assert last is not None
    assert (last.committed, last.timed_out, last.reason) == ("", True, None)


def test_a_timeout_repeats_no_utterance_that_has_ended() -> None:
    """An interim that its final replaced is not said again (W8)."""
    chunk = Chunk("7")
    said(chunk, interim(tail="one tow"), final("One two."))

    last = chunk.conclude(timed_out=True)

    assert last is not None
    assert last.committed == "One two."


def test_a_single_chunk_ends_with_its_utterance() -> None:
    """With auto_chunk the utterance's final is the chunk's (W33)."""
    chunk = Chunk("7")
    chunk.last = 0

    first, last = said(chunk, interim(tail="Hel"), final("Hello."), Ended())

    assert (first.is_final, last.is_final, last.speech_final) == (False, True, False)
    assert last.committed == "Hello."


def test_a_single_chunk_ends_when_its_utterance_fails() -> None:
    """A minted chunk that was announced gets a final in any case (W33, B26)."""
    chunk = Chunk("7")
    chunk.last = 0

    (last,) = said(chunk, Failed(0, EngineError("x"), "Hel"))

    assert (last.is_final, last.committed) == (True, "Hel")


def test_a_warning_is_said_once() -> None:
    """The next transcript carries it, the one after does not (W12)."""
    chunk = Chunk("7")
    chunk.warning = "odd_length"

    replies = said(chunk, interim(tail="a"), interim(tail="a b"))

    assert [reply.warning for reply in replies] == ["odd_length", None]


def test_words_of_the_chunk_are_those_of_its_utterances() -> None:
    """An endpoint carries its utterance's words, the final all of them (M3)."""
    one, two = Word("One.", 0.0, 0.5), Word("Two.", 1.0, 1.5)
    chunk = Chunk("7")

    first, second, last = said(
        chunk, final("One.", words=(one,)), final("Two.", number=1, words=(two,)), Ended()
    )

    assert (first.words, second.words, last.words) == ((one,), (two,), (one, two))


def test_word_times_are_bounded() -> None:
    """A chunk of an hour keeps no endless list: its final then has no word times."""
    chunk = Chunk("7")
    words = tuple(Word(f" {n}", n, n + 1) for n in range(1000))

    *_, last = said(chunk, *(final("x", number=n, words=words) for n in range(5)), Ended())

    assert MAX_WORDS < 5000
    assert last.words == ()


def test_interims_carry_the_words_of_the_open_utterance() -> None:
    """Where the stream has words for interims, those of earlier utterances are not said again."""
    one, two = Word("One.", 0.0, 0.5), Word(" two", 1.0, 1.5)
    chunk = Chunk("7")

    ended, shown = said(
        chunk, final("One.", words=(one,)), interim(tail="two", number=1, words=(two,))
    )

    assert (ended.words, shown.words) == ((one,), (two,))
    assert whole(shown) == ("One.", " two")


def test_a_revised_utterance_changes_its_own_text_alone() -> None:
    """A `best` final may differ from what was committed; earlier utterances stay (REC-27)."""
    chunk = Chunk("7")

    _, shown, ended, last = said(
        chunk,
        final("One."),
        interim("two free", " fo", number=1),
        final("Two three.", number=1, revised=True),
        Ended(),
    )

    assert shown.committed == "One. two free"
    assert (ended.committed, ended.speech_final, ended.revised) == ("One. Two three.", True, True)
    assert (last.committed, last.is_final, last.revised) == ("One. Two three.", True, False)


def test_a_single_chunks_final_tells_that_it_was_revised() -> None:
    """With auto_chunk the chunk's final is the utterance's (W33, REC-27)."""
    chunk = Chunk("7")
    chunk.last = 0

    _, last = said(chunk, interim("hell", " o"), final("Hello.", revised=True))

    assert (last.committed, last.revised) == ("Hello.", True)


def test_unknown_and_repeated() -> None:
    """A final for a chunk nobody heard of; a final said again costs no store and no usage."""
    assert unknown("9") == Transcript("9", "", is_final=True, reason="unknown")
    chunk = Transcript("9", "text", is_final=True, seq=7, usage=Usage(1, 1))
    assert repeated(chunk) == Transcript("9", "text", is_final=True)


words = st.lists(st.sampled_from(["one", "two", "three", "ja", "字"]), max_size=4).map(" ".join)
utterances = st.lists(
    st.tuples(st.lists(st.tuples(words, words), max_size=3), words, st.sampled_from(["en", "ja"])),
    max_size=6,
)


@given(utterances, st.booleans())
def test_committed_text_only_grows(
    heard: list[tuple[list[tuple[str, str]], str, str]], timed_out: bool
) -> None:
    """Whatever is said: what is committed at an endpoint starts all that follows (REC-21, W32)."""
    chunk, settled = Chunk("7"), ""
    for number, (interims, text, language) in enumerate(heard):
        for committed, tail in interims:
            (shown,) = said(chunk, interim(committed, " " + tail, number=number, language=language))
            assert shown.committed.startswith(settled)
        for ended in said(chunk, final(text, number=number, language=language)):
            assert ended.committed.startswith(settled)
            settled = ended.committed

    last = chunk.conclude(timed_out=timed_out)

    assert last is not None
    assert last.committed == settled == chunk.text


def test_utterances_that_ended_before_do_not_end_a_chunk_that_takes_one_more() -> None:
    """Their finals may come late: they add their text (client RQ4)."""
    chunk = Chunk("1")
    chunk.last = 1

    first = chunk.say(Final(0, "one", 0.0, 1.0))
    last = chunk.say(Final(1, "two", 2.0, 3.0))

    assert first is not None
    assert (first.committed, first.is_final) == ("one", False)
    assert last is not None
    assert (last.committed, last.is_final) == ("one two", True)
