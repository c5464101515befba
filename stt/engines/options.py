"""What can be set about an engine. Data and checks only: no model is looked for here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stt.engines.encoder_context import EncoderContext
from stt.errors import SettingError

DEVICES = ("auto", "cpu", "cuda")
DEMO_MODEL = Path(__file__).resolve().parents[2] / "models" / "demo"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How to build an engine; a bad value raises SettingError, which names its variable."""

    model: str | None = None
    """``STT_MODEL``: a folder, a model name, or None: choose (``stt.engines.models``)."""
    device: str = "auto"
    """``STT_DEVICE``: auto, cpu or cuda."""
    compute_type: str = "auto"
    """``STT_COMPUTE_TYPE``: auto is int8 on a CPU and float16 on a GPU (recognition API-12)."""
    num_workers: int = 1
    """Model calls that run at the same time, each on one core (recognition REC-75)."""
    encoder_context: str = "auto"
    """``STT_ENCODER_CONTEXT``: auto, full, seconds, or seconds by kind (REC-40, REC-46)."""
    profile: Path | None = None
    """The model's profile; None: ``profile.json`` in its folder, if there is one (REC-41)."""
    calibrate: bool = True
    """Whether to measure what the model's calls cost here, which takes about 1 s (REC-67)."""
    demo: Path = DEMO_MODEL
    """The folder of the bundled model."""
    fake_delay: float = 0.0
    """Seconds every call of the fake engine takes."""

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise SettingError(f"STT_DEVICE={self.device}: must be one of {', '.join(DEVICES)}")
        if self.num_workers < 1:
            raise SettingError(f"STT_NUM_WORKERS={self.num_workers}: must be 1 or more")
        EncoderContext.parse(self.encoder_context)
