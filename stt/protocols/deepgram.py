"""Deepgram's live protocol, `/v1/listen`: messages to commands, replies to messages (client 4.2).

A codec: `decode` belongs to the connection's reader thread, `encode` to its writer thread, and they
share no state. What a client's message changes of later replies travels through the session.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from stt.errors import BadJSON
from stt.ids import MAX_HINT, as_hint, shortened
from stt.protocols.base import AppendAudio, Close, Command, Configure, Flush, Say
from stt.protocols.deepgram_query import cleaned
from stt.protocols.deepgram_results import Ending, SchemaError, Told, Wanted, Writer
from stt.protocols.wire import JSON, json_object
from stt.replies import Note, Reply


class DeepgramProtocol:
    """The codec of one connection."""

    def __init__(self, wanted: Wanted, opened: Configure) -> None:
        """``opened``: what the session was opened with, which a Configure changes in part."""
        self._request_id = wanted.request_id
        self._wishes = opened  # the reader's, like the two below
        self._digest = hashlib.sha256()
        self._over = False
        self._writer = Writer(wanted)

    # Client to server.

    def decode(self, message: str | bytes) -> Sequence[Command]:
        """The commands in a message. Raises SchemaError; the stream goes on (DG5-DG9)."""
        if self._over:  # nothing counts after the end of the stream
            return ()
        if isinstance(message, str):
            return self._control(message)
        if not message:
            return self._close()
        self._digest.update(message)
        return (AppendAudio(message),)

    def _control(self, message: str) -> Sequence[Command]:
        try:
            fields = json_object(message, "a text frame")
        except BadJSON as error:
            raise SchemaError(error.message, message) from None
        match fields.get("type"):
            case "KeepAlive":
                return ()
            case "Finalize":
                return (Flush(),)
            case "CloseStream":
                return self._close()
            case "Configure":
                return self._configure(fields, message)
        raise SchemaError(f"unknown message type {shortened(fields.get('type'))}", message)

    def _close(self) -> Sequence[Command]:
        self._over = True
        return (Say(Note(Ending(self._digest.hexdigest()))), Close())

    def _configure(self, fields: JSON, message: str) -> Sequence[Command]:
        """Other key terms from the next utterance on; formatting features change nothing (DG9)."""
        terms, features = fields.get("keyterms"), fields.get("features")
        if not (terms is None or _are(terms, str)):
            raise SchemaError("keyterms must be a list of texts", message)
        named = features is None or isinstance(features, dict)
        if not (named and _are(list((features or {}).values()), bool)):
            raise SchemaError("features must be an object of true and false", message)
        success: JSON = {"type": "ConfigureSuccess", "request_id": self._request_id}
        if terms is None:
            return (Say(Note(Told(success))),)
        keyterms = cleaned(terms)
        if len(as_hint(keyterms)) > MAX_HINT:
            return (Say(Note(Told(self._too_many()))),)
        speech = replace(self._wishes.speech, hotwords=as_hint(keyterms))
        self._wishes = replace(self._wishes, speech=speech)
        return (self._wishes, Say(Note(Told(success | {"keyterms": list(keyterms)}))))

    def _too_many(self) -> JSON:
        return {
            "type": "ConfigureFailure",
            "request_id": self._request_id,
            "code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED",
            "description": f"all keyterms together may have {MAX_HINT} characters",
        }

    # Server to client.

    def encode(self, reply: Reply) -> Sequence[str]:
        """The messages for a reply; none where this protocol does not say it."""
        return [json.dumps(shape, ensure_ascii=False) for shape in self._writer.shapes(reply)]


def _are(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)
