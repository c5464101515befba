"""What every protocol reads out of texts."""

from __future__ import annotations

import pytest

from stt.errors import BadBase64, BadInput, BadJSON
from stt.protocols.wire import decoded_base64, json_object


def test_an_object_is_read() -> None:
    """From text, and from bytes as bodies have it."""
    assert json_object('{"a": [1]}', "a text frame") == {"a": [1]}
    assert json_object(b'{"a": "\xc3\xa9"}', "the body") == {"a": "é"}


@pytest.mark.parametrize(
    "text", ["", "{", "nonsense", "[" * 100_000, '{"a": ' + "1" * 5000 + "}", "[]", "null", '"a"']
)
def test_anything_else_is_refused_by_its_name(text: str) -> None:
    """Deep nesting and integers of 5000 digits included (RT-25, F-03); the sentence is short."""
    with pytest.raises(BadJSON, match=r"^an event must be a JSON object") as refused:
        json_object(text, "an event")

    assert len(refused.value.message) < 120


def test_base64_is_read() -> None:
    """Padding and all; an empty text is no bytes."""
    assert decoded_base64("AAEC/w==", "audio") == b"\x00\x01\x02\xff"
    assert decoded_base64("", "audio") == b""


@pytest.mark.parametrize("text", ["A", "AA", "AAA", "AA A", "AAAA\n", "AA-_", "é", "=AAA"])
def test_junk_is_not_base64(text: str) -> None:
    """Nor is the alphabet for URLs, nor a line break (RE5, RT-25)."""
    with pytest.raises(BadBase64, match=r"^audio is not base64: "):
        decoded_base64(text, "audio")


@pytest.mark.parametrize("value", [None, 1, b"AAAA", ["AAAA"], {}])
def test_what_is_no_text_is_not_base64_either(value: object) -> None:
    """It is another mistake, and named as such (RE4)."""
    with pytest.raises(BadInput, match=r"^audio must be a text in base64, got "):
        decoded_base64(value, "audio")
