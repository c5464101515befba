"""A transcript as the answer to a request, in OpenAI's formats (client OF15-OF21)."""

from __future__ import annotations

from flask import Response

from api.files.wish import Wish
from stt.formats import render
from stt.replies import Transcription


def shown(transcription: Transcription, wish: Wish, *, usage: bool = True) -> Response:
    """As the fields ask for it; ``usage``: with the seconds that it counts for."""
    rendered = render(
        transcription,
        wish.response_format,
        granularities=wish.granularities,
        task=wish.task,
        logprobs=wish.logprobs,
        usage=usage,
    )
    return Response(rendered.body, content_type=rendered.content_type)
