"""The fault matrix, as far as it is the transport's: after each fault the service still serves."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
from sockets import BINARY, CLOSE, PING, PONG, TEXT, Frames, Served, frame, served, until

PROMPT = 3.0  # s for a ping beside a fault; required are 0.25 s, on a machine of its own
MB = 1_000_000
CONTINUATION = 0


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[Served]:
    with served(SOCKET_APP_SESSIONS="40") as server:
        yield server


@contextmanager
def _neighbour(server: Served) -> Iterator[list[float]]:
    """Another session that pings all the time; the list gets its round trips in seconds."""
    trips: list[float] = []
    stop = threading.Event()

    def ping(peer: Frames) -> None:
        while not stop.is_set():
            began = time.monotonic()
            peer.send(PING, b"n")
            assert peer.read() == (PONG, b"n")
            trips.append(time.monotonic() - began)
            stop.wait(0.01)

    with server.frames("/echo") as peer, ThreadPoolExecutor(1) as pool:
        done = pool.submit(ping, peer)
        try:
            yield trips
        finally:
            stop.set()
        done.result(5)


def _close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"x", mask=False), 1002),
        (frame(TEXT | 0x40, b"x"), 1002),
        (frame(3, b"x"), 1002),
        (frame(11, b"x"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CONTINUATION, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUATION, b"x"), 1007),
        (frame(TEXT, b"\xe2\x82"), 1007),
        (frame(CLOSE, b"\x03"), 1002),
        (_close(1005), 1002),
        (_close(999), 1002),
        (_close(1000, b"\xff"), 1007),
        (frame(CLOSE), 1005),
        (_close(1000, b"bye"), 1000),
    ],
    ids=[
        *("unmasked", "reserved-bit", "opcode-3", "opcode-11", "long-ping", "split-ping"),
        *("lone-continuation", "text-in-text", "bad-utf8", "bad-utf8-across-fragments", "cut-utf8"),
        *("close-1-byte", "close-1005", "close-999", "close-bad-utf8", "close-empty", "close-1000"),
    ],
)
def test_f01_close_code(server: Served, sent: bytes, code: int) -> None:
    """F-01: each violation is answered with its close code, never with a bare end."""
    with server.frames("/echo") as peer:
        peer.sock.sendall(sent)

        assert peer.close_code() == code
        assert peer.at_end()
    server.assert_serves()


def test_f02_pings_between_fragments(server: Served) -> None:
    """F-02: a fragmented text with pings between the fragments works, and so do the pings."""
    with server.frames("/echo") as peer:
        peer.send(TEXT, "grü".encode()[:3], fin=False)
        peer.send(PING, b"1")
        peer.send(CONTINUATION, "grü".encode()[3:], fin=False)
        peer.send(PING, b"2")
        peer.send(CONTINUATION, b"n")

        assert peer.read() == (PONG, b"1")
        assert peer.read() == (PONG, b"2")
        assert peer.read() == (TEXT, "grün".encode())


def test_f05_huge_frame_header(server: Served) -> None:
    """F-05: a frame that announces 2^62 bytes is cut within 8 MB, memory within 16 MB."""
    before = server.stats()["rss"]
    with server.frames("/echo") as peer:
        peer.sock.sendall(bytes([0x82, 0xFF]) + struct.pack("!Q", 1 << 62) + b"\0\0\0\0")

        assert _pour(peer, b"\0" * 65536) <= 8 * MB

        assert peer.close_code() == 1009
    assert server.stats()["rss"] - before <= 16 * MB
    server.assert_serves()


def test_f06_endless_fragments(server: Served) -> None:
    """F-06: endless fragments are cut with 1009 within 10 MB."""
    with server.frames("/echo") as peer:
        peer.send(BINARY, b"\0", fin=False)

        assert _pour(peer, frame(CONTINUATION, b"\0" * 32000, fin=False)) <= 10 * MB

        assert peer.close_code() == 1009
    server.assert_serves()


def test_f06_large_message(server: Served) -> None:
    """F-06: a client that goes on with its large message and then looks up finds 1009."""
    pause = threading.Event()
    with server.frames("/echo") as peer:
        message = frame(BINARY, b"\0" * 4 * MB)
        peer.sock.sendall(message[: 2 * MB])
        for at in range(2 * MB, 3 * MB, MB // 5):
            pause.wait(0.05)
            peer.sock.sendall(message[at : at + MB // 5])  # a reset would raise here

        assert peer.close_code() == 1009
    server.assert_serves()


def _pour(peer: Frames, data: bytes) -> int:
    """Send until the server takes no more; how much it took."""
    poured = 0
    peer.sock.settimeout(2)
    try:
        while poured < 64 * MB:
            poured += peer.sock.send(data)
    except OSError:
        pass
    peer.sock.settimeout(10)
    return poured


def test_f08_peer_that_never_reads(server: Served) -> None:
    """F-08: it is cut after the send deadline, and another session notices nothing."""
    with _neighbour(server) as trips, server.frames("/flood"):
        until(lambda: server.stats()["sockets"] == 2)
        until(lambda: server.stats()["sockets"] == 1, 15)
    assert max(trips) <= PROMPT
    server.assert_serves()


def test_f08_peer_that_pings_and_never_reads(server: Served) -> None:
    """F-08: unread pongs end the connection as well: the reading thread has the same deadline."""
    data = frame(PING, b"p" * 125) * 500
    with _neighbour(server) as trips, server.frames("/echo") as peer:
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sock.settimeout(15)
        with pytest.raises(ConnectionError):
            _send_for_ever(peer.sock, data)
    assert max(trips) <= PROMPT
    server.assert_serves()


def _send_for_ever(sock: socket.socket, data: bytes) -> None:
    while True:
        sock.sendall(data)


def test_f11_peers_that_do_not_close(server: Served) -> None:
    """F-11: after a server-side close threads and descriptors come back while peers hang on."""
    before = server.stats()
    with ExitStack() as stack:
        peers = [stack.enter_context(server.frames("/bye")) for _ in range(30)]
        for peer in peers:
            peer.send(TEXT, b"x")

        until(lambda: _is_back(server, before), 5)

        assert [peer.close_code() for peer in peers] == [4001] * 30
    server.assert_serves()


def _is_back(server: Served, before: dict[str, int]) -> bool:
    """No connection holds a thread, and there are no more descriptors than before."""
    now = server.stats()
    return now["sockets"] == 0 and now["fds"] <= before["fds"] + 2


def test_f13_flood_of_pings(server: Served) -> None:
    """F-13: 100,000 pings are answered; another session's stay quick."""
    count = 100_000
    with _neighbour(server) as trips, server.frames("/echo") as peer:
        data = frame(PING, b"") * 1000

        def send() -> None:
            for _ in range(count // 1000):
                peer.sock.sendall(data)

        sender = threading.Thread(target=send)
        sender.start()
        left = 2 * count  # bytes: a pong without a payload is two
        while left:
            left -= len(peer.sock.recv(min(left, 65536)))
        sender.join(5)
    assert max(trips) <= PROMPT
    server.assert_serves()


def test_f17_more_than_capacity(server: Served) -> None:
    """F-17: 101 up to capacity, then 503 with Retry-After; health answers; all come back."""
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        peers = list(pool.map(lambda _: server.frames("/echo"), range(60)))
        for peer in peers:
            stack.enter_context(peer)
        refused = [peer.answer for peer in peers if peer.answer.status != 101]

        assert len(refused) == 20
        assert {(answer.status, answer.headers["retry-after"]) for answer in refused} == {
            (503, "2")
        }
        assert server.ask("GET", "/healthz").status == 200

    until(lambda: _all_open(server, 40))


def _all_open(server: Served, count: int) -> bool:
    with ExitStack() as stack:
        peers = [stack.enter_context(server.frames("/echo")) for _ in range(count)]
        return all(peer.answer.status == 101 for peer in peers)


def test_f18_storm_of_connects(server: Served) -> None:
    """F-18: no handshake fails while clients come and go; descriptors come back."""
    before = server.stats()

    def come_and_go(_: int) -> bool:
        with server.frames("/echo") as peer:
            peer.send(TEXT, b"x")
            said = peer.message()
            peer.send(CLOSE, struct.pack("!H", 1000))
            return peer.answer.status == 101 and said == b"x" and peer.close_code() == 1000

    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(come_and_go, range(300)))

    until(lambda: _is_back(server, before))
    server.assert_serves()


def test_f20_upload_beyond_the_limit(server: Served) -> None:
    """F-20: 30 MB are refused with 413, chunked or not; memory stays within twice the limit."""
    before = server.stats()["rss"]
    body = b"x" * 30 * MB
    length = server.ask("POST", "/upload", body=body)
    head = "POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = server.raw(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

    assert (length.status, chunked.status) == (413, 413)
    assert server.stats()["rss"] - before <= 2 * (4 << 20)
    server.assert_serves()


def test_f22_resets_in_mid_utterance(server: Served) -> None:
    """F-22: descriptors and memory come back after 200 connections vanished."""
    before = server.stats()
    for _ in range(8):
        peers = [server.frames("/echo") for _ in range(25)]
        for peer in peers:
            peer.send(BINARY, b"\0" * 3200)
            peer.reset()
        until(lambda: _is_back(server, before))

    assert server.stats()["rss"] - before["rss"] <= 8 * MB
    server.assert_serves()
