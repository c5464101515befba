"""docs/recognition.md says how recognition works; its numbers are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stt.engines.adaptive_context import CLEAN, LONGEST, MOST_RETRIES, WINDOWS
from stt.engines.encoder_context import GRID, MIN_FINAL, MIN_INTERIM
from stt.speech.endpointing import EndpointingOptions
from stt.speech.options import SpeechOptions
from stt.speech.policy import PolicyOptions
from stt.speech.text import LEAST_REPEATED, REPEATS
from stt.speech.vad import VadOptions

ROOT = Path(__file__).parent.parent
TEXT = " ".join((ROOT / "docs" / "recognition.md").read_text().split())
STREAM, POLICY, END, VAD = SpeechOptions(), PolicyOptions(), EndpointingOptions(), VadOptions()
NUMBERS = {3: "three", 4: "four", 8: "eight", 18: "18"}


@pytest.mark.parametrize(
    "sentence",
    [
        f"{STREAM.first_step:g} s after the onset, then every {STREAM.next_step:g} s until",
        f"(`STT_STEP_MS`, {STREAM.step:g} s)",
        f"| spec | at {END.spec:g} s of silence",
        f"| soft (`STT_WINDOW_S`) | {POLICY.soft:g} s of window",
        f"but for the last {POLICY.keep:g} s of them",
        f"| hard | {POLICY.hard:g} s of window",
        f"| cut | {END.cut_after:g} s of utterance |",
        f"it ends at the next dip of {1000 * END.dip:g} ms",
        f"| longest | {END.longest:g} s of utterance",
        f"in the quietest 100 ms of its last {END.cut_search:g} s",
        f"after {1000 * END.onset:g} ms of speech and takes {END.preroll:g} s of audio before it",
        f"after {END.silence:g} s of silence (`STT_ENDPOINT_MS`)",
        f"(mean probability above 0.6) | {END.silence_after_sentence:g} s |",
        f"| {END.silence_unfinished:.1f} s |",
        f"| there is none | {END.silence_without_text:g} s |",
        f"The grid has {len(GRID)} lengths",
        f"interims have at least {MIN_INTERIM / 100:g} s and finals {MIN_FINAL / 100:g} s",
        f"When 30 s helped more than {MOST_RETRIES} in {WINDOWS} of a kind",
        f"no more than {MOST_RETRIES * 100 // CLEAN} in 100 of {CLEAN}, it becomes",
        f"after twice as many windows, {LONGEST} at most",
        f"two frames of 32 ms in a row at a probability of {VAD.voice:g}",
        f"said {NUMBERS[REPEATS]} times or more in a row, in all {NUMBERS[LEAST_REPEATED]} words",
    ],
)
def test_the_page_has_the_numbers_of_the_code(sentence: str) -> None:
    """A default that changes changes the page that explains it."""
    assert sentence in TEXT


def test_the_files_named_are_there() -> None:
    """What the page sends its reader to exists."""
    names = re.findall(r"`((?:stt/[a-z_/]*)?[a-z_]+\.py)`", TEXT)

    assert len(names) > 12
    for name in names:
        places = (ROOT / name, ROOT / "stt" / "speech" / name)
        assert any(place.exists() for place in places), name
