"""A container that arrives in pieces, to 16 kHz mono samples while it arrives.

Browsers send these: one continuing WebM, Ogg or MP4 file, whose first piece alone has the header
(client-protocols BR2). What is decoded is handed on before more is read, so that a small stream
which holds hours takes no more memory than another (E13). Opens no file and no address (RT-63).
"""

from __future__ import annotations

from collections.abc import Iterator

from stt.audio.arriving import Arriving, Part, Read
from stt.audio.flac import flac_pieces
from stt.audio.frames import CutShort, Source, check_served, decoded_pieces
from stt.audio.mp4_stream import Boxes
from stt.audio.ogg import Pages
from stt.audio.sniff import HEAD, ID3, demuxer_of
from stt.audio.untagged import Frames, Untagged, tag_length
from stt.audio.wav import read_header
from stt.errors import TooLarge, UndecodableAudio
from stt.events import SAMPLE_RATE, Samples

STREAMING = {"probesize": "2048", "analyzeduration": "1"}
"""FFmpeg's options for little delay (BR4). Its analyzeduration is in us, and 0 means 5 s: a quiet
ADTS stream then begins 0.9 s late."""
BUFFER = 2048  # bytes (BR4)
MAX_SECONDS = 86_400.0
"""Of one stream (E13): nobody speaks for longer than a day."""
NAMES = {
    "wav": "WAV", "mp3": "MP3", "flac": "FLAC", "ogg": "Ogg", "matroska": "WebM", "mov": "MP4",
    "aac": "AAC", "aiff": "AIFF", "au": "AU", "amr": "AMR",
}  # fmt: skip
"""Of the demuxers, for messages."""
XING_AT = (13, 21, 36)
"""Where in the first frame an MP3 file may say how long it is: by its version and channels."""
XING_END = 52  # bytes, to the end of the size that may stand there


def decoded_stream(
    read: Read, *, max_seconds: float = MAX_SECONDS, ends: bool = True
) -> Iterator[Samples]:
    """The audio of one stream, in pieces as they can be decoded; some 0.1 s behind the bytes.

    ``read`` is asked for bytes when all that could be decoded of those before has been handed out
    (S9). A stream without a byte has no audio, and that is no error. ``ends``: whether somebody
    still listens when the last byte has come; else an MP4 whose index comes last is of no use.

    Raises, once and naming the format (E11): UndecodableAudio for bytes that are no container of
    ours, hold no audio, or cannot be decoded any further; UnsupportedAudio for rates and channels;
    TooLarge above ``max_seconds``.
    """
    arriving = Arriving(read)
    if not arriving.peek(1):
        return
    demuxer = _demuxer(arriving)
    samples = 0
    try:
        for piece in _pieces(demuxer, arriving, ends=ends):
            if len(piece):
                arriving.heard()
                samples += len(piece)
                if samples > max_seconds * SAMPLE_RATE:
                    raise TooLarge(f"The {NAMES[demuxer]} stream is longer than {max_seconds:g} s.")
                yield piece
    except CutShort:
        if samples and not arriving.ended:
            raise UndecodableAudio(
                f"The {NAMES[demuxer]} stream cannot be decoded any further."
            ) from None
    except UndecodableAudio as error:
        raise UndecodableAudio(f"The {NAMES[demuxer]} stream is of no use: {error}") from None
    if not samples:
        raise UndecodableAudio(f"The {NAMES[demuxer]} stream holds no audio that can be decoded.")


def _demuxer(arriving: Arriving) -> str:
    """By the first bytes after all tags. Raises UndecodableAudio."""
    tagged = False
    while (head := arriving.peek(HEAD))[:3] == ID3:
        arriving.skip(tag_length(head))
        tagged = True
    if tagged and not head:
        raise UndecodableAudio("The MP3 stream holds no audio after its tag.")
    return demuxer_of(head)


def _pieces(demuxer: str, arriving: Arriving, *, ends: bool) -> Iterator[Samples]:
    match demuxer:
        case "flac":
            return flac_pieces(arriving)
        case "wav":
            return _wav_pieces(arriving)
        case "mp3":
            return _streamed(Part(arriving, None, _mp3_start(arriving)), demuxer)
        case "mov":
            boxes = Boxes(arriving)
            if boxes.index_first():
                return _streamed(boxes, demuxer)
            if not ends:
                raise UndecodableAudio("its index comes last. Write it fragmented.")
            return decoded_pieces(boxes.whole(), demuxer)
        case "ogg":
            return _streamed(Pages(arriving), demuxer)
        case "aac":
            return _streamed(Frames(arriving), demuxer)
        case _:
            return _streamed(Untagged(arriving, demuxer), demuxer)


def _wav_pieces(arriving: Arriving) -> Iterator[Samples]:
    form, length = read_header(arriving)
    check_served(form.channels, form.rate)
    if form.bare is None:
        return _streamed(Part(arriving, length, form.header), "wav")
    layout = {"sample_rate": str(form.rate), "ch_layout": f"{form.channels}C"}
    return _streamed(Part(arriving, length), form.bare, layout)


def _mp3_start(arriving: Arriving) -> bytes:
    """The first bytes, less what the file's size is said to be.

    FFmpeg compares it with the size that it sees, finds them to differ where it sees none, and then
    believes the rest of the header neither: the padding at the end would be heard.
    """
    start = bytearray(arriving.exactly(XING_END))
    for at in XING_AT:
        if bytes(start[at : at + 4]) in (b"Xing", b"Info") and start[at + 7] & 2:
            size = at + 8 + (4 if start[at + 7] & 1 else 0)  # after the number of frames, if told
            start[size : size + 4] = bytes(4)
    return bytes(start)


def _streamed(
    source: Source, demuxer: str, options: dict[str, str] | None = None
) -> Iterator[Samples]:
    return decoded_pieces(source, demuxer, options=STREAMING | (options or {}), buffer_size=BUFFER)
