"""What Home Assistant is told of the service: its model and languages (client WY1)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from wyoming.info import AsrModel, AsrProgram, Attribution, Info

from stt_client.client import KEY_NAME, ClientError, credentials, endpoint
from stt_wyoming import __version__

PATIENCE = 5.0  # s for the service's answer; Home Assistant itself waits no longer

KEYED = "/v1/models"  # asks for a key where any is set, and costs nothing
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True)
class Service:
    """The running service, and what is asked of it."""

    url: str
    key: str | None = None
    language: str | None = None
    """Where the client names none; None: the service's own choice."""


def describe(service: Service) -> Info:
    """Ask the service who it is. Takes up to PATIENCE; raises ClientError, with a sentence."""
    address = endpoint(service.url, "/healthz", live=False, query={})
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            state = json.load(answer)
    except (OSError, ValueError) as error:
        raise ClientError(f"no answer from {address}: {error}") from error
    if not isinstance(state, dict) or not state.get("model"):
        raise ClientError(f"{address} names no model yet")
    return info_of(state, address)


def looked_up(service: Service) -> str:
    """What comes of asking the service, for whoever starts this program. Takes up to 2 PATIENCE.

    Also whether it takes the key, which `/healthz` asks nobody for.
    """
    try:
        model = describe(service).asr[0].models[0].name
    except ClientError as error:
        return f"{error}; waiting for it"
    address = endpoint(service.url, KEYED, live=False, query={})
    try:
        asked = urllib.request.Request(address, headers=credentials(service.key))
        with urllib.request.urlopen(asked, timeout=PATIENCE):
            return f"{model} answers"
    except urllib.error.HTTPError as error:
        with error:
            if error.code != UNAUTHORIZED:
                return f"{model} answers, and {error.code} to {address}"
        wrong = "refuses the key" if credentials(service.key) else "asks for a key"
        return f"{model} answers, but the service {wrong}: --key, or {KEY_NAME}"
    except OSError as error:
        return f"no answer from {address}: {error}; waiting for it"


def info_of(state: dict[str, Any], address: str) -> Info:
    """The answer to `describe`, from what `/healthz` says."""
    maker = Attribution(name="Hark", url=address.removesuffix("/healthz"))
    model = AsrModel(
        name=str(state["model"]),
        attribution=maker,
        installed=True,
        description=f"{state['model']} on {state.get('engine')}",
        version=None,
        languages=[str(code) for code in state.get("languages") or ()],
    )
    program = AsrProgram(
        name="hark",
        attribution=maker,
        installed=True,
        description="Hark: live speech to text",
        version=__version__,
        models=[model],
        supports_transcript_streaming=True,
    )
    return Info(asr=[program])
