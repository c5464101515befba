"""Ids that clients give, and values as messages show them."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given

from stt.errors import BadInput
from stt.ids import (
    MAX_HINT,
    MAX_LENGTH,
    Mint,
    as_hint,
    checked_hint,
    checked_id,
    fitting,
    shortened,
)
from tests.test_native import json_values


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [("1700000000000", "1700000000000"), (17, "17"), (0, "0"), (-5, "-5"), ("ä 字", "ä 字")],
)
def test_numbers_become_decimal_strings(given_id: object, kept: str) -> None:
    """A number is its decimal string, any printable text is legal (W11, DM8)."""
    assert checked_id(given_id, "chunk_id") == kept


@pytest.mark.parametrize(
    "given_id",
    [None, "", True, 1.5, [], {}, "a\nb", "\x00", "\ud800", "x" * (MAX_LENGTH + 1), 10**MAX_LENGTH],
)
def test_other_ids_are_refused_by_name(given_id: object) -> None:
    """Anything else is BadInput that names the field (W11, DM8)."""
    with pytest.raises(BadInput, match=r"^tenant_id must be 1 to 128 printable"):
        checked_id(given_id, "tenant_id")


def test_the_longest_ids() -> None:
    """128 characters are legal, as text and as digits (DM8)."""
    assert checked_id("x" * MAX_LENGTH, "chunk_id") == "x" * MAX_LENGTH
    assert checked_id(10**MAX_LENGTH - 1, "chunk_id") == "9" * MAX_LENGTH


@given(json_values)
def test_an_id_is_kept_or_refused(value: object) -> None:
    """Whatever a client sends as an id: a short printable text, or BadInput (W14, RT-25)."""
    try:
        kept = checked_id(value, "chunk_id")
    except BadInput:
        return
    assert kept.isprintable()
    assert 0 < len(kept) <= MAX_LENGTH + 1
    assert kept.encode()


@given(json_values)
def test_any_value_is_shown_in_one_short_line(value: object) -> None:
    """At most 60 characters that can be sent, whatever it is."""
    assert 0 < len(shortened(value)) <= 60
    assert shortened(value).isprintable()
    assert shortened(value).encode()


def test_values_are_shown_shortened() -> None:
    """A message shows at most 60 characters of a value, in one printable line."""
    nested: object = None
    for _ in range(2 * sys.getrecursionlimit()):
        nested = [nested]

    assert shortened("short") == "'short'"
    assert shortened("x" * 100) == "'" + "x" * 56 + "..."
    assert shortened("\ud800\n") == r"'\ud800\n'"
    assert shortened(10**5000) == "a int too large to show"
    assert shortened(nested) == "a list too large to show"


def test_hints_are_bounded() -> None:
    """Up to 1000 characters, blanks around them dropped; more is refused by name (client-S1)."""
    assert checked_hint(" Hark ", "prompt") == "Hark"
    assert len(checked_hint("字" * MAX_HINT, "prompt")) == MAX_HINT
    with pytest.raises(BadInput, match=r"hotwords may have 1000 characters, got 1001"):
        checked_hint("x" * (MAX_HINT + 1), "hotwords")


def test_s13_no_id_is_minted_twice() -> None:
    """By many threads in one millisecond; each is the time, or a little later (S13, W33)."""
    mint, begun = Mint(), time.time_ns() // 1_000_000

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: mint(), range(2000)))

    assert len(set(ids)) == 2000
    assert int(min(ids)) >= begun


def test_as_many_words_as_a_hint_holds() -> None:
    """From the first on, commas counted; joined they are the hint (client S1)."""
    assert as_hint(["one", "two words"]) == "one, two words"
    assert fitting(["a" * 499, "b" * 499, "c"]) == ("a" * 499, "b" * 499)
    assert fitting(["a" * (MAX_HINT + 1), "b"]) == ()
    assert fitting([]) == ()
