"""A client that leaves while its file is recognised: nobody else would stop the work.

The server notices a closed connection only when it writes, and an answer that does not stream is
written once, at the end.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class ClientGone(Exception):
    """The client has closed its connection; nobody reads an answer."""


def presence(environ: Mapping[str, Any]) -> Callable[[], bool]:
    """Asks whether the client of a request is still there; always, where the server cannot tell.

    Whoever has ended its sending is taken to have left: no client of HTTP does that and waits.
    """
    sock = environ.get("gunicorn.socket")
    return (lambda: True) if sock is None else lambda: _is_open(sock)


def _is_open(sock: socket.socket) -> bool:
    try:
        poll = select.poll()
        poll.register(sock.fileno(), select.POLLIN)
        return not poll.poll(0) or sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except (OSError, ValueError):  # reset, or closed on our side
        return False


def while_present(things: Iterable[T], is_present: Callable[[], bool]) -> Iterator[T]:
    """The things, as long as the client is there: asked after each. Raises ClientGone."""
    for thing in things:
        if not is_present():
            raise ClientGone
        yield thing
