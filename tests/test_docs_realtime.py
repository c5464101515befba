"""docs/realtime.md against the code: its codes, its defaults, its limits."""

from __future__ import annotations

import re
from pathlib import Path

from api.realtime import USUAL_SECONDS
from dialects.realtime import LARGEST
from stt.auth import SECRET_SECONDS
from stt.errors import SessionExpired
from stt.protocols import realtime_errors
from stt.protocols.realtime_commands import SHORTEST_COMMIT
from stt.protocols.realtime_errors import EventError
from stt.protocols.realtime_session import (
    LONGEST_SILENCE,
    PCM_RATES,
    SHORTEST_SILENCE_MS,
    Config,
    ServerVad,
)

PAGE = (Path(__file__).parent.parent / "docs" / "realtime.md").read_text()


def test_every_error_of_the_codec_is_on_the_page() -> None:
    """With those that the session and the connection raise (client RE1 to RE8)."""
    own = {
        kind.code
        for kind in vars(realtime_errors).values()
        if isinstance(kind, type) and issubclass(kind, EventError)
    }

    assert len(own) == 7
    assert all(f"| `{code}` |" in PAGE for code in {*own, "invalid_state", SessionExpired.code})


def test_the_defaults_on_the_page_are_those_of_the_code() -> None:
    """What a session begins with (client RC8, RC9)."""
    config, turns = Config(), ServerVad()

    assert config.turn_detection == turns
    assert f"| `audio.input.format` | `audio/pcm`, {config.format.rate} |" in PAGE
    assert f"`... .silence_duration_ms` | {turns.silence_duration_ms} |" in PAGE
    assert f"`... .prefix_padding_ms` | {turns.prefix_padding_ms} |" in PAGE
    assert f"`... .threshold` | {turns.threshold} |" in PAGE
    assert f"at least {SHORTEST_SILENCE_MS} |" in PAGE


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    """Rates, silences, commits, messages, secrets (client RC8, RC10, RE1, RH7, CS1)."""
    [rates] = re.findall(r"a `rate` of ([\d, or]+);", PAGE)
    low, medium, high = (LONGEST_SILENCE[name] for name in ("low", "medium", "high"))

    assert tuple(map(int, re.findall(r"\d+", rates))) == PCM_RATES
    assert f"{low:g} s (`low`), {medium:g} s (`medium`, `auto`) or {high:g} s (`high`)" in PAGE
    assert f"less than {1000 * SHORTEST_COMMIT:.0f} ms" in PAGE
    assert f"above {LARGEST // 2**20} MiB" in PAGE
    assert SECRET_SECONDS == (10, 7200), "10 s to 2 h, says the page"
    assert f"({USUAL_SECONDS} s" in PAGE
