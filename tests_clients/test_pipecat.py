"""Speech to text of Pipecat, each service in a pipeline that has nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.frames.frames import (
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.workers.runner import WorkerRunner

from tests_clients.printed import defined
from tests_clients.service import KEY, Service
from tests_clients.sounds import HELLO_WORDS, RATE, SPOKEN, hello, paced, words

LIMIT = 30.0  # s; a deadline for what is waited for
STOP = 0.2  # s of silence after which Pipecat's voice detector tells the end
SAID = hello()[: 2 * round((SPOKEN + STOP) * RATE)]
"""The clip up to where that is told: before the server has seen an end of its own."""


class Sink(FrameProcessor):
    """The end of a pipeline: keeps its frames, and says when some have come."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.changed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep a frame and pass it on."""
        await super().process_frame(frame, direction)
        async with self.changed:
            self.frames.append(frame)
            self.changed.notify_all()
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        """The frames of a class."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def said(self) -> list[str]:
        """The words of all transcriptions."""
        return words(" ".join(frame.text for frame in self.of(TranscriptionFrame)))

    async def heard(self, expected: list[str]) -> None:
        """Until these words have come."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.said() == expected)


class Source(FrameProcessor):
    """The begin of a pipeline: keeps the errors that come up to it."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[ErrorFrame] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Keep an error and pass everything on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, ErrorFrame):
            self.errors.append(frame)
        await self.push_frame(frame, direction)


async def spoken(stt: Any, *, detect: bool = True) -> Sink:
    """The clip in real time; with ``detect`` its end is told as a voice detector would."""
    source, sink = Source(), Sink()
    worker = PipelineWorker(
        Pipeline([source, stt, sink]),
        params=PipelineParams(audio_in_sample_rate=RATE),
        cancel_on_idle_timeout=False,
    )
    started = asyncio.Event()

    @worker.event_handler("on_pipeline_started")
    async def _on_started(*_: Any) -> None:
        started.set()

    async def speak() -> None:
        await started.wait()
        if detect:
            await worker.queue_frame(VADUserStartedSpeakingFrame())
        async for piece in paced(SAID if detect else hello(after=3.0)):
            await worker.queue_frame(InputAudioRawFrame(piece, RATE, 1))
        if detect:
            await worker.queue_frame(VADUserStoppedSpeakingFrame())
        await sink.heard(HELLO_WORDS)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    try:
        await asyncio.wait_for(speak(), LIMIT)
    finally:
        await worker.queue_frame(EndFrame())
        await asyncio.wait_for(running, LIMIT)
    assert not source.errors, source.errors
    return sink


async def test_files(hark: Service) -> None:
    """A segment at a time: one transcription, which is the end of the turn."""
    sink = await spoken(defined("pipecat-openai", hark)["stt"])

    (frame,) = sink.of(TranscriptionFrame)
    assert words(frame.text) == HELLO_WORDS
    assert frame.finalized


async def test_live_with_the_pipelines_turns(hark: Service) -> None:
    """RQ5, RQ6: the default model commits; audio comes before the settings; words come once."""
    sink = await spoken(defined("pipecat-openai-realtime", hark)["stt"])

    assert sink.said() == HELLO_WORDS
    interims = "".join(frame.text for frame in sink.of(InterimTranscriptionFrame))
    assert words(interims) == HELLO_WORDS


async def test_live_with_the_servers_turns(hark: Service) -> None:
    """RO1: turns are proposed where the server hears them begin and end."""
    stt = OpenAIRealtimeSTTService(
        base_url=f"ws://{hark.host}/v1/realtime",
        api_key=KEY,
        turn_detection={"type": "server_vad"},
        settings=OpenAIRealtimeSTTService.Settings(model="gpt-transcribe"),
    )

    sink = await spoken(stt, detect=False)

    assert sink.said() == HELLO_WORDS
    assert len(sink.of(ProposedUserStartedSpeakingFrame)) == 2
    assert len(sink.of(ProposedUserStoppedSpeakingFrame)) == 2


async def test_live_through_deepgram(hark: Service) -> None:
    """DG15: interims, and a last transcription that the server's answer marks as final."""
    sink = await spoken(defined("pipecat-deepgram", hark)["stt"])

    assert sink.said() == HELLO_WORDS
    assert sink.of(InterimTranscriptionFrame)
    assert sink.of(TranscriptionFrame)[-1].finalized
