"""What stands before a session of bare samples: it looks at the first of them, once.

Who forgets `encoding=auto` sends a file as samples, and would hear silence or nonsense of it.
"""

from __future__ import annotations

from stt.audio.sniff import HEAD, looks_contained
from stt.errors import UnsupportedAudio
from stt.protocols.base import AppendAudio, Command, ReplaceAudio
from stt.replies import problem
from stt_session import Session

CLOSE = 1003  # as for a container that cannot be decoded (native 11.1, client E11)


class Doubting:
    """Hands all commands on, unless the audio begins as a container does. The reader's thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._looked = False
        self._over = False

    @property
    def delay(self) -> float:
        """The session's."""
        return self._session.delay

    def handle(self, command: Command) -> None:
        """Do what the client asked. Raises what the session raises."""
        if self._over:
            return
        if not self._looked and isinstance(command, AppendAudio | ReplaceAudio) and command.data:
            self._looked = True
            name = looks_contained(bytes(command.data[:HEAD]))
            if name is not None:
                self._end(name, command.chunk_id)
                return
        self._session.handle(command)

    def close(self) -> None:
        """There is nothing to pass on."""

    def _end(self, name: str, chunk_id: str | None) -> None:
        """Say what is wrong, once, and end the session: the rest of the file would be noise."""
        self._over = True
        error = UnsupportedAudio(f"this looks like a {name} file: add encoding=auto to the query")
        self._session.say(problem(error, chunk_id, close_code=CLOSE))
        self._session.outbox.close(CLOSE, error.code)
