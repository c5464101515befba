"""What the client's commands mean for its chunks: which chunk takes the audio, which one ends.

Two ways to name chunks, one class each: the client does (`ClientChunks`, native W1-W10), or the
server does, one per utterance (`MintedChunks`, native W33). Both act on a session through its few
operations. Called by the session's reader thread only; results never come here.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from stt.errors import BadInput, ChunkFinalized, NoChunk, NotReady, STTError
from stt.protocols.base import (
    AppendAudio,
    Clear,
    Close,
    Command,
    Commit,
    Configure,
    Finalize,
    Flush,
    Ping,
    ReplaceAudio,
    Say,
    SetChunk,
)
from stt.replies import Reply
from stt.speech.chunk import unknown
from stt_track import Pause, Track


class Operations(Protocol):
    """What a session can do for its client; the reader thread calls it, holding no lock."""

    def track(self, chunk_id: str) -> Track | None:
        """The open track of a chunk, made if need be; None when the chunk takes no more audio."""

    def feed(self, track: Track, audio: AppendAudio | ReplaceAudio, data: bytes) -> None:
        """Hear new audio, ``data`` of it. Raises NotReady while shutting down."""

    def restart(self, track: Track) -> Track:
        """Forget what a chunk has heard. Raises NotReady while shutting down."""

    def end(self, chunk_id: str) -> bool:
        """Nothing more belongs to a chunk: its final follows. False: there is nothing to end."""

    def endpoint(self, track: Track) -> bool:
        """End the open utterance now; False when none is open and no final is awaited.

        So True says that a final follows.
        """

    def repeat(self, chunk_id: str | None) -> bool:
        """Say a chunk's final again, or the newest chunk's. False: there is none."""

    def conclude_unheard(self, chunk_id: str) -> None:
        """The final of a chunk without audio; nothing of it comes later."""

    def step(self, track: Track) -> AbstractContextManager[object]:
        """Change a track; what follows from it is said and asked at the end of the block."""

    def commit(self, track: Track) -> None:
        """End the uncommitted chunk, which is made if there is none."""

    def withdraw_interims(self) -> None:
        """Nobody wants the interim that may be waiting in the queue."""

    def close(self) -> None:
        """Take no more audio; close the connection when everything has been said."""

    def say(self, reply: Reply) -> None:
        """Send a reply that no stream said."""

    def pong(self, ping_id: int | str | None) -> None:
        """Answer a ping."""


class _Complaints:
    """One error for a run of frames that nothing can take, not one for each (native W1)."""

    def __init__(self) -> None:
        self._run: tuple[type[STTError], str | None] | None = None

    def complain(self, error: STTError, chunk_id: str | None) -> None:
        """Raise, unless this is the same run as before."""
        error.chunk_id = chunk_id
        run = (type(error), chunk_id)
        if run != self._run:
            self._run = run
            raise error

    def over(self) -> None:
        """A frame was taken, or another chunk was set: what is refused now is a new run."""
        self._run = None


class ClientChunks:
    """The client labels its audio; a new label ends the chunk before."""

    def __init__(self, session: Operations) -> None:
        self._session = session
        self._current: str | None = None
        self._complaints = _Complaints()

    def handle(self, command: Command) -> None:
        """Do what the client asked. Raises BadInput and NotReady."""
        match command:
            case AppendAudio(data=b"", warning=None) | ReplaceAudio(data=b""):
                self._follow(command.chunk_id)  # native W13: no audio, but perhaps a new chunk
            case AppendAudio() | ReplaceAudio():
                self._hear(command)
            case SetChunk():
                self._set(command.chunk_id)
            case Finalize():
                self._finalize(command.chunk_id)
            case Ping():
                self._session.pong(command.id)
            case Say():
                self._session.say(command.reply)
            case Close():
                self._session.close()
            case Flush() | Commit() | Clear() | Configure():
                raise BadInput("where the client names the chunks, it finalizes them")

    def _hear(self, audio: AppendAudio | ReplaceAudio) -> None:
        self._follow(audio.chunk_id)
        try:
            track = self._track()
            if isinstance(audio, ReplaceAudio):
                self._replace(track, audio)
            else:
                track.snapshot = None
                self._session.feed(track, audio, audio.data)
        except (NoChunk, ChunkFinalized, NotReady) as error:
            self._complaints.complain(error, self._current)
        else:
            self._complaints.over()

    def _replace(self, track: Track, audio: ReplaceAudio) -> None:
        """Feed only what is new of a snapshot that starts with the audio we have (native W3)."""
        known = track.snapshot
        if known is None or not audio.data.startswith(known):
            track = self._session.restart(track)
            known = b""
        track.snapshot = audio.data
        self._session.feed(track, audio, audio.data[len(known) :])

    def _track(self) -> Track:
        """The track of the current chunk. Raises NoChunk, ChunkFinalized, NotReady."""
        if self._current is None:
            raise NoChunk("binary audio came before set_chunk named its chunk")
        track = self._session.track(self._current)
        if track is None:
            raise ChunkFinalized(f"chunk {self._current} has its final; set another chunk")
        return track

    def _follow(self, chunk_id: str | None) -> None:
        """Audio that names its chunk sets it, as `set_chunk` does (native M12)."""
        if chunk_id is not None:
            self._set(chunk_id)

    def _set(self, chunk_id: str) -> None:
        previous, self._current = self._current, chunk_id
        if previous == chunk_id:
            return
        self._complaints.over()
        if previous is not None:
            self._session.end(previous)  # native W9

    def _finalize(self, chunk_id: str | None) -> None:
        chunk_id = self._current if chunk_id is None else chunk_id
        if chunk_id is None:
            raise BadInput("finalize_chunk needs a chunk_id: no chunk is set")
        if self._session.end(chunk_id) or self._session.repeat(chunk_id):
            return
        if chunk_id == self._current:
            self._session.conclude_unheard(chunk_id)
        else:
            self._session.say(unknown(chunk_id))


class MintedChunks:
    """One endless stream; the server names a chunk at each onset of speech."""

    def __init__(self, session: Operations, track: Track) -> None:
        self._session = session
        self._stream = track
        self._complaints = _Complaints()

    def handle(self, command: Command) -> None:
        """Do what the client asked. Raises BadInput and NotReady."""
        match command:
            case AppendAudio(data=b""):
                return
            case AppendAudio():
                self._hear(command)
            case Finalize():
                self._finalize(command.chunk_id)
            case Ping():
                self._session.pong(command.id)
            case ReplaceAudio():
                raise BadInput("with auto_chunk=1 audio is appended: send append: true")
            case SetChunk():
                raise BadInput("with auto_chunk=1 the server names the chunks")
            case Say():
                self._session.say(command.reply)
            case Close():
                self._session.close()
            case _:
                self._take_turn(command)

    def _take_turn(self, command: Flush | Commit | Clear | Configure) -> None:
        match command:
            case Flush():
                with self._session.step(self._stream):
                    self._stream.pause(Pause(flush=True))
            case Commit():
                self._session.commit(self._stream)
            case Clear():
                with self._session.step(self._stream):
                    self._stream.clear()
                self._session.withdraw_interims()
            case Configure():
                with self._session.step(self._stream):
                    self._stream.configure(command.speech, command.audio, manual=command.manual)

    def _hear(self, audio: AppendAudio) -> None:
        try:
            self._session.feed(self._stream, audio, audio.data)
        except NotReady as error:
            self._complaints.complain(error, None)

    def _finalize(self, chunk_id: str | None) -> None:
        """End what is open; the final of a chunk that has one, or the newest, is said again."""
        if chunk_id is not None and self._session.repeat(chunk_id):
            return
        if chunk_id is not None and not self._stream.has(chunk_id):
            self._session.say(unknown(chunk_id))
        elif not self._session.endpoint(self._stream) and not self._session.repeat(None):
            self._session.say(unknown(chunk_id or ""))
