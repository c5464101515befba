"""Checked access to the fields of an event, each of which knows its path."""

from __future__ import annotations

import math
from typing import Any

import pytest

from stt.protocols.realtime_errors import InvalidValue
from stt.protocols.realtime_fields import MOST_CHARACTERS, MOST_ITEMS, Place

ROOT = Place("session", {"audio": {"input": None}, "list": ["a", "b"]})


def found(value: object) -> Place:
    """A place with this value."""
    return Place("session.x", value)


def test_a_place_knows_the_way_to_it() -> None:
    """Null is there; what is absent is not (RC1, RE4)."""
    heard = ROOT.find("audio")
    assert heard is not None
    inner = heard.find("input")
    assert inner is not None

    assert (inner.path, inner.is_null()) == ("session.audio.input", True)
    assert heard.find("output") is None
    assert Place("", {"a": 1}).find("a") == Place("a", 1)


@pytest.mark.parametrize("value", [None, 1, "text", [], True])
def test_what_is_no_object_has_no_fields(value: object) -> None:
    """The error names the field that should be one (RE4)."""
    with pytest.raises(InvalidValue, match=r"session\.x must be an object, got") as refused:
        found(value).find("a")

    assert refused.value.param == "session.x"


def test_texts_can_be_sent_back() -> None:
    """Half characters are replaced; a list of texts may be null."""
    assert found("a\ud800b").text() == "a?b"
    assert found(["a", "b"]).texts() == ("a", "b")
    assert found(None).texts() == ()


@pytest.mark.parametrize("value", [None, 1, ["a"], "a" * (MOST_CHARACTERS + 1)])
def test_anything_else_is_no_text(value: object) -> None:
    """Nor is a text too long to be sent back with each answer."""
    with pytest.raises(InvalidValue, match=r"session\.x must be a text"):
        found(value).text()


@pytest.mark.parametrize(
    ("value", "param"),
    [("a", "session.x"), (["a"] * (MOST_ITEMS + 1), "session.x"), (["a", 1], "session.x[1]")],
)
def test_a_list_names_the_item_at_fault(value: object, param: str) -> None:
    """By its number; a list too long is itself at fault (S1)."""
    with pytest.raises(InvalidValue) as refused:
        found(value).texts()

    assert refused.value.param == param


@pytest.mark.parametrize(("value", "number"), [(0, 0.0), (1, 1.0), (0.5, 0.5)])
def test_a_number_within_its_bounds(value: object, number: float) -> None:
    """The bounds included."""
    assert found(value).number(0, 1) == number


@pytest.mark.parametrize(
    "value", [True, "0.5", None, -0.1, 1.1, math.nan, math.inf, -math.inf, 10**400]
)
def test_any_other_number_is_refused(value: Any) -> None:
    """JSON of Python's reads NaN and endless integers (RT-25, RE4)."""
    with pytest.raises(InvalidValue, match=r"session\.x must be a number from 0 to 1"):
        found(value).number(0, 1)


def test_a_whole_number_may_be_written_as_another() -> None:
    """500.0 is one, 500.5 is not."""
    assert found(500.0).whole(0, 1000) == 500
    with pytest.raises(InvalidValue, match="a whole number from 0 to 1000"):
        found(500.5).whole(0, 1000)


def test_one_of_several_texts() -> None:
    """The error lists them."""
    assert found("low").choice(("low", "high")) == "low"
    with pytest.raises(InvalidValue, match="one of low, high, got 'loud'"):
        found("loud").choice(("low", "high"))
