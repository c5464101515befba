"""The bytes and the fields of a request that brings a file.

Bodies are kept in memory, once, and counted against the turn: at once where their length is known,
else as they come. What the audio is, its content says: names and types are ignored (client OF1).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import cast

from flask import Request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from stt.errors import BadField, BadInput, TooLarge, UnsupportedAudio

Hold = Callable[[int], None]
"""Counts bytes that come into memory. Raises QueueFull."""

FORM = "multipart/form-data"
PIECE = 65_536  # bytes read at once
MAX_FIELD = 3 * 2**20
"""Bytes of one field: clients send 10 s of a speaker's voice in one, in base64 (OF11)."""


class CountedBody:
    """A request body without a length; each piece that is read is counted."""

    def __init__(self, request: Request, hold: Hold) -> None:
        self._stream = request.stream
        self._hold = hold

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes. Raises QueueFull, and what the body raises."""
        data = self._stream.read(size)
        self._hold(len(data))
        return data


def raw_body(request: Request, begun: bytes, hold: Hold) -> bytes:
    """A body that is the file; ``begun`` of it has been read. Raises BadInput, QueueFull."""
    whole = io.BytesIO()  # grows in place, and is given away as it is: the body is there once
    whole.write(begun)
    with _refusals():
        stream = _stream(request, hold, begun=len(begun))
        while piece := stream.read(PIECE):
            whole.write(piece)
    return _checked(whole.getvalue())


def form_body(
    request: Request, hold: Hold, *, fields: Collection[str] = ()
) -> tuple[bytes, MultiDict[str, str]]:
    """The file of a multipart body, and the fields beside it (client OF1, OF13).

    ``fields``: names that must not come as files. Raises UnsupportedAudio where the body is
    something else, BadField naming what is missing, BadInput, TooLarge, QueueFull.
    """
    if request.mimetype != FORM:
        raise UnsupportedAudio(
            f"The body must be {FORM}, not {request.mimetype[:60] or 'unnamed'}."
        )
    parser = FormDataParser(
        stream_factory=lambda *_, **__: io.BytesIO(),
        max_form_memory_size=MAX_FIELD,
        max_form_parts=request.max_form_parts,
        silent=False,
    )
    with _refusals(request.max_form_parts):
        _, form, files = parser.parse(
            cast(io.BytesIO, _stream(request, hold)),
            request.mimetype,
            request.content_length,
            request.mimetype_params,
        )
    if strange := next((name for name in files if name in fields), None):
        raise BadField(strange, f"{strange} must be a plain field, not a file.")
    if "file" in form and "file" not in files:
        raise BadField(
            "file",
            "file is text, not a file: with curl write file=@path. Addresses are not fetched.",
        )
    if "file" not in files:
        raise BadField("file", "The multipart body has no file part named 'file'.")
    return _checked(cast(io.BytesIO, files["file"].stream).getvalue()), form


def _stream(request: Request, hold: Hold, *, begun: int = 0) -> CountedBody | io.BytesIO:
    """Where the rest of the body is read; all of it, or each piece, is counted."""
    if not request.content_length:
        hold(begun)
        return CountedBody(request, hold)
    hold(request.content_length)
    return cast(io.BytesIO, request.stream)


@contextmanager
def _refusals(most_parts: int | None = None) -> Iterator[None]:
    """What reading a body raises, as ours (client OE3)."""
    try:
        yield
    except RequestEntityTooLarge as error:  # of the form parser, which does not say which
        raise TooLarge(
            f"A field may have {MAX_FIELD >> 20} MiB, and a multipart body {most_parts} parts."
        ) from error
    except HTTPException as error:  # cut off
        raise BadInput(error.description or "The body cannot be read.") from error
    except ValueError as error:
        raise BadInput(f"The multipart body is broken: {error}.") from error


def _checked(data: bytes) -> bytes:
    if not data:
        raise BadField("file", "The file is empty.")
    return data
