"""The command line: ``python -m stt_wyoming``, then add it in Home Assistant (docs/operations.md).

    python -m stt_wyoming --uri tcp://0.0.0.0:10300 --url http://127.0.0.1:5055

The Wyoming protocol knows neither keys nor TLS: whoever reaches the port may transcribe. So it is
this machine's alone, unless ``--uri`` says otherwise (client WY6).
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from functools import partial

from stt_client.client import KEY_NAME, ClientError, default_url, endpoint

try:
    from wyoming.server import AsyncServer

    from stt_wyoming.about import Service, looked_up
    from stt_wyoming.server import Handler
except ModuleNotFoundError as error:
    if error.name != "wyoming":
        raise
    sys.exit("stt_wyoming: the package wyoming is missing: make wyoming installs it")

URI = "tcp://127.0.0.1:10300"


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. The exit status: 2 for a bad address, 1 where it is taken."""
    options = parse(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        endpoint(options.url, "/healthz", live=False, query={})
        server = server_at(options.uri)
    except (ClientError, ValueError) as error:
        return give_up(str(error), 2)
    service = Service(options.url, options.key, options.language)
    try:
        asyncio.run(serve(server, service, f"Wyoming on {options.uri}, for {options.url}"))
    except OSError as error:
        return give_up(f"{options.uri}: {error}", 1)
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m stt_wyoming", description="Hark as a speech-to-text of Home Assistant."
    )
    parser.add_argument("--uri", default=URI, help=f"where to listen; default: {URI}")
    parser.add_argument("--url", default=default_url(), help="the service; default: %(default)s")
    parser.add_argument("--key", help=f"its API key, if it asks for one; default: {KEY_NAME}")
    parser.add_argument("--language", help="such as en, where a client names none")
    parser.add_argument("--debug", action="store_true", help="say more in the log")
    return parser.parse_args(arguments)


def server_at(uri: str) -> AsyncServer:
    """A TCP or Unix server. Raises ValueError."""
    if not uri.startswith(("tcp://", "unix://")):
        raise ValueError(f"{uri!r} is no address such as {URI}")
    return AsyncServer.from_uri(uri)


async def serve(server: AsyncServer, service: Service, greeting: str) -> None:
    """Serve until a signal comes. Raises OSError when the address is taken."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start(partial(Handler, service=service))
    print(greeting, flush=True)
    check = asyncio.create_task(tell(service))
    await stop.wait()
    check.cancel()
    await server.stop()


async def tell(service: Service) -> None:
    """Say at once whether the service is there and takes the key; it may still come later."""
    print(await asyncio.to_thread(looked_up, service), flush=True)


def give_up(reason: str, status: int) -> int:
    """Tell whoever started it why it does not."""
    print(f"stt_wyoming: {reason}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
