"""The guarded socket and the bounded buffer, on socket pairs and threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from stt_in_flight import InFlight
from stt_socket import BackBuf, GuardSock


@pytest.fixture(name="pair")
def _pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_whole_frame_is_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    """A frame larger than the kernel's buffer arrives whole (RT-21, LIB-01)."""
    ours, theirs = pair
    guard = GuardSock(ours, 5.0)
    got = bytearray()

    def read() -> None:
        while len(got) < 3_000_000:
            got.extend(theirs.recv(65536))

    reader = threading.Thread(target=read)
    reader.start()
    assert guard.send(bytes(range(250)) * 12_000) == 3_000_000
    reader.join(5)

    assert bytes(got) == bytes(range(250)) * 12_000


def test_frames_of_two_threads_do_not_mix(pair: tuple[socket.socket, socket.socket]) -> None:
    """One frame is one locked write, whoever sends it (AC4, AE6)."""
    ours, theirs = pair
    guard = GuardSock(ours, 5.0)
    size, each = 500_000, 5  # more than the kernel takes at once
    senders = [
        threading.Thread(target=lambda mark=mark: [guard.send(mark * size) for _ in range(each)])
        for mark in (b"a", b"b", b"c")
    ]
    for sender in senders:
        sender.start()

    with theirs.makefile("rb") as stream:
        frames = [stream.read(size) for _ in range(3 * each)]

    for sender in senders:
        sender.join(5)
    assert all(len(set(frame)) == 1 for frame in frames)


def test_peer_that_does_not_read_is_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    """A frame not taken by the deadline raises, and the peer's stream ends (RT-21, AE10)."""
    ours, theirs = pair
    guard = GuardSock(ours, 0.2)
    began = time.monotonic()

    with pytest.raises(TimeoutError, match="does not read"):
        guard.send(b"\0" * 20_000_000)

    assert 0.2 <= time.monotonic() - began < 8
    with pytest.raises(BrokenPipeError):
        guard.send(b"more")
    while theirs.recv(65536):
        pass


def test_linger_ends_with_the_peer(pair: tuple[socket.socket, socket.socket]) -> None:
    """Lingering reads what still comes and ends at the peer's end (AE7)."""
    ours, theirs = pair
    theirs.sendall(b"late" * 1000)
    theirs.shutdown(socket.SHUT_WR)
    began = time.monotonic()

    GuardSock(ours, 1.0).linger()

    assert time.monotonic() - began < 4
    assert theirs.recv(1) == b""


def test_linger_is_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """A peer that keeps its side open holds the thread for about a second at most (F-11)."""
    ours, _ = pair
    began = time.monotonic()

    GuardSock(ours, 1.0).linger()

    assert 0.9 <= time.monotonic() - began < 8


def test_waiting_for_the_end_ends_with_it(pair: tuple[socket.socket, socket.socket]) -> None:
    """`shutdown` wakes a thread that waits for the end; bytes that come do not (RT-27)."""
    ours, theirs = pair
    guard = GuardSock(ours, 1.0)
    theirs.sendall(b"bytes")
    began = time.monotonic()
    guard.wait_for_end(began + 0.2)
    assert 0.2 <= time.monotonic() - began < 4
    waiter = threading.Thread(target=guard.wait_for_end, args=(began + 60,))
    waiter.start()

    guard.shutdown()

    waiter.join(5)
    assert not waiter.is_alive()


def test_close_leaves_the_descriptor_to_its_owner(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """The library's close frees no descriptor that another thread may be using."""
    ours, _ = pair
    guard = GuardSock(ours, 1.0)

    guard.close()

    assert guard.fileno() == ours.fileno() >= 0


def test_buffer_gives_messages_in_order() -> None:
    """Messages come out as they went in, and the books are balanced afterwards (RT-22)."""
    in_flight = InFlight(10)
    buffer = BackBuf(in_flight)
    for message in ("one", b"two", "three"):
        buffer.append(message)
    assert buffer.held == 11
    assert in_flight.full

    taken = [buffer.pop(0) for _ in range(3)]

    assert taken == ["one", b"two", "three"]
    assert buffer.held == 0
    assert not in_flight.full
    with pytest.raises(IndexError):
        buffer.pop(0)


@pytest.mark.parametrize("bounds", [{"messages": 2}, {"size": 8}])
def test_full_buffer_says_so(bounds: dict[str, int]) -> None:
    """After the second message it is full until one is taken, by number or by bytes (RT-22)."""
    buffer = BackBuf(InFlight(), **bounds)
    buffer.append(b"1234")
    assert not buffer.full
    buffer.append(b"5678")
    assert buffer.full

    buffer.pop(0)

    assert not buffer.full


def test_unfinished_message_fills() -> None:
    """What has come in of a message takes room as well, and one above the bound is taken."""
    buffer = BackBuf(InFlight(), size=3)

    buffer.receiving(3)
    assert buffer.full
    buffer.append(b"12345")
    buffer.receiving(0)

    assert list(buffer) == [b"12345"]


def test_closed_buffer_drops() -> None:
    """After closing nothing is kept or counted any more (RT-22)."""
    in_flight = InFlight(0)
    buffer = BackBuf(in_flight, messages=1)
    buffer.append(b"1")
    buffer.receiving(100)

    buffer.close()
    buffer.append(b"2")
    buffer.receiving(50)

    assert list(buffer) == []
    assert not buffer.full
    assert not in_flight.full


def test_unfinished_message_counts() -> None:
    """What has come in of a message counts until it is whole, then as a message (RT-28)."""
    in_flight = InFlight(99)
    buffer = BackBuf(in_flight)

    buffer.receiving(60)
    buffer.receiving(100)

    assert buffer.held == 100
    assert in_flight.full
    buffer.receiving(0)
    assert not in_flight.full
