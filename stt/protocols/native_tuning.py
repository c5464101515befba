"""What a native client may say of how it is heard and written, and what of it is served (S1).

The names are those that clients of other services bring. A bad value is refused by name, and so is
a wish that the model cannot fulfil: better than text that is not what was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stt.errors import BadInput
from stt.ids import as_hint, checked_id, fitting, shortened

SILENCE = (0.1, 5.0)  # s
MAX_KEYWORDS = 100
MAX_KEYWORD = 20  # characters
BOOST = (-5.0, 5.0)
DOMAINS = ("CALL", "MEETING")
"""Kinds of speech; the one model hears both."""
DONE = {"use_punctuation": True, "use_itn": True, "use_disfluency_filter": False,
        "use_profanity_filter": False}  # fmt: skip
"""What is always done, or never: the model writes as it learnt to."""
SWITCH = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True, slots=True)
class Tuning:
    """A checked choice."""

    silence: float | None = None
    """s of silence that end an utterance, whatever its text; None: the service's."""
    keywords: str = ""
    """A hint for the model."""


def read_tuning(query: Mapping[str, str]) -> Tuning:
    """The choices in a query. Raises BadInput, naming the parameter."""
    for name, done in DONE.items():
        _fixed(query.get(name), name, done=done)
    for name in ("noise_threshold", "active_threshold"):  # no effect: the gate follows the noise
        _number(query.get(name), name, (0.0, 1.0))
    if (model := query.get("model")) is not None:
        checked_id(model, "model")  # whatever its name, the one that is served
    domain = query.get("domain")
    if domain is not None and domain not in DOMAINS:
        raise BadInput(f"domain must be {' or '.join(DOMAINS)}, got {shortened(domain)}")
    return Tuning(
        silence=_number(query.get("epd_time"), "epd_time", SILENCE),
        keywords=_keywords(query.get("keywords")),
    )


def _fixed(value: str | None, name: str, *, done: bool) -> None:
    if value is None:
        return
    wanted = SWITCH.get(value.lower())
    if wanted is None:
        raise BadInput(f"{name} must be 0 or 1, got {shortened(value)}")
    if wanted is not done:
        raise BadInput(f"{name}={shortened(value)} is not served: leave it out")


def _number(value: str | None, name: str, bounds: tuple[float, float]) -> float | None:
    """A plain decimal number within bounds."""
    if value is None:
        return None
    plain = re.fullmatch(r"-?[0-9]{1,3}(\.[0-9]{1,6})?", value)
    if plain is None or not bounds[0] <= float(value) <= bounds[1]:
        raise BadInput(f"{name} must be {bounds[0]:g} to {bounds[1]:g}, got {shortened(value)}")
    return float(value)


def _keywords(value: str | None) -> str:
    """`word` or `word:boost`, with commas between; as many, from the first on, as a hint holds.

    The model knows no boost; a word that is to be heard less is left out.
    """
    entries = [] if value is None else value.split(",")
    if len(entries) > MAX_KEYWORDS:
        raise BadInput(f"keywords may be {MAX_KEYWORDS}, got {len(entries)}")
    words = []
    for entry in entries:
        word, _, boost = (part.strip() for part in entry.partition(":"))
        if not 0 < len(word) <= MAX_KEYWORD or not word.isprintable():
            raise BadInput(f"keywords have 1 to {MAX_KEYWORD} characters, got {shortened(word)}")
        wanted = (_number(boost, "the boost in keywords", BOOST) if ":" in entry else None) or 0.0
        if wanted >= 0:
            words.append(word)
    return as_hint(fitting(words))
