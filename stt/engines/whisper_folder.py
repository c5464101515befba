"""What the files beside a model's weights say, checked before CTranslate2 believes them.

An alignment head that the model does not have ends the process inside CTranslate2 (a negative one)
or gives times that are none (one too many); mel bands other than the model's fail at the first
speech. Both are found here, when the model is loaded.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stt.errors import SettingError
from stt.events import SAMPLE_RATE
from stt.mel import FFT, STEP

BINARY_VERSION = 6  # of model.bin, ctranslate2/specs/model_spec.py; others may look otherwise
SHAPE = {"hop_length": STEP, "n_fft": FFT, "sampling_rate": SAMPLE_RATE}
"""Fields of preprocessor_config.json that every Whisper shares."""


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """How many layers a decoder has, and how many heads each."""

    layers: int
    heads: int


def stated_mels(folder: Path) -> int | None:
    """The mel bands that ``preprocessor_config.json`` names; None where it names none.

    Raises SettingError for a file of another kind of features.
    """
    file = folder / "preprocessor_config.json"
    config = _json_object(file)
    for name, needed in SHAPE.items():
        if config.get(name, needed) != needed:
            raise SettingError(f"STT_MODEL: {file}: {name} is {config[name]}, Whisper has {needed}")
    mels = config.get("feature_size")
    if mels is None:
        return None
    if not isinstance(mels, int) or isinstance(mels, bool) or mels < 1:
        raise SettingError(
            f"STT_MODEL: {file}: feature_size is {mels!r}, must be a number of bands"
        )
    return mels


def check_mels(folder: Path, of_model: int) -> None:
    """Compare the bands the folder names with those of its weights. Raises SettingError."""
    stated = stated_mels(folder)
    if stated not in (None, of_model):
        raise SettingError(
            f"STT_MODEL: {folder / 'preprocessor_config.json'}: feature_size is {stated}, but the "
            f"model in model.bin hears {of_model} mel bands; the two are not of one model"
        )


def has_alignment_heads(folder: Path) -> bool:
    """Whether ``config.json`` names the heads that word times are read from.

    Raises SettingError for heads that the model does not have.
    """
    file = folder / "config.json"
    heads = _json_object(file).get("alignment_heads")
    if heads in (None, []):
        return False
    shape = decoder_shape(folder / "model.bin")
    if not isinstance(heads, list):
        raise SettingError(f"STT_MODEL: {file}: alignment_heads must be a list")
    for pair in heads:
        if not isinstance(pair, list) or len(pair) != 2 or not all(map(_is_index, pair)):
            raise SettingError(
                f"STT_MODEL: {file}: alignment_heads has {pair!r}; each must be [layer, head]"
            )
        if shape and (pair[0] >= shape.layers or pair[1] >= shape.heads):
            raise SettingError(
                f"STT_MODEL: {file}: alignment_heads has {pair!r}, but the decoder has "
                f"{shape.layers} layers of {shape.heads} heads, counted from 0"
            )
    return True


def decoder_shape(file: Path) -> DecoderShape | None:
    """Read from the variables of a ``model.bin``; None where that is not of a kind we know."""
    layers, heads = 0, 0
    try:
        with file.open("rb") as weights:
            for name, value in _variables(weights):
                if found := re.match(r"decoder/layer_(\d+)/", name):
                    layers = max(layers, int(found[1]) + 1)
                elif name == "decoder/num_heads":
                    heads = int.from_bytes(value, "little")
    except (OSError, struct.error, UnicodeDecodeError):
        return None
    return DecoderShape(layers, heads) if layers and heads else None


def _variables(weights: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """Names of all variables, with the value of those that are one number; 2 ms for a file."""
    (version,) = _unpack(weights, "<I")
    if version != BINARY_VERSION:
        return
    _string(weights)
    _, count = _unpack(weights, "<II")
    for _ in range(count):
        name = _string(weights)
        (rank,) = _unpack(weights, "<B")
        weights.seek(4 * rank, 1)
        _, size = _unpack(weights, "<BI")
        if size <= 8:
            yield name, weights.read(size)
        else:
            yield name, b""
            weights.seek(size, 1)


def _unpack(weights: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, weights.read(struct.calcsize(form)))


def _string(weights: BinaryIO) -> str:
    """Two bytes of length, then the text, which ends with a zero byte."""
    (length,) = _unpack(weights, "<H")
    return weights.read(length).rstrip(b"\0").decode()


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _json_object(file: Path) -> dict[str, object]:
    """The object in a file; empty where there is no file."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingError(f"STT_MODEL: {file} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise SettingError(f"STT_MODEL: {file} must be a JSON object")
    return found
