"""Which model is served, and where it came from. Finds and downloads; never loads a model.

The rules (users U10): a setting means exactly that model or the start stops; without a setting the
hub's ``base`` is tried for a few seconds, and the bundled demo model is the last resort.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import huggingface_hub
from faster_whisper.utils import _MODELS as HUB_NAMES
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from huggingface_hub.errors import RepositoryNotFoundError as UnknownRepository

from stt.errors import SettingError

log = logging.getLogger("stt.engines")

Origin: TypeAlias = Literal["folder", "cache", "hub", "demo"]
Reply: TypeAlias = Literal["yes", "unknown", "offline", "silent"]
"""What the hub says about a model: it has it; it does not; it may not, or cannot, be asked."""

DEFAULT_MODEL = "base"
WEIGHTS = "model.bin"
FILES = ["config.json", "preprocessor_config.json", WEIGHTS, "tokenizer.json", "vocabulary.*"]
DEMO_WARNING = (
    "THE DEMO MODEL IS RUNNING: it understands only synthetic voices saying about a thousand words "
    "and writes wrong words for real speech. No better model: {reason} For real use connect "
    "this machine to the hub once, or set STT_MODEL to the folder of a CTranslate2 Whisper model."
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that can be loaded."""

    path_or_name: str
    """Its folder."""
    origin: Origin
    warning: str | None = None
    """What the operator must not overlook."""
    name: str = ""
    """For people: ``base``, ``owner/name``, the folder's name, ``demo``."""


class Hub(Protocol):
    """The model hub, as far as we need it."""

    def cached(self, repository: str) -> Path | None:
        """The folder of a complete local copy. Asks no network."""

    def asks(self, repository: str, timeout: float) -> Reply:
        """Whether the hub has the model; returns within ``timeout`` seconds."""

    def download(self, repository: str) -> Path:
        """Fetch the model, however long it takes. Raises OSError or the hub's errors."""


class HuggingFaceHub:
    """The real hub; its library's own settings (HF_HUB_OFFLINE, HF_HOME) hold."""

    def cached(self, repository: str) -> Path | None:
        """The folder of a complete local copy, or None."""
        try:
            folder = Path(
                huggingface_hub.snapshot_download(
                    repository, local_files_only=True, allow_patterns=FILES
                )
            )
        except (LocalEntryNotFoundError, HFValidationError):
            return None
        return folder if (folder / WEIGHTS).is_file() else None

    def asks(self, repository: str, timeout: float) -> Reply:
        """Ask in a thread of our own: a name server can hang longer than any socket timeout."""
        if huggingface_hub.constants.HF_HUB_OFFLINE:
            return "offline"
        replies: list[Reply] = []

        def ask() -> None:
            try:
                huggingface_hub.HfApi().model_info(repository, timeout=timeout)
                replies.append("yes")
            except (UnknownRepository, HFValidationError):
                replies.append("unknown")
            except Exception as error:  # the library lets through those of its HTTP client
                log.debug("the hub did not answer: %s", error)
                replies.append("silent")

        thread = threading.Thread(target=ask, name="hub-question", daemon=True)
        thread.start()
        thread.join(timeout)
        return replies[0] if replies else "silent"

    def download(self, repository: str) -> Path:
        """Fetch the model; progress bars go to stderr."""
        return Path(huggingface_hub.snapshot_download(repository, allow_patterns=FILES))


def find_model(
    setting: str | None, *, demo: Path, hub_timeout: float = 3.0, hub: Hub | None = None
) -> ModelSource:
    """The model to serve.

    Args:
        setting: ``STT_MODEL``: a folder, a model name; None, empty or ``auto`` to choose.
        demo: Folder of the bundled model.
        hub_timeout: Seconds the hub has to answer at all; a download then takes its time.
        hub: Stands in for the real hub in tests.

    Raises:
        SettingError: the setting names no model we can get.
    """
    hub = hub or HuggingFaceHub()
    if setting is None or setting.strip() in ("", "auto"):
        return _choose(demo, hub_timeout, hub)
    folder = Path(setting).expanduser()
    if folder.is_dir():
        if not (folder / WEIGHTS).is_file():
            raise SettingError(_refusal(setting, f"this folder has no {WEIGHTS}"))
        return ModelSource(str(folder), "folder", name=folder.resolve().name)
    repository = HUB_NAMES.get(setting, setting)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repository):
        raise SettingError(_refusal(setting, "no such folder and no known name"))
    return _named(setting, repository, hub_timeout, hub)


def _choose(demo: Path, hub_timeout: float, hub: Hub) -> ModelSource:
    """The hub's ``base`` if it can be had, else the demo model and its warning."""
    repository = HUB_NAMES[DEFAULT_MODEL]
    if cached := hub.cached(repository):
        return ModelSource(str(cached), "cache", name=DEFAULT_MODEL)
    reply = hub.asks(repository, hub_timeout)
    reason = _why_not(reply, hub_timeout)
    if reply == "yes":
        try:
            return _download(DEFAULT_MODEL, repository, hub)
        except Exception as error:  # whatever broke it, there is a model to start with
            reason = f"the download broke off ({error})."
    if not (demo / WEIGHTS).is_file():
        raise SettingError(_refusal("auto", f"{reason} and there is no demo model in {demo}"))
    return ModelSource(str(demo), "demo", DEMO_WARNING.format(reason=reason), name="demo")


def _named(setting: str, repository: str, hub_timeout: float, hub: Hub) -> ModelSource:
    """Exactly the model that was named, or SettingError."""
    if cached := hub.cached(repository):
        return ModelSource(str(cached), "cache", name=setting)
    reply = hub.asks(repository, hub_timeout)
    if reply != "yes":
        raise SettingError(_refusal(setting, _why_not(reply, hub_timeout)))
    try:
        source = _download(setting, repository, hub)
    except Exception as error:
        raise SettingError(_refusal(setting, f"the download broke off: {error}")) from error
    if not (Path(source.path_or_name) / WEIGHTS).is_file():
        raise SettingError(_refusal(setting, f"it has no {WEIGHTS}: no CTranslate2 model"))
    return source


def _download(name: str, repository: str, hub: Hub) -> ModelSource:
    log.info("downloading the model %s; this happens once", name)
    return ModelSource(str(hub.download(repository)), "hub", name=name)


def _why_not(reply: Reply, hub_timeout: float) -> str:
    match reply:
        case "offline":
            return "it is not in the cache and HF_HUB_OFFLINE forbids to ask the hub."
        case "silent":
            return (
                f"it is not in the cache and the hub cannot be reached (within {hub_timeout:g} s)."
            )
        case "unknown":
            return "the hub does not know it, or does not show it without a login."
        case "yes":
            return ""


def _refusal(setting: str, reason: str) -> str:
    allowed = f"a folder with {WEIGHTS}, an owner/name on the hub, or {', '.join(HUB_NAMES)}"
    return f"STT_MODEL={setting}: {reason.rstrip('.')}. Allowed: {allowed}; unset: choose one"
