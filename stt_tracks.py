"""The streams of speech that a session has, and what all of them came to.

Plain state; its session's lock must be held for every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stt.replies import Usage
from stt_track import Track


class Tracks:
    """A session's streams that still have something to say, and what all it had came to."""

    def __init__(self, make: Callable[[str | None], Track], *, minting: bool) -> None:
        """``make``: a new track with this label. ``minting``: the server names the chunks."""
        self._make = make
        self.minting = make(None) if minting else None
        """The one stream, where the server mints chunks."""
        self._named: dict[str, Track] = {}  # by the client's chunk
        self._speech_before = 0.0  # s, of the tracks that are over

    def __iter__(self) -> Iterator[Track]:
        yield from self._named.values()
        if self.minting is not None:
            yield self.minting

    @property
    def named(self) -> list[str]:
        """The client's chunks that have no final yet."""
        return list(self._named)

    @property
    def settled(self) -> bool:
        """Whether every chunk has its final."""
        return not self._named and (self.minting is None or self.minting.settled)

    def get(self, chunk_id: str) -> Track | None:
        """The track of a client's chunk that has no final yet."""
        return self._named.get(chunk_id)

    def open(self, chunk_id: str) -> Track:
        """The same, made if need be."""
        if chunk_id not in self._named:
            self._named[chunk_id] = self._make(chunk_id)
        return self._named[chunk_id]

    def replace(self, track: Track) -> Track:
        """A fresh track in place of a client's, whose results count no more (native W3)."""
        track.replaced = True
        self._speech_before += track.stream.speech
        fresh = self._make(track.label)
        self._named[str(track.label)] = fresh
        return fresh

    def forget(self, track: Track, chunk_id: str) -> None:
        """A chunk has its final: nothing else of it is kept."""
        if track.label is None:
            track.forget(chunk_id)
        elif self._named.pop(track.label, None) is not None:
            self._speech_before += track.stream.speech

    def usage(self, received: float) -> Usage:
        """Of ``received`` s of audio, the speech so far."""
        speech = self._speech_before + sum(track.stream.speech for track in self)
        return Usage(round(received, 3), round(speech, 3))
