"""What every protocol reads out of texts: a JSON object, the bytes in base64.

A protocol with errors of its own makes them of ours.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from stt.errors import BadBase64, BadInput, BadJSON
from stt.ids import shortened

JSON = dict[str, Any]


def json_object(text: str | bytes, what: str) -> JSON:
    """The JSON object in a text, which errors call ``what``.

    Raises BadJSON, for deep nesting and endless integers too (runtime RT-25).
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadJSON(f"{what} must be a JSON object, got {shortened(text[:100])}") from None
    if not isinstance(found, dict):
        raise BadJSON(f"{what} must be a JSON object, got a {type(found).__name__}")
    return found


def decoded_base64(value: object, what: str) -> bytes:
    """The bytes in standard base64, without a blank or line break (RFC 4648, section 4).

    Raises BadInput for another type, BadBase64 for junk.
    """
    if not isinstance(value, str):
        raise BadInput(f"{what} must be a text in base64, got {shortened(value)}")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadBase64(f"{what} is not base64: {error}") from None
