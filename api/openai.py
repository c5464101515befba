"""OpenAI's doors for files, as its SDKs speak to them: transcriptions, translations, models.

Errors are raised: the gate gives them their shape under ``/v1/`` (client OE1). The model is the one
that is served, whatever a client calls it, unless names are taken strictly (client OF2, OM1, OM2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flask import Blueprint, Response, request

from api.answers import as_json
from api.files.body import Hold, form_body
from api.files.room import Files
from api.files.show import shown
from api.files.wish import PLAIN, Wish, read_wish
from stt.events import Task
from stt.served import ServedModel, not_served

FILE_PATHS = ("/v1/audio/transcriptions", "/v1/audio/translations")


def blueprint(
    files: Files, served: Callable[[], ServedModel | None], *, strict: bool = False
) -> Blueprint:
    """The routes under ``/v1/audio/`` and ``/v1/models``.

    Args:
        files: takes, hears and answers them.
        served: the model; None while there is none.
        strict: refuse the name of any other model.
    """
    door = Blueprint("openai", __name__)

    def answer(task: Task) -> Response:
        def receive(hold: Hold) -> tuple[bytes, Wish]:
            data, fields = form_body(request, hold, fields=PLAIN)
            wish = read_wish(fields, files.abilities, path=task)
            if (model := served()) is not None:
                model.check(wish.model, strict=strict)
            return data, wish

        return files.serve(request, receive, partial(shown, usage=task == "transcribe"))

    @door.post(FILE_PATHS[0])
    def transcriptions() -> Response:
        return answer("transcribe")

    @door.post(FILE_PATHS[1])
    def translations() -> Response:
        return answer("translate")

    @door.get("/v1/models")
    def models() -> Response:
        """The list holds what is there, nothing while the model loads (OM1)."""
        model = served()
        return as_json({"object": "list", "data": [] if model is None else [model.as_dict()]})

    @door.get("/v1/models/<path:model_id>")
    def one_model(model_id: str) -> Response:
        """Ids may hold slashes (OM2)."""
        model = served()
        if model is None or model.id != model_id:
            raise not_served(model_id, model)
        return as_json(model.as_dict())

    return door
