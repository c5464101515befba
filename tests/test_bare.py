"""Files that are sent as bare samples: told once, before any of it is heard."""

from __future__ import annotations

import pytest

from dialects.bare import Doubting
from stt.protocols.base import AppendAudio, Command, Ping, ReplaceAudio, SetChunk
from stt.replies import Problem
from stt_outbox import Closing
from tests.service import is_final, pcm, replies, running, transcripts
from tests.speech import speech

FILES = {
    "WebM": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81",
    "Ogg": b"OggS\0\x02" + bytes(10),
    "FLAC": b"fLaC\0\0\0\x22" + bytes(8),
    "MP3": b"ID3\x04\0\0\0\0\x02\0" + bytes(8),
    "MP4": b"\0\0\0\x18ftypiso5" + bytes(8),
    "WAV": b"RIFF\x24\x08\0\0WAVEfmt ",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", [AppendAudio, ReplaceAudio])
def test_a_file_among_bare_samples_is_named_and_ends_the_session(
    name: str, kind: type[AppendAudio | ReplaceAudio]
) -> None:
    """client-E11: one error says what to add, then 1003; the rest of the file is not heard."""
    with running() as core:
        session = core.session()
        listener = Doubting(session)
        commands: list[Command] = [
            SetChunk("1"),
            kind(b"", "1"),
            kind(FILES[name], "1"),
            AppendAudio(pcm(speech(2.0)), "1"),
        ]

        for command in commands:
            listener.handle(command)

        said = [session.outbox.get() for _ in range(3)][1:]
    problem, closing = said
    assert isinstance(problem, Problem)
    assert (problem.code, problem.chunk_id, problem.close_code) == ("unsupported_audio", "1", 1003)
    assert problem.message.startswith(f"this looks like a {name} file: add encoding=auto")
    assert closing == Closing(1003, "unsupported_audio")


def test_samples_are_heard_and_looked_at_once() -> None:
    """Later audio may begin with anything; what is no audio passes; the pace is the session's."""
    with running() as core:
        session = core.session()
        listener = Doubting(session)

        for command in (
            Ping(1), SetChunk("1"), AppendAudio(pcm(speech(1.0))),
            AppendAudio(FILES["WAV"]), SetChunk("2"),
        ):  # fmt: skip
            listener.handle(command)

        assert session.settle(10)
        said = replies(session, is_final)
    assert not any(isinstance(reply, Problem) for reply in said)
    assert transcripts(said)[-1].committed == "one two"
    assert listener.delay == session.delay
