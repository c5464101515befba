"""Bytes that arrive: looked at, skipped, counted."""

from __future__ import annotations

import pytest

from stt.audio.arriving import MAX_UNHEARD, Arriving, Part
from stt.errors import UndecodableAudio
from tests.containers import reading


def test_what_was_looked_at_is_read_all_the_same() -> None:
    """Whatever the pieces it came in; fewer bytes only at the end."""
    arriving = Arriving(reading([b"a", b"bc", b"def", b"g"]))

    looks = arriving.peek(2), arriving.peek(4), arriving.exactly(3), arriving.peek(9)
    arriving.skip(2)

    assert looks == (b"ab", b"abcd", b"abc", b"defg")
    assert (arriving.read(9), arriving.ended) == (b"fg", False)
    assert (arriving.read(9), arriving.ended) == (b"", True)
    assert arriving.peek(1) == arriving.exactly(5) == b""


def test_a_part_ends_where_it_should() -> None:
    """With bytes of our own before it; one without a length reaches to the end."""
    arriving = Arriving(reading([b"abcdef", b"ghi"]))
    part, rest = Part(arriving, 4, b"head "), Part(arriving, None)

    parts = [part.read(3), part.read(9), part.read(3), part.read(9), part.read(9)]

    assert parts == [b"hea", b"d ", b"abc", b"d", b""]
    assert [rest.read(9), rest.read(9), rest.read(9)] == [b"ef", b"ghi", b""]


def test_bytes_without_audio_are_counted() -> None:
    """client-E11: from the last audio on, read or skipped."""
    arriving = Arriving(bytes)  # endless zeros
    arriving.skip(MAX_UNHEARD)
    arriving.heard()
    arriving.skip(MAX_UNHEARD)

    with pytest.raises(UndecodableAudio, match="8 MiB came without any audio"):
        arriving.read(1)


def test_a_part_that_needs_more_may_have_more() -> None:
    """A file that can only be decoded whole."""
    arriving = Arriving(bytes)  # endless zeros
    arriving.allow(2 * MAX_UNHEARD)

    arriving.skip(2 * MAX_UNHEARD)

    with pytest.raises(UndecodableAudio, match="16 MiB"):
        arriving.read(1)
