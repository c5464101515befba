"""Bodies of files: what is counted while they are read."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from api.files.body import FORM, form_body, raw_body
from stt.errors import BadField, QueueFull, TooLarge, UnsupportedAudio


def request(*, chunked: bool = False, **options: Any) -> Any:
    """A POST, with or without a length."""
    environ = EnvironBuilder(method="POST", **options).get_environ()
    if chunked:
        environ |= {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    return Request(environ)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_raw_body_is_counted(chunked: bool) -> None:
    """All of it, the part that was read before included (OF13, RT-65)."""
    held: list[int] = []
    asked = request(data=b"0123456789", chunked=chunked)
    begun = asked.stream.read(4)

    assert raw_body(asked, begun, held.append) == b"0123456789"
    assert sum(held) == 10


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_in_memory_once(chunked: bool, form: bool) -> None:
    """F-20: read in pieces, and not copied when it is whole."""
    audio = bytes(16_000_000)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = b"".join((head, audio, b"\r\n--b--\r\n")) if form else audio
    kind = "multipart/form-data; boundary=b" if form else "audio/wav"
    asked = request(chunked=chunked, data=body, content_type=kind)

    tracemalloc.start()
    try:
        data = form_body(asked, held)[0] if form else raw_body(asked, b"", held)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert data == audio
    assert peak < 1.5 * len(audio)


def test_a_file_that_came_as_text_is_told_so() -> None:
    """client-OE1: curl without its @, or an address, which nobody fetches."""
    asked = request(data={"file": "https://example.org/talk.mp3"}, content_type=FORM)

    with pytest.raises(BadField, match="with curl write file=@path") as raised:
        form_body(asked, held)
    assert raised.value.param == "file"


def held(_: int) -> None:
    """Any number of bytes."""


@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_is_counted(chunked: bool) -> None:
    """Its fields, too: every byte that is kept (OF13, RT-65)."""
    held: list[int] = []
    data = {"file": (io.BytesIO(b"RIFF" * 50_000), "a"), "prompt": "x" * 500}

    file, fields = form_body(request(data=data, chunked=chunked), held.append)

    assert file == b"RIFF" * 50_000
    assert fields["prompt"] == "x" * 500
    assert sum(held) > 200_500


def test_a_body_that_does_not_fit_is_not_read() -> None:
    """Its length is counted first (F-17)."""

    def hold(_: int) -> None:
        raise QueueFull

    asked = request(data=b"0123456789")

    with pytest.raises(QueueFull):
        raw_body(asked, b"", hold)
    assert asked.stream.read() == b"0123456789"


def test_a_body_without_a_length_is_read_no_further_than_it_fits() -> None:
    """OF13, F-17: what comes is counted as it comes."""
    held: list[int] = []

    def hold(size: int) -> None:
        held.append(size)
        if sum(held) > 100_000:
            raise QueueFull

    with pytest.raises(QueueFull):
        form_body(request(data={"file": (io.BytesIO(bytes(400_000)), "a")}, chunked=True), hold)
    assert sum(held) < 250_000


def test_a_field_that_comes_as_a_file_is_named() -> None:
    """OE1: it would be overlooked otherwise."""
    data = {"file": (io.BytesIO(b"RIFF"), "a"), "language": (io.BytesIO(b"de"), "b")}

    with pytest.raises(BadField) as refusal:
        form_body(request(data=data), lambda _: None, fields={"language"})
    assert refusal.value.param == "language"


def test_another_body_is_named() -> None:
    """OE3: 415 says what it was."""
    with pytest.raises(UnsupportedAudio, match="not application/json"):
        form_body(request(json={}), lambda _: None)


@pytest.mark.parametrize(("size", "times"), [(4_000_000, 1), (1, 2000)])
def test_what_is_too_much_of_a_form_is_said(size: int, times: int) -> None:
    """client-OE1: the limits of a field and of their number."""
    field = b'--B\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + b"x" * size + b"\r\n"
    asked = request(data=field * times + b"--B--", content_type="multipart/form-data; boundary=B")

    with pytest.raises(TooLarge, match="A field may have 3 MiB, and a multipart body 1000 parts"):
        form_body(asked, lambda _: None)
