"""What a window's decoding starts with: context, marks, and the text that is forced.

Knows the tokenizer, never the model. Token ids are ints of Whisper's vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

from faster_whisper.tokenizer import Tokenizer

from stt.engines.profile import CONTEXT_CLASSES
from stt.events import UNSPACED_LANGUAGES, Window

# fmt: off
MANY_TOKENS = frozenset({
    "am", "ar", "as", "bn", "bo", "fa", "gu", "he", "hi", "hy", "ka", "km", "kn", "lo",
    "ml", "mr", "my", "ne", "pa", "ps", "sa", "sd", "si", "ta", "te", "th", "ur", "yi",
})
# fmt: on
"""Languages whose letters Whisper writes in one or more tokens each: Hindi takes 10 to 12 tokens a
second where English takes 4."""
MOST_NEW_TOKENS = 220  # recognition REC-15
POSITIONS = 448  # tokens Whisper's decoder has positions for, prompt included
# Tokens of context, what Whisper was trained on (openai/whisper decoding.py).
MOST_CONTEXT = POSITIONS // 2 - 1
LONGEST_WORD = 64  # characters for one token of a client's text, far above any; bounds the encoding


@dataclass(frozen=True, slots=True)
class Prompt:
    """The tokens a window starts its decoding with."""

    context: list[int]
    """Hot words, prompt and previous text, their start mark included; windows of a batch need
    equal lengths (API-02)."""
    start: list[int]
    """Start mark, language and task, as ``align`` wants them."""
    no_timestamps: int
    prefix: list[int]
    """Forced: the answer repeats them (API-03)."""

    @property
    def head(self) -> int:
        """How many tokens precede the forced prefix."""
        return len(self.context) + len(self.start) + 1

    @property
    def tokens(self) -> list[int]:
        """All of it, in order."""
        return [*self.context, *self.start, self.no_timestamps, *self.prefix]

    @property
    def room(self) -> int:
        """How many positions are left for new tokens."""
        return POSITIONS - self.head - len(self.prefix)


def prompt_for(tokenizer: Tokenizer, window: Window, *, previous: int, new_tokens: int) -> Prompt:
    """The prompt of a window.

    Args:
        previous: The most tokens of previous text: 64, 32 or none (REC-11).
        new_tokens: How many the window may need; context is cut so that they have positions.
    """
    start = tokenizer.sot_sequence
    prefix = encode(tokenizer, window.prefix)
    room = min(MOST_CONTEXT, POSITIONS - len(start) - 1 - len(prefix) - new_tokens) - 1
    before = _context(tokenizer, window, previous, max(room, 0))
    return Prompt(
        context=[tokenizer.sot_prev, *before] if before else [],
        start=start,
        no_timestamps=tokenizer.no_timestamps,
        prefix=prefix,
    )


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokens of a text as Whisper writes it: a space before the first word, if it has spaces."""
    text = text.strip()
    space = " " if spaced(tokenizer) else ""
    return list(tokenizer.encode(space + text)) if text else []


def translates(tokenizer: Tokenizer) -> bool:
    """Whether what is decoded is English, whatever was spoken."""
    return tokenizer.task is not None and tokenizer.task == tokenizer.translate


def spaced(tokenizer: Tokenizer) -> bool:
    """Whether what is decoded has spaces between words; a translation is English."""
    return translates(tokenizer) or tokenizer.language_code not in UNSPACED_LANGUAGES


def _context(tokenizer: Tokenizer, window: Window, previous: int, room: int) -> list[int]:
    """At most ``room`` tokens: hot words from their first, then the ends of prompt and previous.

    Previous text comes in exactly 64 or 32 tokens or none, so that windows share a batch (REC-11).
    What a client gave is never left out for that: it forms a batch class of its own length.
    """
    if not room:
        return []
    most = room * LONGEST_WORD
    hot = encode(tokenizer, window.hotwords[:most])[:room]
    prompt = _last(encode(tokenizer, window.prompt[-most:]), room - len(hot))
    text = encode(tokenizer, window.previous[-most:]) if previous else []
    left = min(previous, len(text), room - len(hot) - len(prompt))
    return hot + prompt + _last(text, max(size for size in CONTEXT_CLASSES if size <= left))


def _last(tokens: list[int], size: int) -> list[int]:
    return tokens[-size:] if size else []


def most_new_tokens(tokenizer: Tokenizer, seconds: float, *, generous: bool) -> int:
    """Above how many new tokens a text of that many seconds must be a loop (REC-15).

    7 a second, and 20 for the languages that need them; ``generous`` grants all of them 20, so
    that a second decode cuts off no fast speaker.
    """
    many = generous or (tokenizer.language_code in MANY_TOKENS and not translates(tokenizer))
    return int(min(8 + (20 if many else 7) * seconds, MOST_NEW_TOKENS))


def suppressed(tokenizer: Tokenizer) -> list[int]:
    """The tokens never to decode: no sounds in brackets, no marks (openai/whisper decoding.py)."""
    marks = (
        tokenizer.transcribe,
        tokenizer.translate,
        tokenizer.sot,
        tokenizer.sot_prev,
        tokenizer.sot_lm,
        tokenizer.no_speech,
    )
    return sorted({*tokenizer.non_speech_tokens, *(mark for mark in marks if mark is not None)})
