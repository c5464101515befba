"""Words (stt/engines/whisper_tokens.py), with the demo model's vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from stt.engines.options import DEMO_MODEL
from stt.engines.whisper_prompt import encode
from stt.engines.whisper_tokens import Pieces, split, text_tokens, timed
from stt.events import Kind, Window


@pytest.fixture(name="vocabulary", scope="module")
def _vocabulary():
    """The tokenizer as the engine has it: marks in a text are text."""
    vocabulary = tokenizers.Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    vocabulary.encode_special_tokens = True
    return vocabulary


@pytest.fixture(name="language_of", scope="module")
def _language_of(vocabulary):
    """Tokenizers by language."""

    def build(language: str, task: str = "transcribe") -> Tokenizer:
        return Tokenizer(vocabulary, True, task=task, language=language)

    return build


def window(**fields) -> Window:
    """A window without audio."""
    return Window(np.zeros(0, np.float32), Kind.FINAL, **fields)


def words(tokenizer: Tokenizer, text: str, **fields) -> list[str]:
    """The words of what a model wrote behind a prefix."""
    asked = window(**fields)
    prefix = encode(tokenizer, asked.prefix)
    pieces = split(tokenizer, asked, prefix, list(tokenizer.encode(text)))
    assert sum(pieces.sizes) <= len(prefix) + len(tokenizer.encode(text))
    return pieces.words


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", " Hello, world!", ["Hello,", " world!"]),
        ("en", " twenty-one (two)", ["twenty-one", " (two)"]),
        ("en", " don't ", ["don't"]),
        ("es", " ¿Por qué?", ["¿Por", " qué?"]),
        ("hi", " यह चाँद है।", ["यह", " चाँद", " है।"]),
        ("zh", "你好。", ["你好", "。"]),
        ("en", "\n", []),
        ("en", "", []),
    ],
)
def test_words_join_to_the_stripped_text(language_of, language, text, expected):
    """Words by spaces, else characters or tokens of a few (REC-13); joined, they are the text."""
    said = words(language_of(language), text)

    assert said == expected
    assert "".join(said) == text.strip()


def test_translation_of_an_unspaced_language_has_words(language_of):
    """A translation is English, whatever was spoken."""
    assert words(language_of("zh", "translate"), " Good day") == ["Good", " day"]


@pytest.mark.parametrize(
    ("prefix", "rest", "expected"),
    [
        ("one two", " three", ["one", " two", " three"]),
        (" one two", " three", [" one", " two", " three"]),
        ("one two ", " three", ["one", " two ", "three"]),
        ("one two", ", three", ["one", " two", ",", " three"]),
        ("world", "ly things", ["world", "ly", " things"]),
        ("one", "", ["one"]),
        ("a <|en|> b", " c", ["a", " <|en|>", " b", " c"]),
    ],
)
def test_a_word_ends_where_the_prefix_does(language_of, prefix, rest, expected):
    """The words of the prefix are the prefix; what glues to it is a word of its own."""
    assert words(language_of("en"), rest, prefix=prefix) == expected


def test_cut_character_is_left_out(language_of):
    """A character of which the decoder wrote only some bytes is no text; nor are marks."""
    tokenizer = language_of("hi")
    whole = list(tokenizer.encode(" है"))

    assert text_tokens(tokenizer, [*whole, tokenizer.eot + 200]) == whole
    assert "�" not in tokenizer.decode(text_tokens(tokenizer, whole[:-1]))


@dataclass
class Aligned:
    """An alignment as the model returns it."""

    alignments: list[tuple[int, int]]
    text_token_probs: list[float]


def test_words_get_the_times_of_their_tokens():
    """A word lasts from the first place of its first token to that of the next word's."""
    aligned = Aligned([(0, 0), (0, 5), (1, 10), (1, 12), (2, 20), (3, 40)], [0.5, 0.7, 0.9])

    said = timed(Pieces(["He llo", " you"], [2, 1]), aligned, seconds=1.0)

    assert [(word.text, word.start, word.end) for word in said] == [
        ("He llo", 0.0, 0.4),
        (" you", 0.4, 0.8),
    ]
    assert [word.probability for word in said] == pytest.approx([0.6, 0.9])


def test_silence_before_speech_is_cut_from_the_first_word():
    """The first word is at most twice as long as a usual one, and nothing ends after the audio."""
    aligned = Aligned([(0, 0), (1, 100), (2, 115), (3, 200)], [1.0, 1.0, 1.0])

    said = timed(Pieces(["a", " b", " c"], [1, 1, 1]), aligned, seconds=2.5)

    assert [(word.start, word.end) for word in said] == [(1.4, 2.0), (2.0, 2.3), (2.3, 2.5)]


def test_empty_alignment_gives_zero_times():
    """A window of less than two frames aligns to nothing (API-05)."""
    (word,) = timed(Pieces(["a"], [1]), Aligned([], []), seconds=0.01)

    assert (word.text, word.start, word.end, word.probability) == ("a", 0.0, 0.0, None)
