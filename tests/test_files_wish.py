"""Fields of a request with a file. What each does is tested at the doors."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from api.files.chunking import Chunking
from api.files.wish import Wish, read_wish
from stt.errors import BadField
from stt.events import Abilities
from stt.ids import DEFAULT_TENANT
from stt_file import FileOptions

GERMAN = Abilities(frozenset({"de"}), translates=False)


def read(abilities: Abilities | None = None, **fields: Any) -> Wish:
    """The wish of a form with these fields."""
    return read_wish(MultiDict(fields), abilities)


def test_nothing_is_needed() -> None:
    """OF2: every field has a default, and what the service has stays as it is."""
    assert read() == Wish()
    assert Wish().options(tenant=DEFAULT_TENANT, label="") == FileOptions(word_times=False)


def test_as_long_as_there_is_no_model_anything_is_taken() -> None:
    """UP5: then what the model cannot do is named."""
    assert read(language="English", task="translate").language == "en"

    for fields in ({"language": "en"}, {"task": "translate"}):
        with pytest.raises(BadField) as refusal:
            read(GERMAN, **fields)
        assert refusal.value.param == next(iter(fields))


@pytest.mark.parametrize(
    ("fields", "timed"),
    [({}, False), ({"timestamp_granularities[]": "word"}, False),
     ({"timestamp_granularities[]": "word", "response_format": "verbose_json"}, True),
     ({"include[]": "logprobs"}, True), ({"include": "logprobs", "stream": "1"}, True),
     ({"include[]": "logprobs", "response_format": "srt"}, False)],
)  # fmt: skip
def test_words_are_aligned_only_where_they_are_shown(fields: dict[str, str], timed: bool) -> None:
    """OF7, OF8: their times and their probabilities cost the same alignment."""
    assert read(**fields).options(tenant="t", label="").word_times is timed


def test_choices_reach_the_service() -> None:
    """OF3-OF9: with whose turn it is, and the name of the request."""
    wish = Wish(language="de", final="best", chunking=Chunking(0.2, 0.1, 0.9))

    assert wish.options(tenant="t", label="r") == FileOptions(
        tenant="t",
        language="de",
        final="best",
        word_times=False,
        silence=0.2,
        padding=0.1,
        voice=0.9,
        label="r",
    )
