"""The command line of the client: ``python -m stt_client speech.wav`` or ``... mic``.

A 16-bit mono WAV is sent as if it were being spoken; any other file is uploaded whole. Finals go to
standard output, one line each, so that they can be piped; interims are shown only on a terminal,
where the final, also one that revises them, takes their place.

    python -m stt_client mic --language en --hotwords "Hark, Whisper"
    python -m stt_client talk.mp3 --final best
    python -m stt_client talk.wav --json --words interim
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import signal
import sys
import threading
import time
import wave
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from stt_client.client import (
    KEY_NAME,
    ClientError,
    Event,
    default_url,
    stream,
    transcribe,
)

RATES = range(8_000, 48_001)  # Hz (native W27)
CHUNK = 0.1  # s of audio in a message
CLEAR = "\r\x1b[K"  # to the start of the line, and erase it


class NotLive(Exception):
    """A file that can be uploaded but not streamed; says why."""


def read_wav(path: Path) -> tuple[int, list[bytes]]:
    """The rate of a 16-bit mono WAV and its audio in messages of 0.1 s. Raises NotLive."""
    try:
        with wave.open(str(path), "rb") as audio:
            rate, channels, width = audio.getframerate(), audio.getnchannels(), audio.getsampwidth()
            if (channels, width) != (1, 2) or rate not in RATES:
                raise NotLive(f"{channels} channels of {8 * width} bits at {rate} Hz")
            frames = int(rate * CHUNK)
            return rate, list(iter(lambda: audio.readframes(frames), b""))
    except (wave.Error, EOFError) as error:
        raise NotLive("not a plain WAV file") from error


def paced(chunks: Iterable[bytes], stop: threading.Event) -> Iterator[bytes]:
    """As spoken: each message when the audio in it would just have been heard."""
    start = time.monotonic()
    for number, chunk in enumerate(chunks, start=1):
        if stop.wait(start + number * CHUNK - time.monotonic()):
            return
        yield chunk


def microphone(stop: threading.Event) -> Iterator[bytes]:
    """What the default microphone hears, 16 kHz, until ``stop``. Raises ClientError without one."""
    try:
        sounddevice = import_module("sounddevice")
    except (ImportError, OSError) as error:  # OSError: PortAudio is missing
        raise ClientError(
            f"mic needs sounddevice ({error}); try: {sys.executable} -m pip install sounddevice"
        ) from error
    heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    try:
        recording = sounddevice.RawInputStream(
            samplerate=16_000, channels=1, dtype="int16", blocksize=int(16_000 * CHUNK),
            callback=lambda block, *_: heard.put(bytes(block)),
        )  # fmt: skip
    except sounddevice.PortAudioError as error:
        raise ClientError(f"no microphone: {error}") from error
    with recording:
        while not stop.is_set():
            try:
                yield heard.get(timeout=CHUNK)
            except queue.Empty:
                continue


def show(event: Event, *, as_json: bool, terminal: bool) -> None:
    """Print one event."""
    if as_json:
        print(json.dumps(event, ensure_ascii=False), flush=True)
    elif event.get("type") == "error":
        print(f"{event.get('code')}: {event.get('message')}", file=sys.stderr, flush=True)
    elif event.get("is_final"):
        # Whatever the interims said stands no longer: the final may revise it, or have no text.
        erased = CLEAR if terminal else ""
        print(erased + event["text"], end="\n" if event["text"] else "", flush=True)
    elif terminal and "text" in event:
        room = shutil.get_terminal_size().columns - 1
        print(CLEAR + event["text"].replace("\n", " ")[-room:], end="", flush=True)


def run_live(options: argparse.Namespace) -> bool:
    """Stream a WAV or the microphone; whether all of it was recognised.

    Raises NotLive for a file that cannot be streamed.
    """
    whole = True
    stop = threading.Event()
    if options.source == "mic":
        rate, chunks = 16_000, microphone(stop)
    else:
        rate, messages = read_wav(Path(options.source))
        chunks = iter(messages) if options.fast else paced(messages, stop)

    def interrupted(*_: object) -> None:
        stop.set()  # the last final is still awaited
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupted)
    terminal = sys.stdout.isatty()
    for event in stream(
        chunks, url=options.url, language=options.language, hotwords=options.hotwords,
        final=options.final, words=_words(options), key=options.key, sample_rate=rate,
    ):  # fmt: skip
        show(event, as_json=options.json, terminal=terminal)
        whole = whole and event.get("code") != "transcription_failed"
    return whole


def _words(options: argparse.Namespace) -> str | None:
    """The words to ask for: none where nobody could see them, unless the user says otherwise."""
    if options.words is None and not options.json:
        return "none"
    return str(options.words) if options.words else None


def run_upload(options: argparse.Namespace) -> None:
    """Send the file whole, print its transcript."""
    answer = transcribe(
        options.source, url=options.url, language=options.language, hotwords=options.hotwords,
        final=options.final, key=options.key,
    )  # fmt: skip
    print(json.dumps(answer, ensure_ascii=False) if options.json else answer.get("text", ""))


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m stt_client",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="an audio file, or mic")
    parser.add_argument("--url", default=default_url(), help="the service (default: %(default)s)")
    parser.add_argument("--language", help="such as en; default: the service detects it")
    parser.add_argument("--hotwords", help="names and words to expect, such as 'Hark, Whisper'")
    parser.add_argument(
        "--final", choices=("consistent", "best"),
        help="best: decode once more at an utterance's end, slower and better",
    )  # fmt: skip
    parser.add_argument(
        "--words", choices=("final", "interim", "none"),
        help="which transcripts carry words with times (with --json; default: final)",
    )  # fmt: skip
    parser.add_argument("--key", help=f"API key (default: the variable {KEY_NAME})")
    parser.add_argument("--fast", action="store_true", help="stream faster than it was spoken")
    parser.add_argument("--file", action="store_true", help="upload the whole file")
    parser.add_argument("--json", action="store_true", help="print whole events")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 1 after a problem, which is told on standard error."""
    options = parse(arguments)
    try:
        if not options.file:
            try:
                return 0 if run_live(options) else 1
            except NotLive as why:
                print(f"{options.source}: {why}; sent as a whole file", file=sys.stderr)
        run_upload(options)
    except (ClientError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
