"""A whole file, of any container and codec, to 16 kHz mono samples; hostile files too.

Decodes from memory in blocks, so that what it holds is bounded by the seconds allowed and not by
the file (runtime RT-60).
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Iterator

import numpy as np

from stt.audio.arriving import Arriving, Part
from stt.audio.flac import bare_flac
from stt.audio.frames import CutShort, Source, decoded_pieces
from stt.audio.mp4 import untagged_file
from stt.audio.ogg import Pages
from stt.audio.pcm import PcmDecoder
from stt.audio.sniff import Container, sniff
from stt.audio.untagged import Frames, Untagged, untagged
from stt.audio.wav import read_header
from stt.errors import TooLarge, UndecodableAudio
from stt.events import SAMPLE_RATE, USUAL_RATES, Samples

log = logging.getLogger("stt.audio")

PCM_BYTES = 65_536  # of headerless PCM per step
BLOCK = 15 * SAMPLE_RATE
"""Samples of a decoded block, or a little more: half a window of the engine."""
DEADLINE = 60.0  # s of decoding, RT-62
SLOWEST = 40
"""Times real time: a long file has more time by its length. Opus, the slowest of the usual codecs,
was measured at 200 on one core."""


def decoded_blocks(
    data: bytes,
    *,
    max_seconds: float,
    encoding: str | None = None,
    sample_rate: int | None = None,
    channels: int = 1,
    deadline_s: float = DEADLINE,
) -> Iterator[Samples]:
    """The audio of a file, in blocks of some 15 s, decoded when they are asked for; none is empty.

    It is the first audio track, as far as it can be decoded. ``encoding`` says that the bytes are
    headerless PCM, of ``channels`` at ``sample_rate``, or else the encoding's usual one (native
    UP3); otherwise the content tells the container (UP4).

    Raises, when it gets there: TooLarge above ``max_seconds``, or when decoding takes longer than
    ``deadline_s`` and a fortieth of the audio; UnsupportedAudio for a rate, a number of
    channels or an encoding we do not serve; UndecodableAudio where no sample can be decoded.
    Nothing else.
    """
    if not data:
        raise UndecodableAudio("The audio is empty.")
    limits = _Limits(max_seconds, deadline_s)
    if encoding is not None:
        pieces = _pcm_pieces(
            data,
            PcmDecoder(
                encoding,
                USUAL_RATES.get(encoding, SAMPLE_RATE) if sample_rate is None else sample_rate,
                channels=channels,
            ),
        )
    else:
        pieces = _contained(sniff(data), max(limits.seconds_left, 0.001))
    for block in _blocks(pieces, limits):
        limits.pause()
        yield block
        limits.resume()
    if not limits.samples:
        raise UndecodableAudio("The file holds no audio that can be decoded.")


def _contained(container: Container, timeout: float) -> Iterator[Samples]:
    """A container's audio up to where FFmpeg gives up: half a file is half the audio (F-21)."""
    arriving = Arriving(io.BytesIO(container.data).read)
    source = _source(container, arriving)
    heard = False
    try:
        for piece in decoded_pieces(source, container.name, timeout=timeout):
            if len(piece):
                heard = True
                arriving.heard()
            yield piece
    except UndecodableAudio as error:
        if not (heard or isinstance(error, CutShort)):
            raise
        log.debug("decoding ended early: %s", error)


def _source(container: Container, arriving: Arriving) -> Source:
    """The file for FFmpeg to go about in; or what it may read of it, from its start to its end.

    None of it has tags, and little of it is copied.
    """
    match container.name:
        case "ogg":
            return Pages(arriving)
        case "aac":
            return Frames(arriving)
        case "matroska":
            return Untagged(arriving, container.name)
        case "wav":
            arriving.allow(len(container.data))  # pictures are passed over, however large
            form, length = read_header(arriving)
            return Part(arriving, length, form.header)
        case "flac":
            arriving.allow(len(container.data))
            return bare_flac(arriving)
        case "mov":
            return untagged_file(container.data)
        case "aiff":
            return io.BytesIO(untagged(container.data, container.name))
    return io.BytesIO(container.data)


def _pcm_pieces(data: bytes, decoder: PcmDecoder) -> Iterator[Samples]:
    for start in range(0, len(data), PCM_BYTES):
        yield decoder.push(data[start : start + PCM_BYTES])
    yield decoder.flush()


def _blocks(pieces: Iterator[Samples], limits: _Limits) -> Iterator[Samples]:
    """Pieces of any length, joined. Raises TooLarge."""
    waiting: list[Samples] = []
    length = 0
    for piece in pieces:
        limits.count(piece)
        if not len(piece):
            continue
        waiting.append(piece)
        length += len(piece)
        if length >= BLOCK:
            yield np.concatenate(waiting)
            waiting.clear()
            length = 0
    limits.check_time()
    if length:
        yield np.concatenate(waiting)


class _Limits:
    """How much audio, and how much time to decode it, one file may take.

    What counts is the processor's time of the thread that decodes: neither the reader's, nor that
    of other threads on a busy machine.
    """

    def __init__(self, max_seconds: float, deadline_s: float) -> None:
        self._max_seconds = max_seconds
        self._deadline_s = deadline_s
        self._spent = 0.0  # s until the last pause
        self._since = time.thread_time()
        self.samples = 0
        """Decoded so far."""

    @property
    def seconds_left(self) -> float:
        """Until the deadline, while not paused."""
        allowed = self._deadline_s + self.samples / SAMPLE_RATE / SLOWEST
        return allowed - self._spent - (time.thread_time() - self._since)

    def count(self, samples: Samples) -> None:
        """Raises TooLarge."""
        self.samples += len(samples)
        if self.samples > self._max_seconds * SAMPLE_RATE:
            raise TooLarge(f"The audio is longer than {self._max_seconds:g} s.")
        self.check_time()

    def check_time(self) -> None:
        """Raises TooLarge after the deadline."""
        if self.seconds_left <= 0:
            raise TooLarge("Decoding the audio takes too long.")

    def pause(self) -> None:
        """What follows is the reader's time."""
        self._spent += time.thread_time() - self._since

    def resume(self) -> None:
        """And this is ours again."""
        self._since = time.thread_time()
