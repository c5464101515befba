"""Which model is served (stt/engines/models.py, users U10)."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import huggingface_hub
import pytest

from stt.engines.models import HuggingFaceHub, Reply, find_model
from stt.errors import SettingError

BASE = "Systran/faster-whisper-base"


class FakeHub:
    """A hub with a given cache, answer and download."""

    def __init__(
        self, *, cached: Path | None = None, reply: Reply = "silent", download: Path | None = None
    ) -> None:
        self.cache = cached
        self.reply = reply
        self.folder = download
        self.asked: list[tuple[str, float]] = []

    def cached(self, repository: str) -> Path | None:
        return self.cache

    def asks(self, repository: str, timeout: float) -> Reply:
        self.asked.append((repository, timeout))
        return self.reply

    def download(self, repository: str) -> Path:
        if self.folder is None:
            raise OSError("connection reset")
        return self.folder


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """A folder that looks like a model."""
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "model.bin").touch()
    return folder


@pytest.fixture(name="demo")
def _demo(tmp_path):
    """A folder that looks like the demo model."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "model.bin").touch()
    return folder


@pytest.mark.parametrize("setting", [None, "", "auto"])
def test_unset_takes_the_cached_base(setting, demo, folder):
    """Without a setting the cached ``base`` is served and the network is left alone."""
    hub = FakeHub(cached=folder)

    source = find_model(setting, demo=demo, hub=hub)

    assert (source.path_or_name, source.origin, source.name) == (str(folder), "cache", "base")
    assert source.warning is None
    assert hub.asked == []


def test_unset_downloads_base_when_the_hub_answers(demo, folder):
    """Without a setting and a cache, a hub that answers gives ``base``."""
    hub = FakeHub(reply="yes", download=folder)

    source = find_model(None, demo=demo, hub_timeout=1.5, hub=hub)

    assert (source.path_or_name, source.origin, source.name) == (str(folder), "hub", "base")
    assert hub.asked == [(BASE, 1.5)]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("silent", "cannot be reached"),
        ("offline", "HF_HUB_OFFLINE"),
        ("yes", "connection reset"),
    ],
)
def test_unset_falls_back_to_the_demo_model_with_a_warning(reply, reason, demo):
    """Without a hub, or when the download breaks, the demo model is served and says so."""
    source = find_model(None, demo=demo, hub=FakeHub(reply=reply))

    assert (source.path_or_name, source.origin, source.name) == (str(demo), "demo", "demo")
    assert "synthetic voices" in source.warning
    assert "STT_MODEL" in source.warning
    assert reason in source.warning


def test_unset_without_any_model_stops_the_start(tmp_path):
    """No hub and no demo model: the start stops."""
    with pytest.raises(SettingError, match="no demo model"):
        find_model(None, demo=tmp_path, hub=FakeHub())


def test_folder_means_exactly_that(demo, folder):
    """A folder with a model is served as it is."""
    source = find_model(str(folder), demo=demo, hub=FakeHub())

    assert (source.path_or_name, source.origin, source.name) == (str(folder), "folder", "my-model")


@pytest.mark.parametrize("setting", ["nonsense", "/no/such/folder", "../x", "a/b/c"])
def test_unknown_setting_is_refused_with_what_is_allowed(setting, demo):
    """What is no folder and no name is a SettingError with the variable, the value, the choices."""
    hub = FakeHub(reply="yes")

    with pytest.raises(SettingError) as refused:
        find_model(setting, demo=demo, hub=hub)

    assert f"STT_MODEL={setting}:" in str(refused.value)
    assert "a folder with model.bin" in str(refused.value)
    assert "large-v3-turbo" in str(refused.value)
    assert hub.asked == []


def test_folder_without_weights_is_refused(tmp_path, demo):
    """A folder without model.bin is a SettingError, not a download."""
    with pytest.raises(SettingError, match=r"STT_MODEL=.*has no model\.bin"):
        find_model(str(tmp_path), demo=demo, hub=FakeHub(reply="yes"))


@pytest.mark.parametrize("setting", ["small", "owner/model"])
def test_name_is_taken_from_the_cache_or_the_hub(setting, demo, folder):
    """A name is looked for in the cache first, then on the hub."""
    cached = find_model(setting, demo=demo, hub=FakeHub(cached=folder))
    fetched = find_model(setting, demo=demo, hub=FakeHub(reply="yes", download=folder))

    assert (cached.origin, cached.name) == ("cache", setting)
    assert (fetched.origin, fetched.name) == ("hub", setting)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("silent", "cannot be reached"),
        ("offline", "HF_HUB_OFFLINE"),
        ("unknown", "does not know it"),
        ("yes", "broke off: connection reset"),
    ],
)
def test_name_that_cannot_be_had_never_becomes_the_demo_model(reply, reason, demo):
    """A named model that is not to be had stops the start and says why (U10)."""
    with pytest.raises(SettingError, match=reason) as refused:
        find_model("small", demo=demo, hub=FakeHub(reply=reply))

    assert "STT_MODEL=small:" in str(refused.value)


def test_download_without_weights_is_refused(tmp_path, demo):
    """A repository of another kind of model is refused by name."""
    with pytest.raises(SettingError, match="no CTranslate2 model"):
        find_model("owner/other", demo=demo, hub=FakeHub(reply="yes", download=tmp_path))


def test_real_cache_must_hold_the_weights(tmp_path, monkeypatch):
    """A cache folder that a broken download left behind does not count."""
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert HuggingFaceHub().cached(BASE) is None

    (tmp_path / "model.bin").touch()
    assert HuggingFaceHub().cached(BASE) == tmp_path


def test_real_hub_says_nothing_is_cached(tmp_path, monkeypatch):
    """An empty cache is no error and asks no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    assert HuggingFaceHub().cached("nobody/no-such-model-here") is None


def test_real_hub_respects_offline(monkeypatch):
    """HF_HUB_OFFLINE forbids the question."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    assert HuggingFaceHub().asks(BASE, 1.0) == "offline"


def test_real_hub_that_never_answers_is_given_up_in_time(monkeypatch):
    """A hub that accepts and stays silent costs no more than the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(
            huggingface_hub, "HfApi", lambda: huggingface_hub.hf_api.HfApi(endpoint=address)
        )
        began = time.monotonic()

        assert HuggingFaceHub().asks(BASE, 0.3) == "silent"
        assert time.monotonic() - began < 2.0
