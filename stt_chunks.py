"""What the client's commands mean for its chunks: which chunk takes the audio, which one ends.

Two ways to name chunks, one class each: the client does (`ClientChunks`, native W1-W10), or the
server does, one per utterance (`MintedChunks`, native W33). Both act on a session through its few
operations. Called by the session's reader thread only; results never come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stt.errors import BadInput, ChunkFinalized, NoChunk
from stt.protocols.base import AppendAudio, Command, Finalize, Ping, ReplaceAudio, SetChunk
from stt.speech.chunk import unknown

if TYPE_CHECKING:
    from stt_session import Session
    from stt_track import Track


class ClientChunks:
    """The client labels its audio; a new label ends the chunk before."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._current: str | None = None
        self._complained: tuple[type[BadInput], str | None] | None = None

    def handle(self, command: Command) -> None:
        """Do what the client asked. Raises BadInput."""
        match command:
            case AppendAudio(data=b"", warning=None) | ReplaceAudio(data=b""):
                self._follow(command.chunk_id)  # native W13: no audio, but perhaps a new chunk
            case AppendAudio():
                track = self._track_for(command.chunk_id)
                if track is not None:
                    track.snapshot = None
                    self._session.feed(track, command.data, command.warning)
            case ReplaceAudio():
                self._replace(command)
            case SetChunk():
                self._set(command.chunk_id)
            case Finalize():
                self._finalize(command.chunk_id)
            case Ping():
                self._session.pong(command.id)

    def _replace(self, command: ReplaceAudio) -> None:
        """Feed only what is new of a snapshot that starts with the audio we have (native W3)."""
        track = self._track_for(command.chunk_id)
        if track is None:
            return
        known = track.snapshot
        if known is None or not command.data.startswith(known):
            track = self._session.restart(track)
            known = b""
        track.snapshot = command.data
        self._session.feed(track, command.data[len(known) :], command.warning)

    def _track_for(self, chunk_id: str | None) -> Track | None:
        """The track for new audio; None where the client was told before that none takes it."""
        self._follow(chunk_id)
        chunk_id = self._current
        if chunk_id is None:
            self._complain(NoChunk("binary audio came before set_chunk named its chunk"), None)
            return None
        track = self._session.track(chunk_id)
        if track is None:
            error = ChunkFinalized(f"chunk {chunk_id} has its final; set another chunk")
            self._complain(error, chunk_id)
            return None
        self._complained = None
        return track

    def _complain(self, error: BadInput, chunk_id: str | None) -> None:
        """Raise once for a run of frames that nothing can take (native W1)."""
        error.chunk_id = chunk_id
        run = (type(error), chunk_id)
        if run != self._complained:
            self._complained = run
            raise error

    def _follow(self, chunk_id: str | None) -> None:
        """Audio that names its chunk sets it, as `set_chunk` does (native M12)."""
        if chunk_id is not None and chunk_id != self._current:
            self._set(chunk_id)

    def _set(self, chunk_id: str) -> None:
        previous, self._current = self._current, chunk_id
        if previous == chunk_id:
            return
        self._complained = None  # what is refused now is a new run
        if previous is not None:
            self._session.end(previous)  # native W9

    def _finalize(self, chunk_id: str | None) -> None:
        chunk_id = self._current if chunk_id is None else chunk_id
        if chunk_id is None:
            raise BadInput("finalize_chunk needs a chunk_id: no chunk is set")
        if not self._session.end(chunk_id) and not self._session.repeat(chunk_id):
            self._session.say(unknown(chunk_id))


class MintedChunks:
    """One endless stream; the server names a chunk at each onset of speech."""

    def __init__(self, session: Session, track: Track) -> None:
        self._session = session
        self._track = track

    def handle(self, command: Command) -> None:
        """Do what the client asked. Raises BadInput."""
        match command:
            case AppendAudio(data=b""):
                return
            case AppendAudio():
                self._session.feed(self._track, command.data, command.warning)
            case Finalize():
                if not self._session.endpoint(self._track) and not self._session.repeat(None):
                    self._session.say(unknown(""))
            case Ping():
                self._session.pong(command.id)
            case ReplaceAudio():
                raise BadInput("with auto_chunk=1 audio is appended: send append: true")
            case SetChunk():
                raise BadInput("with auto_chunk=1 the server names the chunks")
