"""What of a text may be sent as a delta, which cannot be taken back (client RQ3, S13, S17)."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from stt.events import Word

_PIECE = re.compile(r"\s*\S+")
_WITHOUT_SPACES = re.compile(
    # Thai to Tibetan and Myanmar; Khmer; kana; CJK with its extensions and compatibility forms
    r"[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff"
    r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
LEAST_PROBABILITY = 1e-9  # as JSON knows no infinity


def growth(sent: str, text: str, *, unspaced: bool = False) -> str:
    """What to append to the text that was sent, so that it says what ``text`` does.

    Nearly always the rest of it. Where a word would be continued that stands already ("world" to
    "worldly"), or another text was sent, it is the words beyond as many as were: no fragment of a
    word, and nothing twice. ``unspaced``: of a language whose words are characters.
    """
    rest = text[len(sent) :]
    if unspaced or (text.startswith(sent) and not _continues_word(sent, rest)):
        return rest
    beyond = "".join(_PIECE.findall(text)[len(sent.split()) :])
    return f" {beyond}" if beyond and not beyond[0].isspace() else beyond


def _continues_word(sent: str, rest: str) -> bool:
    """Whether the rest begins within a word; punctuation behind a word does not continue it."""
    if not sent or not rest or sent[-1].isspace() or rest[0].isspace():
        return False
    if _WITHOUT_SPACES.match(sent[-1]) or _WITHOUT_SPACES.match(rest[0]):
        return False
    return any(unicodedata.category(letter)[0] in "LMN" for letter in rest.split(maxsplit=1)[0])


def logprobs(words: Sequence[Word], transcript: str) -> list[dict[str, Any]]:
    """How sure each word is, as a token; joined, they are the transcript. Empty: not known.

    Tokens do not leave the engines; the probability of a word is the mean of its tokens'.
    """
    entries = []
    at = 0
    for word in words:
        bare = word.text.strip()
        start = len(transcript) - len(transcript[at:].lstrip())
        if word.probability is None or not transcript.startswith(bare, start):
            return []
        token = transcript[at : start + len(bare)]
        at = start + len(bare)
        logprob = math.log(max(word.probability, LEAST_PROBABILITY))
        entries.append({"token": token, "bytes": list(token.encode()), "logprob": logprob})
    return [] if transcript[at:].strip() else entries
