"""Deepgram's prerecorded API: a file's transcript on POST /v1/listen (client DP1-DP3).

Errors are raised: the gate gives them the shape that `shape` makes, for the live way in as well.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence

from flask import Blueprint, Response, request

from api.answers import NO_HANDSHAKE, UpgradeRequired, as_json, request_id
from api.files.body import FORM, Hold, raw_body
from api.files.room import Files
from api.files.wish import Wish
from stt.errors import BadInput, UnsupportedAudio
from stt.events import Final, Word
from stt.ids import as_hint
from stt.protocols.deepgram_query import (
    MULTILINGUAL,
    DeepgramQuery,
    known_language,
    read_query,
)
from stt.protocols.deepgram_shapes import (
    MODEL,
    MODEL_UUID,
    alternative,
    created_now,
    error_body,
    header_line,
    iso,
    metadata,
    ms,
)
from stt.protocols.wire import JSON
from stt.replies import Transcription

PATH = "/v1/listen"


def blueprint(files: Files) -> Blueprint:
    """The route POST /v1/listen, and the headers of all answers on that path.

    ``files``: takes, hears and answers them.
    """
    door = Blueprint("deepgram", __name__)
    door.after_app_request(_dress)

    @door.post(PATH)
    def listen() -> Response:
        created = created_now()
        query = read_query(request.args.items(multi=True))
        if request.mimetype == "application/json":  # the one thing that Deepgram reads in it
            raise BadInput("Audio by url is not fetched: send the audio itself as the body.")
        if request.mimetype == FORM:
            raise BadInput("Send the file as the body, not in a form: curl --data-binary @file.")
        digest = hashlib.sha256()

        def receive(hold: Hold) -> tuple[bytes, Wish]:
            data = raw_body(request, b"", hold)
            digest.update(data)
            return data, _wish(query, files.abilities.languages)

        def show(transcription: Transcription, _: Wish) -> Response:
            told = metadata(
                request_id=request_id(),
                sha256=digest.hexdigest(),
                created=created,
                duration=transcription.duration,
                channels=query.channels,
            )
            models = {"models": [MODEL_UUID], "model_info": {MODEL_UUID: MODEL}}
            return as_json({"metadata": told | models, "results": results(transcription, query)})

        try:
            return files.serve(request, receive, show)
        except UnsupportedAudio as error:  # 400, as its clients know it (DP3)
            raise BadInput(error.message) from error

    @door.get(PATH)
    def live() -> Response:
        """What a live client comes to whose handshake a proxy has taken off."""
        raise UpgradeRequired(NO_HANDSHAKE)

    return door


def shape(status: int, message: str, code: str | None, param: str | None) -> JSON:  # noqa: ARG001 - of `answers`
    """How errors read on this path (DP3)."""
    return error_body(status, message, request_id())


def results(transcription: Transcription, query: DeepgramQuery) -> JSON:
    """What was heard, as one channel; the utterances too, where they are asked for (DP2)."""
    finals = [final for final in transcription.finals if final.text]
    words = [word for final in finals for word in final.words]
    heard = transcription.language
    multilingual = query.language == MULTILINGUAL
    channel: JSON = {"alternatives": [_reading(transcription.text, words, finals, multilingual)]}
    if query.detect_language and heard:
        channel["detected_language"] = iso(heard)
    found: JSON = {"channels": [channel]}
    if query.utterances:
        found["utterances"] = [_utterance(final) for final in finals]
    return found


def _reading(text: str, words: Sequence[Word], finals: Sequence[Final], multilingual: bool) -> JSON:
    languages = dict.fromkeys(final.language for final in finals if final.language)
    return alternative(text, words, languages=list(languages) if multilingual else ())


def _utterance(final: Final) -> JSON:
    return {
        "start": ms(final.start),
        "end": ms(final.end),
        "channel": 0,
        "id": str(uuid.uuid4()),
        **alternative(final.text, final.words, bounds=(final.start, final.end)),
    }


def _wish(query: DeepgramQuery, languages: frozenset[str]) -> Wish:
    return Wish(
        response_format="verbose_json",
        granularities=("word",),
        language=None if query.detects else known_language(query, languages),
        hotwords=as_hint(query.keyterms),
        encoding=query.encoding,
        sample_rate=query.sample_rate,
        channels=query.channels,
    )


def _dress(response: Response) -> Response:
    """The id of the request, and what is wrong with it (DG1)."""
    if request.path == PATH:
        response.headers["dg-request-id"] = request_id()
        if response.status_code >= 400 and response.is_json:
            response.headers["dg-error"] = header_line(response.get_json()["err_msg"])
    return response
