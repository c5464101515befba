"""Who is on their way when the service stops, and how they come to an end."""

from __future__ import annotations

import threading

import pytest

from stt.errors import NotReady
from stt_file import Hearing
from stt_hearings import Hearings
from tests.service import WAIT, held, running
from tests.speech import silence, speech
from tests.test_stt_file import TWO, hearing


def test_files_that_end_in_time_are_waited_for() -> None:
    """AD8: the one that waits for the engine has its whole text when the service stops."""
    files = Hearings()
    with held() as (core, engine, gate):
        file = hearing(core.queue, TWO, on_close=files.remove)
        files.add(file)
        texts: list[str] = []
        reading = threading.Thread(target=lambda: texts.append(file.transcription().text))
        reading.start()
        assert engine.wait_for(1)
        done: list[bool] = []
        ending = threading.Thread(target=lambda: done.append(files.end(WAIT)))
        ending.start()

        gate.set()
        ending.join(WAIT)
        reading.join(WAIT)

        assert done == [True]
        assert texts == ["one two three four one two"]


def test_a_file_that_takes_longer_fails_at_once() -> None:
    """AD8: whoever waits for its text hears that the service stops, while it still can be told."""
    files = Hearings()
    with held() as (core, engine, _):
        file = hearing(core.queue, TWO, beat=WAIT, on_close=files.remove)
        files.add(file)
        errors: list[Exception] = []

        def read() -> None:
            try:
                file.transcription()
            except NotReady as error:
                errors.append(error)

        reading = threading.Thread(target=read)
        reading.start()
        assert engine.wait_for(1)

        done = files.end(0.0)
        reading.join(WAIT / 2)

        assert not done
        assert [str(error) for error in errors] == [
            "the service is shutting down: send the file again"
        ]
        assert files.end(0.0)


def test_no_file_begins_after_the_end() -> None:
    """One that came through the door a moment before is refused as all are (RT-44)."""
    files = Hearings()
    files.end(0.0)

    with running() as core, pytest.raises(NotReady):
        files.add(hearing(core.queue, TWO))


def test_a_file_may_be_over_twice() -> None:
    """It closes itself at its end, and whoever took it closes it too."""
    files = Hearings()
    with running() as core:
        file: Hearing = hearing(core.queue, [speech(1), silence(1)], on_close=files.remove)
        files.add(file)

        file.transcription()
        file.close()

    assert files.end(0.0)
