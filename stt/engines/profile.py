"""What is known of one model: how short its encoder input may be, and how much previous text helps.

A measured property (recognition REC-41 to REC-43, REC-47). It lies beside the weights as
``profile.json``; the calibrate command writes it, the engine reads it when it loads the model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stt.engines.encoder_context import FULL, GRID, MARGIN, MIN_FINAL, MIN_INTERIM, EncoderContext
from stt.errors import SettingError

FILE = "profile.json"  # in the model's folder
LEAST_MARGIN = 64  # feature frames, REC-40
CONTEXT_CLASSES = (0, 32, 64)  # tokens of previous text (REC-11)
TRANSLATES = "translates"
NUMBERS = ("min_frames_interim", "min_frames_final", "margin", "previous_tokens")


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """The numbers of a model; without a file, the safe ones of REC-43."""

    min_frames_interim: int = MIN_INTERIM
    """Feature frames the encoder gets at least; also the next."""
    min_frames_final: int = MIN_FINAL
    margin: int = MARGIN
    """Feature frames of padding behind the audio."""
    previous_tokens: int = 32
    """The most previous text this model gets: 0, 32 or 64 tokens."""
    notes: Mapping[str, object] = field(default_factory=dict)
    """How it was measured, in fields of the writer's choice that JSON knows."""
    translates: bool = True
    """Whether a model that has the mark for it was trained to translate; usually it was."""

    @property
    def context(self) -> EncoderContext:
        """The rule for encoder lengths that ``STT_ENCODER_CONTEXT=auto`` stands for."""
        return EncoderContext(self.min_frames_interim, self.min_frames_final, self.margin)

    @classmethod
    def of_model(cls, folder: Path, file: Path | None = None) -> ModelProfile:
        """The profile in ``file``, which must exist, or else the one in the model's folder, if any.

        Raises SettingError for a file that cannot be used.
        """
        if file is None:
            file = folder / FILE
            if not file.is_file():
                return cls()
        return cls.read(file)

    @classmethod
    def read(cls, file: Path) -> ModelProfile:
        """Read a profile. Raises SettingError, which names the file and the field."""
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(f"the model profile {file} cannot be read: {error}") from error
        if not isinstance(found, dict):
            raise SettingError(f"the model profile {file} must be a JSON object")
        numbers = {name: _number(found, name, file) for name in NUMBERS}
        translates = found.get(TRANSLATES, True)
        if not isinstance(translates, bool):
            raise SettingError(f"the model profile {file}: {TRANSLATES} must be true or false")
        notes = {name: value for name, value in found.items() if name not in (*NUMBERS, TRANSLATES)}
        return cls(**numbers, translates=translates, notes=notes)

    def write(self, file: Path) -> None:
        """Write the profile as JSON: the numbers, then the notes. Raises OSError."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        said: dict[str, object] = {} if self.translates else {TRANSLATES: False}
        text = json.dumps(numbers | said | dict(self.notes), indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


def _number(found: Mapping[str, object], name: str, file: Path) -> int:
    """One number of a profile, checked."""
    value = found.get(name)
    allowed = {
        "margin": range(LEAST_MARGIN, FULL + 1),
        "previous_tokens": CONTEXT_CLASSES,
    }.get(name, range(GRID[0], FULL + 1))
    if isinstance(value, int) and not isinstance(value, bool) and value in allowed:
        return value
    said = f"{name} is {json.dumps(value)}" if name in found else f"{name} is missing"
    choice = (
        f"a whole number from {allowed[0]} to {allowed[-1]}"
        if isinstance(allowed, range)
        else f"one of {', '.join(map(str, allowed))}"
    )
    raise SettingError(f"the model profile {file}: {said}; must be {choice}")
