"""One rung of the ladder: so many sessions at once, and what they came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.policy.delays import finals, first_words, laal, last_changes, utterances
from benchmarks.policy.transcript import committed_changed, erasure
from benchmarks.replay.playlist import Playlist
from benchmarks.replay.session import Transcript
from benchmarks.table import percentile
from benchmarks.wer import WordErrors

BYTES_PER = 50.0  # s of recordings, for the figure of bytes: about one clip with pauses


@dataclass(frozen=True, slots=True)
class Cost:
    """What the service used, when it ran on this machine for us."""

    cpu: float
    """CPU s of all its processes."""
    rest: float
    """CPU that others used meanwhile, in % of one core."""


@dataclass(slots=True)
class Rung:
    """What sessions that were live together came to. Delays are seconds; see ``metrics``."""

    sessions: int
    first: list[float] = field(default_factory=list)
    """From the onset of each utterance to its first text."""
    change: list[float] = field(default_factory=list)
    """From the end of each utterance's speech to the last change of its words."""
    final: list[float] = field(default_factory=list)
    """From the end of each utterance's speech to its final."""
    endpoint: list[float] = field(default_factory=list)
    """From ``speech_stopped`` to the final."""
    laal: list[float] = field(default_factory=list)
    """Length-adaptive average lagging of each utterance (QM-05)."""
    erased: int = 0
    words: int = 0
    changed: int = 0
    """Committed texts that changed (QM-02)."""
    errors: WordErrors = field(default_factory=WordErrors)
    received: int = 0
    """Bytes to all clients, but for messages about voice activity."""
    word_bytes: int = 0
    """Of these, word times, which `words=none` saves."""
    clips: float = 0.0
    """s of recordings, of all sessions; our pauses between them not counted."""
    stream: float = 0.0
    """s of audio sent, pauses included."""
    lateness: float = 0.0
    """s by which this process sent messages too late, 99th percentile."""
    lost: int = 0
    """Sessions that ended before their time."""
    unfinished: int = 0
    """Utterances without a final."""
    problems: int = 0
    """Error messages."""
    cost: Cost | None = None

    def add(self, playlist: Playlist, transcript: Transcript) -> None:
        """One session."""
        heard = utterances(transcript.said, playlist.words())
        self.first += first_words(heard)
        self.change += last_changes(heard)
        self.final += finals(heard)
        self.laal += laal(heard)
        self.endpoint += transcript.endpoint_delays()
        erased, words = erasure(transcript.said)
        self.erased, self.words = self.erased + erased, self.words + words
        self.changed += committed_changed(transcript.said)
        self.unfinished += transcript.unfinished
        self.problems += len(transcript.problems)
        self.word_bytes += transcript.word_bytes
        self.clips += playlist.clips
        self.stream += playlist.seconds
        texts: list[list[str]] = [[] for _ in playlist.tracks]
        for start, text in transcript.texts():
            texts[playlist.at(start)].append(text)
        for track, of_track in zip(playlist.tracks, texts, strict=True):
            if track.recording.text is not None:
                self.errors.add(track.recording.text, " ".join(of_track))

    @property
    def cpu(self) -> float | None:
        """CPU s of the service per s of recordings."""
        return None if self.cost is None else self.cost.cpu / self.clips

    @property
    def cpu_of_stream(self) -> float | None:
        """The same per s of stream, our pauses included."""
        return None if self.cost is None else self.cost.cpu / self.stream

    @property
    def erasure(self) -> float:
        """Words withdrawn or changed, per word of the finals (QM-03)."""
        return self.erased / self.words if self.words else 0.0

    @property
    def kilobytes(self) -> float:
        """kB to a client per 50 s of recordings."""
        return self.received / 1000 / self.clips * BYTES_PER

    @property
    def text_kilobytes(self) -> float:
        """The same without word times."""
        return (self.received - self.word_bytes) / 1000 / self.clips * BYTES_PER


def at(delays: Sequence[float], percent: float) -> float:
    """A percentile; NaN where nothing was measured: a rung without finals is still a rung."""
    return percentile(delays, percent) if delays else float("nan")
