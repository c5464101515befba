"""What the person who started the service reads once it is ready: what runs, what to do next."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
SAMPLE = "tests/audio/en_hello.wav"


def announce(state: Mapping[str, object], host: str, port: int, *, keys: bool) -> None:
    """Print the start-up text to standard error, where gunicorn logs too."""
    text = startup_text(state, host, port, keys=keys)
    print(text, file=sys.stderr, flush=True)  # noqa: T201  it is a text


def startup_text(
    state: Mapping[str, object], host: str, port: int, *, keys: bool = False, folder: Path = HERE
) -> str:
    """The page's address, a curl line, the client line, the model and where it came from.

    The lines work as printed in the project's folder, with the sample there or a file of one's own;
    where ``keys`` are on, with one in place of YOUR_KEY, which a log must not show.
    """
    file = SAMPLE if (folder / SAMPLE).exists() else "speech.wav"
    reached = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    name = f"[{reached}]" if ":" in reached else reached
    url = f"http://{name}:{port}"
    header = " -H 'Authorization: Bearer YOUR_KEY'" if keys else ""
    option = " --key YOUR_KEY" if keys else ""
    origin = f" ({state['model_origin']})" if state.get("model_origin") else ""
    lines = [
        "",
        "Hark is ready.",
        f"  engine   {state['engine']}",
        f"  model    {state['model']}{origin}",
        f"  page     {url}/",
        f"  try      curl{header} -F file=@{file} {url}/transcribe",
        f"  client   .venv/bin/python -m stt_client --url {url}{option} {file}",
        "",
    ]
    if state.get("warning"):
        rule = "!" * 78
        lines += [rule, str(state["warning"]), rule, ""]
    return "\n".join(lines)
