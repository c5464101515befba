"""Files and raw audio on POST /transcribe: the transcript is the answer (native section 4.2).

The shapes are those of OpenAI's ``/v1/audio/transcriptions``, errors included. An upload creates no
chunk and no session (UP7).
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Request, Response
from werkzeug.datastructures import CombinedMultiDict

from api.answers import refusal
from api.files.body import FORM, Hold, form_body, raw_body
from api.files.room import Files
from api.files.show import shown
from api.files.wish import PLAIN, Wish, read_wish
from stt.errors import STTError
from stt.formats import error_object


def uploader(files: Files) -> Callable[[Request, bytes], Response]:
    """The answer to a multipart or raw audio request, refusals included (UP5). Blocks.

    It takes the request and the beginning of its body, if that has been read. Fields stand in the
    form or in the query.
    """

    def upload(request: Request, begun: bytes) -> Response:
        def receive(hold: Hold) -> tuple[bytes, Wish]:
            if request.mimetype != FORM:
                return raw_body(request, begun, hold), read_wish(request.args, files.abilities)
            data, form = form_body(request, hold, fields=PLAIN)
            fields = CombinedMultiDict([form, request.args])
            return data, read_wish(fields, files.abilities)

        try:
            return files.serve(request, receive, shown)
        except STTError as error:  # a file may be sent again: when is said (UP5)
            return refusal(error, error_object(error))

    return upload
