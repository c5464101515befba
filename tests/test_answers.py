"""How answers read: a shape for each door, request ids, when to try again."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient

from api.answers import as_json, install_answers, refusal, request_id
from stt.errors import (
    BadField,
    Dropped,
    EngineError,
    SessionInUse,
    STTError,
    TooLarge,
    Unauthorized,
)


def listen(status: int, message: str, code: str | None, param: str | None) -> dict[str, Any]:
    """Some door's own shape."""
    return {"err": [status, code, param, message], "request_id": request_id()}


def client(error: Exception | int) -> FlaskClient:
    """Of an app all of whose paths fail like this."""
    app = Flask("answers")
    install_answers(app, {"/v1/listen": listen})

    @app.get("/<path:_>")
    def _fail(_: str) -> str:
        if isinstance(error, int):
            abort(error)
        raise error

    return app.test_client()


def test_every_door_has_its_shape() -> None:
    """OpenAI's below /v1/, a door's own below its path, ours elsewhere (OE1, HT3, DP3)."""
    http = client(BadField("language", "no such language"))

    own, openai, other = (http.get(path) for path in ("/v1/listen", "/v1/audio/x", "/elsewhere"))

    assert own.get_json()["err"] == [400, "bad_request", "language", "no such language"]
    assert own.get_json()["request_id"] == own.headers["x-request-id"]
    assert openai.get_json()["error"]["param"] == "language"
    assert other.get_json() == {"error": "no such language", "code": "bad_request"}
    assert "x-request-id" not in other.headers


@pytest.mark.parametrize(
    ("error", "again", "never"),
    [(Dropped(), "2", False), (503, "2", False), (429, "2", False), (EngineError("x"), None, False),
     (SessionInUse("x"), None, False), (408, None, False), (TooLarge("x"), None, True),
     (404, None, True), (405, None, True), (403, None, True), (418, None, True)],
)  # fmt: skip
def test_oe2_whether_the_sdk_should_try_again(
    error: STTError | int, again: str | None, never: bool
) -> None:
    """OE2: Retry-After with 429 and 503; x-should-retry: false where it cannot help."""
    answer = client(error).get("/v1/x")

    assert answer.headers.get("retry-after") == again
    assert answer.headers.get("x-should-retry") == ("false" if never else None)


def test_a_body_of_a_doors_own_has_the_same_headers() -> None:
    """UP5, HT10: when to try again, unless it must not be said; how to say who asks."""
    with Flask("answers").app_context():
        busy, silent, unknown = (
            refusal(Dropped(), {"why": "è"}),
            refusal(Dropped(), {}, retry=False),
            refusal(Unauthorized("no key"), {}),
        )

    assert (busy.status_code, busy.get_json()) == (429, {"why": "è"})
    assert [answer.headers.get("Retry-After") for answer in (busy, silent)] == ["2", None]
    assert unknown.headers["WWW-Authenticate"] == "Bearer"


def test_a_crash_has_a_shape_and_an_id() -> None:
    """OE1, OF23: 500 tells nothing but that."""
    answer = client(RuntimeError("a secret")).get("/v1/x")

    assert answer.status_code == 500
    assert answer.get_json()["error"]["type"] == "server_error"
    assert answer.headers["x-request-id"]
    assert "secret" not in answer.text


def test_the_log_names_the_request(caplog: pytest.LogCaptureFixture) -> None:
    """OF23: a client can tell which request it means."""
    with caplog.at_level("INFO"):
        client(404).get("/v1/x", headers={"X-Request-Id": "mine"})

    [line] = caplog.messages
    assert line.startswith("GET /v1/x: 404, request_id=mine: there is nothing at '/v1/x'")


def test_each_refusal_is_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Any door: the path without its query, which may hold a key, and the sentence, in one line."""
    http = client(SessionInUse("the session\nid is connected"))

    with caplog.at_level("INFO"):
        http.get("/stt/x?api_key=secret")
        http.post("/stt/a%0Ab")

    refused, absent = caplog.messages
    assert refused == "GET /stt/x: 409: the session?id is connected"
    assert absent.startswith(r"POST /stt/a?b: 404: there is nothing at '/stt/a\nb'")


def test_an_answer_is_a_line_that_people_can_read() -> None:
    """All doors: text as it is, an end of line; half a surrogate pair stays escaped."""
    answer = as_json({"text": "è", "half": "\ud800"})

    assert answer.get_data() == b'{"text": "\xc3\xa8", "half": "\\ud800"}\n'
    assert answer.get_json() == {"text": "è", "half": "\ud800"}
