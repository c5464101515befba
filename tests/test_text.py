"""Words, their comparison, and the text filter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt.events import Hypothesis
from stt.speech.text import (
    is_garbled,
    is_rejected,
    is_unspoken,
    loops,
    normalised,
    split,
    without,
)

JAPANESE = (
    "今日は天気がとても良いので公園まで歩いて行って"
    "そこで本を読みながらゆっくり過ごすつもりですがあなたも一緒に来ませんか"
)
CHINESE = (
    "今天天气很好所以我们打算一起去公园散步"
    "然后在那里看书聊天顺便吃一点东西你要不要跟我们一起来呢我们都很期待"
)
THAI = "วันนี้อากาศดีมากเราจึงตั้งใจจะไปเดินเล่นที่สวนสาธารณะแล้วนั่งอ่านหนังสือกันคุณอยากไปด้วยกันไหม"
ARABIC = "الطقس جميل اليوم ولذلك سنذهب إلى الحديقة ونقرأ الكتب معا هل تريد أن تأتي معنا؟"
RUSSIAN = "Сегодня прекрасная погода, поэтому мы пойдём в парк и будем читать книги."


@pytest.mark.parametrize(
    "text",
    [
        "you",
        "Thank you.",
        "thank you",
        "अपका नाम क्या है?",
        "Hello तुज़ा नाओ काय आहे?",
        "안녕하세요",
        "スキー",
        JAPANESE,
        JAPANESE * 3,
        CHINESE,
        THAI,
        ARABIC,
        RUSSIAN,
        " ".join(f"{word} {number}" for number in range(60) for word in ("so", "many", "words")),
    ],
)
def test_passes(text: str) -> None:
    """What people say passes, in any script and of any length (native FI4, FI6, FI7)."""
    assert not is_rejected(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "bye.",
        "Bye.",
        "eh.",
        "It's fine",
        "It’s fine",
        "Thanks for watching!",
        "Okay, thanks for watching, see you",
        "click, click",
        "Click click",
        "cough cough",
        "a" * 41,
        "He said " + "ab" * 21,
        "Д" * 41,
        "Thank you. " * 12,
        "I am going to the shop. " * 6,
        "la " * 30,
        "Well, " + "subscribe to my channel " * 8,
        "ご視聴ありがとうございました。" * 5,
        "谢谢大家" * 6,
    ],
)
def test_rejects(text: str) -> None:
    """Blank, listed, overlong and repeated texts are turned down (native FI1-FI5, FI8)."""
    assert is_rejected(text)


@pytest.mark.parametrize(
    "text",
    [
        "no, no, no",
        "No, no, no, no!",
        "nine nine nine nine",
        "one two one two",
        "はいはい",
        "bye. see you",
        "it's fine by me",
        "a" * 40,
        "very very very very very very very very tired people went home to sleep",
    ],
)
def test_natural_repetition_passes(text: str) -> None:
    """Emphasis, numbers and texts beside the lists are speech (native FI2, FI5)."""
    assert not is_rejected(text)


@pytest.mark.parametrize(
    ("no_speech", "logprob", "unspoken"),
    [(0.99, -1.2, True), (0.99, -0.4, False), (0.3, -1.2, False), (0.6, -2.0, False)],
)
def test_no_speech(no_speech: float, logprob: float, unspoken: bool) -> None:
    """No speech is a high no-speech probability and a low score together."""
    hypothesis = Hypothesis("So", no_speech_probability=no_speech, average_logprob=logprob)

    assert is_unspoken(hypothesis) is unspoken


def test_rejected_text_is_unspoken() -> None:
    """A hypothesis whose text is turned down is unspoken, however sure the engine is."""
    assert is_unspoken(Hypothesis(" Bye. "))


def test_garbled() -> None:
    """A repeating hypothesis, or one without a score, is no ground to commit on (REC-14)."""
    assert is_garbled(Hypothesis("so so so", compression_ratio=2.5))
    assert is_garbled(Hypothesis("so", average_logprob=float("nan")))
    assert not is_garbled(Hypothesis("so", compression_ratio=2.0, average_logprob=-0.3))


@pytest.mark.parametrize(
    ("text", "language", "words"),
    [
        ("Hello, big world", "en", ["Hello,", " big", " world"]),
        (" two  spaces ", None, [" two", "  spaces"]),
        ("天気 は", "ja", ["天", "気", " は"]),
        ("で\u3099す", "ja", ["で\u3099", "す"]),
        ("天気 は", "en", ["天気", " は"]),
        ("", "en", []),
        (" ", "zh", []),
    ],
)
def test_split(text: str, language: str | None, words: list[str]) -> None:
    """Words keep their space; Japanese and its like are split by characters (REC-13)."""
    assert split(text, language) == words
    assert "".join(words) == text.rstrip()


@pytest.mark.parametrize(
    ("word", "other"),
    [(" World!", "world"), ("STRASSE", "straße"), ("«Да,»", "да"), ("it’s", "its")],
)
def test_normalised(word: str, other: str) -> None:
    """Comparison ignores case, punctuation and space."""
    assert normalised(word) == normalised(other)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("so it goes it goes it goes it goes it goes it goes on", "so it goes on"),
        ("no no no no no no no no no", "no"),
        ("Thank you. Thank you. Thank you. thank you!", "Thank you."),
        ("no, no, no, no", "no, no, no, no"),
        ("nine nine nine nine one", "nine nine nine nine one"),
        ("a b c d a b c d a b c d", "a b c d a b c d a b c d"),
        ("a b c d a b c d a b c d a b c d e", "a b c d e"),
        ("x x x x x x x x y y y y y y y y", "x y"),
        ("", ""),
    ],
)
def test_loops_stand_once(text: str, kept: str) -> None:
    """A phrase said four times or more, in all eight words or more, stands once (REC-14)."""
    assert without(text, loops(text, "en")) == kept


def test_loops_of_characters() -> None:
    """Where there are no spaces the characters are counted."""
    text = "はい" * 5 + "そう"

    assert without(text, loops(text, "ja")) == "はいそう"


@given(st.lists(st.sampled_from(["ab", "c."]), max_size=30).map(" ".join))
def test_what_is_left_has_no_loop(text: str) -> None:
    """Leaving out loops leaves each word of the text at least once; the spans are in order."""
    spans = loops(text, "en")

    assert all(start < end for start, end in spans)
    assert spans == sorted(spans)
    assert set(without(text, spans).split()) == set(text.split())
