"""From a request with a file to its answer: whatever ends it, its turn and its work end once."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from stt.errors import EngineError
from stt.events import Final
from tests.doors import House, build
from tests.test_files_leaving import pair
from tests.test_uploads import wav

PATHS = ["/transcribe", "/v1/audio/transcriptions"]
HELLO = Final(0, "Hello.", 0.0, 1.0, language="en")


@pytest.fixture(name="house")
def _house() -> Iterator[House]:
    house = build(at_once=1)
    yield house
    house.store.close()


def check_over(house: House) -> None:
    """The file was closed, once, and there is room for another."""
    assert [hearing.closed for hearing in house.recorder.hearings] == [1]
    assert house.files.turns.taken == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_client_that_leaves_ends_its_file(house: House, path: str, stream: str) -> None:
    """S12: it is looked after at each beat, though nothing is written; no text follows."""
    server, client = pair()
    asked: list[str] = []

    def heard() -> Iterator[Final | None]:
        client.close()
        for word in "abc":
            asked.append(word)
            yield None

    house.recorder.script = heard()
    form = {"file": (io.BytesIO(wav(1)), "a"), "stream": stream}
    with server:
        answer = house.http.post(path, data=form, environ_overrides={"gunicorn.socket": server})

    assert asked == ["a"]
    assert (answer.status_code, answer.data) == (499, b"")
    check_over(house)


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_leaves_a_stream_that_has_begun(house: House, path: str) -> None:
    """S12: the stream just ends, without [DONE]."""
    server, client = pair()

    def heard() -> Iterator[Final | None]:
        yield HELLO
        client.close()
        yield None
        raise AssertionError("it went on")

    house.recorder.script = heard()
    form = {"file": (io.BytesIO(wav(1)), "a"), "stream": "true"}
    with server:
        answer = house.http.post(path, data=form, environ_overrides={"gunicorn.socket": server})

        assert answer.text.count("data: ") == 1

    check_over(house)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("failure", "status"), [(EngineError("no memory"), 500), (RuntimeError("a bug"), 500)]
)
@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_failure_ends_its_file(
    house: House, path: str, failure: Exception, status: int, stream: str
) -> None:
    """F-17, B26: an error of the engine or of ours costs this request and nothing else."""
    house.recorder.script = [failure]
    form = {"file": (io.BytesIO(wav(1)), "a"), "stream": stream}

    answer = house.http.post(path, data=form)

    assert answer.status_code == status
    check_over(house)


def test_the_log_says_how_a_file_went(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """OF23: by the id of its request."""
    with caplog.at_level("INFO"):
        house.http.post(
            PATHS[1],
            data={"file": (io.BytesIO(wav(2)), "a")},
            headers={"X-Request-Id": "mine"},
        )

    assert any("request_id=mine audio_s=2.0 took_s=" in line for line in caplog.messages)
