"""A transcript as server-sent events, while it is made (client OS1-OS6)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from api.files.leaving import ClientGone
from stt.errors import STTError
from stt.events import Final
from stt.formats import error_object, openai_error, token_logprobs
from stt.replies import Joining

log = logging.getLogger("stt.files")

CONTENT_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""No proxy keeps or gathers what is sent (OS1)."""
KEEP_ALIVE = ": keep-alive\n\n"  # a comment: clients parse every data line as JSON (OS5)
DONE = "data: [DONE]\n\n"


def events(
    heard: Iterable[Final | None],
    *,
    logprobs: bool,
    keep_alive: float,
    clock: Callable[[], float],
) -> Iterator[str]:
    """The frames: a delta for each utterance, then the whole text, then the end.

    Args:
        heard: utterances as they come; None when it is time to look at the clock. What it raises
            becomes an event, and the end.
        logprobs: whether deltas and the text come with them.
        keep_alive: seconds without a frame after which a comment is sent; one is sent at once where
            there is no text yet, so that the client sees that it was let in.
        clock: monotonic seconds.
    """
    try:
        yield from _told(heard, logprobs, keep_alive, clock)
    except ClientGone:
        return
    except STTError as error:
        yield _frame(error_object(error))
    except Exception:
        log.exception("a stream of events failed")
        yield _frame(openai_error(500, "The server failed on this file.", "internal_error"))
    yield DONE


def _told(
    heard: Iterable[Final | None], logprobs: bool, keep_alive: float, clock: Callable[[], float]
) -> Iterator[str]:
    joining, text = Joining(), ""
    entries: list[dict[str, Any]] = []
    sent = clock() - keep_alive
    for final in heard:
        if final is not None and (piece := joining.piece(final)):
            text += piece
            new = token_logprobs(piece, final) if logprobs else []
            entries += new
            yield _frame({"type": "transcript.text.delta", "delta": piece} | _with(new))
        elif clock() - sent >= keep_alive:
            yield KEEP_ALIVE
        else:
            continue
        sent = clock()
    yield _frame({"type": "transcript.text.done", "text": text} | _with(entries))


def _with(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"logprobs": entries} if entries else {}


def _frame(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
