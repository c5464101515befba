"""What lies beside a model's weights (stt/engines/whisper_folder.py)."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.wer import manifest, utterances
from stt.engines.faster_whisper import FasterWhisperEngine
from stt.engines.models import ModelSource
from stt.engines.options import DEMO_MODEL, EngineOptions
from stt.engines.whisper_folder import (
    DecoderShape,
    check_mels,
    decoder_shape,
    has_alignment_heads,
    stated_mels,
)
from stt.errors import SettingError
from stt.events import Kind, Window

ROOT = Path(__file__).parents[1]


@pytest.fixture(name="copy")
def _copy(tmp_path):
    """The demo model's folder, the small files as copies that a test may change."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in DEMO_MODEL.iterdir():
        if file.suffix == ".bin" or file.name == "tokenizer.json":
            (folder / file.name).symlink_to(file)
        else:
            shutil.copy(file, folder)
    return folder


def change(file: Path, **fields) -> None:
    """Set fields of a JSON file; None takes one out."""
    found = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))


def load(folder: Path) -> FasterWhisperEngine:
    """The engine on a folder."""
    source = ModelSource(str(folder), "folder", name="copy")
    return FasterWhisperEngine(source, EngineOptions(device="cpu", calibrate=False))


def test_the_shape_of_a_decoder_is_read_from_its_weights():
    """Two layers of three heads, without loading the model."""
    assert decoder_shape(DEMO_MODEL / "model.bin") == DecoderShape(layers=2, heads=3)


@pytest.mark.parametrize(
    "content", [b"", b"no model", struct.pack("<I", 7), struct.pack("<IH", 6, 9) + b"Whisp"]
)
def test_weights_of_another_form_have_no_shape(tmp_path, content):
    """A broken file, or one of a later form, is left to CTranslate2."""
    file = tmp_path / "model.bin"
    file.write_bytes(content)

    assert decoder_shape(file) is None
    assert decoder_shape(tmp_path / "none.bin") is None


@pytest.mark.parametrize(
    ("heads", "complaint"),
    [
        ([[2, 0]], r"has \[2, 0\], but the decoder has 2 layers of 3 heads"),
        ([[1, 0], [1, 3]], r"has \[1, 3\], but the decoder has 2 layers of 3 heads"),
        ([[-1, 0]], r"has \[-1, 0\]; each must be \[layer, head\]"),
        ([[1]], r"has \[1\]; each"),
        ([[0.5, 1]], r"has \[0\.5, 1\]; each"),
        ([[True, 1]], r"has \[True, 1\]; each"),
        ([1, 0], r"has 1; each"),
        ("all", "must be a list"),
    ],
)
def test_alignment_heads_the_model_lacks_stop_the_start(copy, heads, complaint):
    """Wrong heads are named with their file before CTranslate2 follows them."""
    change(copy / "config.json", alignment_heads=heads)

    with pytest.raises(SettingError, match=rf"config\.json: alignment_heads {complaint}"):
        has_alignment_heads(copy)


@pytest.mark.parametrize("heads", [[[-1, 0]], [[1, 10_000_000]], [[70, 0]]])
def test_wrong_alignment_heads_never_end_the_process(copy, heads):
    """A head that does not exist makes CTranslate2 crash; the engine refuses it instead."""
    change(copy / "config.json", alignment_heads=heads)
    code = (
        "import sys; from tests.test_whisper_folder import Path, SettingError, load\n"
        "try: load(Path(sys.argv[1]))\n"
        "except SettingError as error: print(error)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code, str(copy)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert "alignment_heads has" in ended.stdout


@pytest.mark.parametrize("heads", [None, []])
def test_model_without_alignment_heads_writes_words_without_times(copy, heads, caplog):
    """An older conversion names no heads: it serves, and says once that times are missing."""
    change(copy / "config.json", alignment_heads=heads)
    file = next(file for file in manifest() if file["file"] == "en_short_02.flac")
    samples = next(utterances(file))[1]

    engine = load(copy)
    (answer,) = engine.transcribe([Window(samples, Kind.FINAL, language="en", word_times=True)])
    engine.close()

    assert answer.text == "How many months are beside the garden?"
    assert "".join(word.text for word in answer.words) == answer.text
    assert {word.start for word in answer.words} == {None}
    assert caplog.text.count("names no alignment_heads") == 1


def test_mel_bands_are_those_of_the_model(copy):
    """``preprocessor_config.json`` may say nothing; then the weights do."""
    assert stated_mels(copy) == 80
    check_mels(copy, 80)

    (copy / "preprocessor_config.json").unlink()
    assert stated_mels(copy) is None

    engine = load(copy)
    assert engine.n_mels == 80
    assert engine.transcribe([Window(np.zeros(16_000, np.float32), Kind.FINAL, language="en")])
    engine.close()


def test_mel_bands_of_another_model_stop_the_start(copy):
    """128 bands for a model of 80: the sentence names the file and both numbers."""
    change(copy / "preprocessor_config.json", feature_size=128)

    with pytest.raises(SettingError, match=r"feature_size is 128, but .* hears 80 mel bands"):
        load(copy)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"feature_size": 0}, "feature_size is 0, must be a number of bands"),
        ({"feature_size": "80"}, "feature_size is '80', must be"),
        ({"feature_size": True}, "feature_size is True, must be"),
        ({"hop_length": 256}, "hop_length is 256, Whisper has 160"),
        ({"sampling_rate": 8000}, "sampling_rate is 8000, Whisper has 16000"),
        ({"n_fft": 512}, "n_fft is 512, Whisper has 400"),
    ],
)
def test_features_of_another_kind_stop_the_start(copy, fields, complaint):
    """A folder that wants other features than Whisper's is not believed."""
    change(copy / "preprocessor_config.json", **fields)

    with pytest.raises(SettingError, match=complaint):
        load(copy)


@pytest.mark.parametrize("text", ["{", "[]"])
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_broken_file_is_named(copy, name, text):
    """A file that is no JSON object stops the start."""
    (copy / name).write_text(text)

    with pytest.raises(SettingError, match=rf"STT_MODEL: .*{name}"):
        load(copy)
