"""The Python client of Hark: ``transcribe(path)`` for files, ``stream(chunks)`` for live speech."""

from stt_client.client import ClientError, stream, transcribe

__all__ = ["ClientError", "stream", "transcribe"]
