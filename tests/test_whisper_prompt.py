"""What a decoding starts with (stt/engines/whisper_prompt.py), with the demo model's vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
import tokenizers
from faster_whisper.tokenizer import Tokenizer

from stt.engines import whisper_prompt
from stt.engines.options import DEMO_MODEL
from stt.engines.whisper_prompt import POSITIONS, Prompt, prompt_for
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


@pytest.fixture(name="english")
def _english(language_of):
    """The English tokenizer."""
    return language_of("en")


def prompt(tokenizer, *, previous_tokens=64, new_tokens=50, **fields) -> Prompt:
    """The prompt of a window without audio."""
    window = Window(np.zeros(0, np.float32), Kind.FINAL, **fields)
    return prompt_for(tokenizer, window, previous=previous_tokens, new_tokens=new_tokens)


def test_prompt_has_the_marks_of_its_language_and_task(language_of, vocabulary):
    """Start, language, task, no timestamps; the prefix comes last."""
    built = prompt(language_of("de", "translate"), prefix="eins")

    assert [vocabulary.id_to_token(token) for token in built.tokens[:4]] == [
        "<|startoftranscript|>",
        "<|de|>",
        "<|translate|>",
        "<|notimestamps|>",
    ]
    assert vocabulary.decode(built.tokens[4:]) == " eins"
    assert built.head == 4


def test_marks_in_a_clients_prompt_are_text(english):
    """Neither a prompt nor hot words can smuggle in a mark."""
    built = prompt(english, prompt="<|startoftranscript|><|de|>", hotwords="<|endoftext|>")

    assert built.context[0] == english.sot_prev
    assert all(token < english.eot for token in built.context[1:])


@pytest.mark.parametrize(
    ("words", "most", "tokens"),
    [(2, 64, 0), (40, 64, 32), (90, 64, 64), (90, 32, 32), (90, 0, 0)],
)
def test_previous_text_comes_in_classes(english, words, most, tokens):
    """64, 32 or no tokens of previous text, and never more than the model's profile (REC-11)."""
    built = prompt(english, previous_tokens=most, previous="one " * words)

    assert len(built.context) == (1 + tokens if tokens else 0)


def test_context_is_hot_words_then_prompt_then_previous_text(english, vocabulary):
    """The newest text stands next to the start mark; previous text keeps its class."""
    built = prompt(english, hotwords="Hark", prompt="George", previous="one " * 90 + "two")

    said = vocabulary.decode(built.context[1:])
    clients = len(english.encode(" Hark")) + len(english.encode(" George"))
    assert said.startswith(" Hark George one one")
    assert said.endswith(" one two")
    assert len(built.context) == 1 + clients + 64


def test_long_prompt_keeps_its_end_and_all_hot_words(english, vocabulary):
    """A prompt is cut to its last tokens, for all of the context half the positions (REC-11)."""
    built = prompt(english, hotwords="Hark", prompt="one " * 900 + "two", previous="three " * 90)

    said = vocabulary.decode(built.context[1:])
    assert said.startswith(" Hark one one")
    assert said.endswith(" one two")
    assert len(built.context) == POSITIONS // 2 - 1


def test_long_hot_words_keep_their_beginning(english, vocabulary):
    """Hot words are cut only when they alone are too many, and then at their end."""
    built = prompt(english, hotwords="two " + "one " * 900, prompt="three")

    said = vocabulary.decode(built.context[1:])
    assert said.startswith(" two one")
    assert "three" not in said


@pytest.mark.parametrize("prefix_words", [0, 100, 220, 390])
def test_context_leaves_the_positions_that_new_tokens_need(english, prefix_words):
    """Context gives way to the forced prefix and to the text that is to come (API-04)."""
    built = prompt(
        english,
        prefix="one " * prefix_words,
        prompt="two " * 900,
        hotwords="Hark",
        previous="three " * 90,
        new_tokens=50,
    )

    assert len(built.prefix) == prefix_words
    assert built.room >= min(50, POSITIONS - 4 - prefix_words)


def test_boundless_text_of_a_client_costs_nothing(english, monkeypatch):
    """Only the part of a text that can fit is made into tokens."""
    sizes = []
    encode = Tokenizer.encode
    monkeypatch.setattr(
        Tokenizer, "encode", lambda self, text: (sizes.append(len(text)), encode(self, text))[1]
    )

    prompt(english, prompt="one " * 1_000_000, hotwords="two " * 1_000_000)

    assert max(sizes) < 20_000


def test_suppressed_tokens_are_those_of_faster_whisper(english):
    """No sounds in brackets, no marks: the list faster-whisper decodes with."""
    from faster_whisper.transcribe import get_suppressed_tokens

    assert whisper_prompt.suppressed(english) == list(get_suppressed_tokens(english, [-1]))


@pytest.mark.parametrize(
    ("language", "task", "generous", "most"),
    [
        ("en", "transcribe", False, 8 + 7 * 3),
        ("hi", "transcribe", False, 8 + 20 * 3),
        ("hi", "translate", False, 8 + 7 * 3),
        ("en", "transcribe", True, 8 + 20 * 3),
    ],
)
def test_token_cap_follows_the_script(language_of, language, task, generous, most):
    """7 tokens a second, 20 for scripts that need them or in a second decode (REC-15)."""
    tokenizer = language_of(language, task)

    assert whisper_prompt.most_new_tokens(tokenizer, 3.0, generous=generous) == most
    assert whisper_prompt.most_new_tokens(tokenizer, 30.0, generous=True) == 220
