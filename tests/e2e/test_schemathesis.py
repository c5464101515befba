"""Requests that nobody thought of, made by schemathesis from openapi.yaml, to the real service.

Whatever is asked, in the schema or against it: no 5xx, and an answer whose status, type, headers
and body the document describes (client OE3, native HT2 to HT4). The same requests each time.

Left out are the checks that whatever breaks the schema is refused (older clients are owed an answer
to what they send: unknown parameters and odd values are ignored), that whatever fits it is taken
(random bytes are no audio), and that OPTIONS names exactly the methods of a path (DELETE of
/transcripts/count is legal: it removes the chunk of that id). A request line above 28 kB never
reaches a door: its 414 is the server's own.
"""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.described import OPENAPI
from tests.e2e.sounds import FAST, voice
from tests.live import Hark, hark

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
]
DEADLINE = 60  # s for an answer; far more than any takes

schema = schemathesis.openapi.from_dict(OPENAPI)
AUDIBLE = {
    (path, method)
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
    if {"multipart/form-data", "application/octet-stream"}
    & operation.get("requestBody", {}).get("content", {}).keys()
}
"""Operations that take audio."""
audible = schema.include(lambda at: (at.operation.path, at.operation.method) in AUDIBLE)
heard: set[tuple[str | None, str]] = set()
"""(type of the request, type of the answer) of each 200."""


def some(examples: int) -> Callable[[Any], Any]:
    """The same random requests each time, beside those at the edges of the schema."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    """After all that it is as well as before, and no handler has raised what it should not."""
    with hark(tmp_path_factory.mktemp("open"), **FAST) as service:
        yield service
        assert service.ask("GET", "/readyz").status == 200
        assert "Traceback" not in service.log.read_text()


@pytest.fixture(name="keyed", scope="module")
def _keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hark]:
    with hark(tmp_path_factory.mktemp("keyed"), **FAST, STT_API_KEYS="ka:alice") as service:
        yield service


@pytest.fixture(name="session", scope="module")
def _session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(name="audio", scope="module")
def _audio() -> bytes:
    """Half a second of speech as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, 16000, 0, "NONE", ""))
        wav.writeframes(voice(0.5))
    return file.getvalue()


def answered(
    case: schemathesis.Case, service: Hark, session: requests.Session
) -> schemathesis.Response:
    """The answer to a case, held to the document."""
    answer = case.call(base_url=service.url, session=session, timeout=DEADLINE)
    if answer.status_code != 414:
        case.validate_response(answer, checks=CHECKS)
    return answer


@schema.parametrize()
@some(10)
def test_whatever_is_asked_the_answer_is_described(
    case: schemathesis.Case, service: Hark, session: requests.Session
) -> None:
    """Each operation, with requests that fit the document and requests that do not."""
    answered(case, service, session)


@audible.parametrize()
@some(25)
def test_with_real_audio_the_answer_is_described(
    case: schemathesis.Case, service: Hark, session: requests.Session, audio: bytes
) -> None:
    """The same with speech in place of random bytes, so that fields and formats meet a result."""
    if isinstance(case.body, dict) and "file" in case.body:
        case.body["file"] = audio
    elif isinstance(case.body, dict) and "audio_b64" in case.body:
        case.body["audio_b64"] = base64.b64encode(voice(0.5)).decode()
    elif case.media_type == "application/octet-stream":
        case.body = audio

    answer = answered(case, service, session)

    if case.method == "POST" and answer.status_code == 200:
        heard.add((case.media_type, answer.headers["content-type"][0].partition(";")[0]))


def test_every_form_of_audio_was_heard() -> None:
    """Audio came in by every way, and went out in every format."""
    if not heard:
        pytest.skip("the test before was not run")

    ways, formats = ({pair[at] for pair in heard} for at in (0, 1))

    assert ways == {"multipart/form-data", "application/json", "application/octet-stream"}
    assert formats == {"application/json", "text/event-stream", "text/plain", "text/vtt"}


@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path, methods in OPENAPI["paths"].items() for method in methods],
)
def test_without_a_key_the_answer_is_described(
    keyed: Hark, session: requests.Session, path: str, method: str
) -> None:
    """401 in the shape of the door, except where the document says that no key is needed."""
    names = re.findall(r"{(\w+)}", path)
    case = schema[path][method].Case(path_parameters=dict.fromkeys(names, "1"))

    answer = case.call(base_url=keyed.url, session=session, timeout=DEADLINE)

    case.validate_response(answer, checks=CHECKS)
    needs_none = OPENAPI["paths"][path][method].get("security") == []
    assert (answer.status_code != 401) == needs_none


def test_no_operation_is_left_out() -> None:
    """Schemathesis reads every operation of the document."""
    described = {
        f"{method.upper()} {path}"
        for path, methods in OPENAPI["paths"].items()
        for method in methods
    }

    assert {result.ok().label for result in schema.get_all_operations()} == described
