"""An operation of the API's description as a line for a shell, to copy and to try.

Pure: it makes the shortest request that the operation answers, and runs nothing.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from stt.shapes import JSON, resolved

FILE = "speech.wav"
"""A file of the reader's own."""
NAMED = "chunk_id"
"""Asked for although it may be left out: without it nothing is found."""
KEY = "Authorization: Bearer YOUR_KEY"


def curl(document: JSON, path: str, method: str, *, base: str, keys: bool) -> str:
    """The line.

    Args:
        document: an OpenAPI document that has this path and method.
        base: address of the service, without a slash at the end.
        keys: whether an operation that is not open needs a key.
    """
    said = document["paths"][path][method]
    words = ["curl"]
    if keys and said.get("security") != []:
        words += ["-H", KEY]
    body = list(_body(document, resolved(document, said.get("requestBody", {}))))
    if method not in ("get", "post") or (method == "post" and not body):
        words += ["-X", method.upper()]
    address = base + _address(document, path, said)
    return shlex.join([*words, *body, address])


def _address(document: JSON, path: str, said: JSON) -> str:
    """The path with its values, and what the query must have."""
    query = []
    for each in (resolved(document, parameter) for parameter in said.get("parameters", ())):
        value = str(each.get("example", each["name"].upper()))
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", value)
        elif each["in"] == "query" and (each.get("required") or each["name"] == NAMED):
            query.append(f"{each['name']}={value}")
    return path + ("?" + "&".join(query) if query else "")


def _body(document: JSON, said: JSON) -> Iterator[str]:
    """The options that send it: a form, else the first example, else the file as it is."""
    content = said.get("content", {})
    if "multipart/form-data" in content:
        yield from ("-F", f"file=@{FILE}")
    elif "application/json" in content:
        example = next(iter(content["application/json"]["examples"].values()))
        value = json.dumps(resolved(document, example)["value"], ensure_ascii=False)
        yield from ("-H", "Content-Type: application/json", "-d", value)
    elif content:
        yield from ("-H", "Content-Type: audio/wav", "--data-binary", f"@{FILE}")
