"""What the settings mean for each part."""

from __future__ import annotations

import pytest

from stt_config import Settings
from stt_options import socket_options, speech_options


@pytest.mark.parametrize(("endpoint_ms", "ratio"), [(600, 1.0), (300, 0.5), (1200, 2.0)])
def test_the_times_of_endpoints_keep_their_ratio(endpoint_ms: int, ratio: float) -> None:
    """600 ms gives the table of REC-53; another silence scales all of it."""
    endpointing = speech_options(Settings(endpoint_ms=endpoint_ms)).endpointing

    assert endpointing.by_text
    assert [
        endpointing.silence_after_sentence,
        endpointing.silence,
        endpointing.silence_unfinished,
        endpointing.silence_without_text,
    ] == pytest.approx([0.35 * ratio, 0.6 * ratio, 1.0 * ratio, 2.4 * ratio])


def test_the_settings_of_recognition_reach_the_streams() -> None:
    """Commit rule, finals, window and endpoints by text are what the operator set."""
    speech = speech_options(
        Settings(commit="hybrid", final="best", window_s=4.0, endpoint_by_text=False)
    )

    assert (speech.policy.commit, speech.final, speech.policy.soft) == ("hybrid", "best", 4.0)
    assert not speech.endpointing.by_text


@pytest.mark.parametrize(("soft", "hard"), [(3.0, 15.0), (15.0, 15.0), (25.0, 25.0)])
def test_the_hard_bound_is_never_below_the_soft_one(soft: float, hard: float) -> None:
    """A window is cut before words are committed by age (REC-22, REC-23)."""
    assert speech_options(Settings(window_s=soft)).policy.hard == hard


def test_each_websocket_route_has_its_own_bounds() -> None:
    """Realtime's appends may be 20 MiB of base64, whatever the others are allowed (client RH7)."""
    sockets = socket_options(Settings(max_message_bytes=4096))

    assert sockets["/v1/realtime"].max_message_bytes > 20 * 2**20
    assert sockets["/stt/stream"].max_message_bytes == 4096
    assert sockets["/v1/listen"].subprotocols == ("token", "bearer")
