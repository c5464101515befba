"""Whether the client of a request is still there, asked of a real socket."""

from __future__ import annotations

import socket
import struct

import pytest

from api.files.leaving import ClientGone, presence, while_present
from tests.sockets import until


def pair() -> tuple[socket.socket, socket.socket]:
    """A connection over TCP: the server's end, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        return server, client


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_a_client_that_waits_is_there(timeout: float | None) -> None:
    """Nothing is read, and nothing is waited for, whatever the socket's timeout is."""
    server, client = pair()
    with server, client:
        server.settimeout(timeout)
        is_present = presence({"gunicorn.socket": server})

        assert is_present()
        client.sendall(b"the next request")
        assert is_present()
        assert server.recv(100) == b"the next request"


@pytest.mark.parametrize("reset", [False, True])
def test_a_client_that_closed_has_left(reset: bool) -> None:
    """S12: a close or a reset is noticed without writing."""
    server, client = pair()
    with server:
        is_present = presence({"gunicorn.socket": server})
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

        assert until(lambda: not is_present())


def test_a_socket_closed_on_our_side_is_no_client() -> None:
    """A deadline may have shut it."""
    server, client = pair()
    is_present = presence({"gunicorn.socket": server})
    server.close()
    client.close()

    assert not is_present()


def test_where_the_server_cannot_tell_the_client_is_there() -> None:
    """Other servers than gunicorn name no socket."""
    assert presence({})()


def test_work_ends_with_the_client() -> None:
    """S12: asked after each piece of it."""
    there = [True, True, False]
    work = while_present(iter("abcd"), lambda: there.pop(0))

    assert [next(work), next(work)] == ["a", "b"]
    with pytest.raises(ClientGone):
        next(work)
