"""Loads a Whisper model on the device and with the number format that were asked for.

Everything that can be wrong with a device is found here, at the start, by decoding a second of
silence: never at the first speech.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel

from stt.engines.options import EngineOptions
from stt.engines.whisper_folder import check_mels, has_alignment_heads, stated_mels
from stt.errors import SettingError

log = logging.getLogger("stt.engines")

DEFAULT_TYPES = {"cpu": ("int8", "float32"), "cuda": ("float16", "int8", "float32")}
"""By preference (API-12); an old GPU has no fast float16."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model that has decoded, and what it runs on."""

    whisper: WhisperModel
    device: str
    compute_type: str
    word_times: bool = True
    """Whether the model can say when its words were spoken."""


def load(folder: str, options: EngineOptions) -> Loaded:
    """Load the model in ``folder``; ``auto`` falls back from a broken GPU to the CPU.

    Raises SettingError, which names STT_DEVICE, STT_COMPUTE_TYPE or STT_MODEL.
    """
    stated_mels(Path(folder))
    aligns = has_alignment_heads(Path(folder))
    loaded = _on_some_device(folder, options)
    check_mels(Path(folder), loaded.whisper.model.n_mels)
    if not aligns:
        log.warning(
            "the model in %s names no alignment_heads in its config.json: words have no times",
            folder,
        )
    return replace(loaded, word_times=aligns)


def _on_some_device(folder: str, options: EngineOptions) -> Loaded:
    gpus = ctranslate2.get_cuda_device_count()
    if options.device == "cuda":
        if not gpus:
            raise SettingError("STT_DEVICE=cuda: no usable NVIDIA GPU here. Allowed: auto, cpu")
        return _on_cuda(folder, options)
    if options.device == "auto" and gpus:
        try:
            return _on_cuda(folder, options)
        except SettingError as error:
            log.warning("the GPU cannot be used, the CPU serves instead: %s", error)
    return _on_cpu(folder, options)


def _on_cuda(folder: str, options: EngineOptions) -> Loaded:
    try:
        return _load(folder, "cuda", options)
    except (RuntimeError, ValueError, OSError) as error:
        raise SettingError(
            f"STT_DEVICE={options.device}: the GPU does not compute: {error}. "
            "Missing is the library it names, or the memory; allowed without: cpu"
        ) from error


def _on_cpu(folder: str, options: EngineOptions) -> Loaded:
    try:
        return _load(folder, "cpu", options)
    except SettingError:
        raise
    except Exception as error:  # a broken tokenizer raises a bare Exception
        raise SettingError(f"STT_MODEL: the model in {folder} cannot be loaded: {error}") from error


def _load(folder: str, device: str, options: EngineOptions) -> Loaded:
    compute_type = choose_compute_type(device, options.compute_type)
    whisper = WhisperModel(
        folder,
        device=device,
        compute_type=compute_type,
        cpu_threads=1,
        num_workers=options.num_workers,
    )
    # or else "<|en|>" in a client's prompt would be the mark and not six characters
    whisper.hf_tokenizer.encode_special_tokens = True
    _warm_up(whisper)
    return Loaded(whisper, device, compute_type)


def choose_compute_type(device: str, setting: str) -> str:
    """The number format for a device, as CTranslate2 calls it.

    Raises SettingError where the device does not have the one that was asked for.
    """
    supported = ctranslate2.get_supported_compute_types(device)
    if setting in ("", "auto", "default"):
        return next((name for name in DEFAULT_TYPES[device] if name in supported), "default")
    if setting not in supported:
        raise SettingError(
            f"STT_COMPUTE_TYPE={setting}: not possible on this {device}; "
            f"allowed: auto, {', '.join(sorted(supported))}"
        )
    return setting


def _warm_up(whisper: WhisperModel) -> None:
    """One token from 1 s of silence: loads every library that speech will need."""
    silence = np.zeros((1, whisper.model.n_mels, 100), np.float32)
    start = whisper.hf_tokenizer.token_to_id("<|startoftranscript|>")
    encoded = whisper.model.encode(ctranslate2.StorageView.from_array(silence))
    whisper.model.generate(encoded, [[start]], beam_size=1, max_length=2)
