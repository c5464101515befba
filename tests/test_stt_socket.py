"""The guarded socket and the bounded buffer, on socket pairs and threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from sockets import until

from stt_socket import BackBuf, GuardSock, InFlight


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

    assert 0.2 <= time.monotonic() - began < 2
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

    assert time.monotonic() - began < 0.5
    assert theirs.recv(1) == b""


def test_linger_is_bounded(pair: tuple[socket.socket, socket.socket]) -> None:
    """A peer that keeps its side open holds the thread for about a second at most (F-11)."""
    ours, _ = pair
    began = time.monotonic()

    GuardSock(ours, 1.0).linger()

    assert 0.9 <= time.monotonic() - began < 2


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
def test_full_buffer_makes_the_reader_wait(bounds: dict[str, int]) -> None:
    """The third message waits until one is taken, by number or by bytes (RT-22, LIB-03)."""
    buffer = BackBuf(InFlight(), **bounds)
    buffer.append(b"1234")
    buffer.append(b"5678")
    reader = threading.Thread(target=buffer.append, args=(b"9",))
    reader.start()
    reader.join(0.1)
    assert reader.is_alive()

    buffer.pop(0)

    reader.join(5)
    assert list(buffer) == [b"5678", b"9"]


def test_one_message_always_fits() -> None:
    """A message above the bound in bytes is taken when nothing else waits (RT-28)."""
    buffer = BackBuf(InFlight(), size=3)

    buffer.append(b"12345")

    assert list(buffer) == [b"12345"]


def test_closed_buffer_drops_and_frees_the_reader() -> None:
    """Closing wakes a waiting reader; nothing is kept or counted any more (RT-22)."""
    in_flight = InFlight(0)
    buffer = BackBuf(in_flight, messages=1)
    buffer.append(b"1")
    buffer.receiving(100)
    reader = threading.Thread(target=buffer.append, args=(b"2",))
    reader.start()

    buffer.close()
    reader.join(5)
    buffer.receiving(50)

    assert until(lambda: not reader.is_alive())
    assert list(buffer) == []
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
